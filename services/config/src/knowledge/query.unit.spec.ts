import { describe, expect, it } from '@jest/globals';
import { HEADLINE, highlightOf } from './highlight.js';
import { knowledgeQuery } from './query.js';

describe('knowledgeQuery', () => {
  it.each([
    ['disk full', 'disk full'],
    ['created_at', '"created at"'],
    ['-foo.png /var/log', '-"foo png" "var log"'],
    ['"open orders.created_at" now', '"open orders created at" now'],
    ['a or b -c', 'a or b -c'],
    ['never "closed', 'never closed'],
    ['- -- " ""', ''],
    ['ＡＰＩ １', 'API 1'],
    ['naïve café_au_lait', 'naïve "café au lait"'],
  ])('reads %j as %j', (query, words) => {
    expect(knowledgeQuery(query).words).toBe(words);
  });

  it('reads scripts without spaces as phrases of pairs', () => {
    expect(knowledgeQuery('Kubernetesのデータ -猫')).toMatchObject({
      words: 'Kubernetes',
      grams: "('のデ' <-> 'デー' <-> 'ータ') & !('猫':*)",
      isEither: false,
      anyGrams: ['のデ', 'デー', 'ータ', '猫'],
    });
    expect(knowledgeQuery('日本 or 中国').grams).toBe("('日本') | ('中国')");
  });

  it('searches for parts of camel-case names only when any word is enough', () => {
    const { words, anyWords, exact } = knowledgeQuery('getHTTPServer a.B');
    expect([words, anyWords]).toEqual(['getHTTPServer "a B"', 'getHTTPServer get HTTP Server a B']);
    expect(exact).toEqual(['a.b']);
  });

  it('limits the database query, however long the search is', () => {
    const { anyGrams, exact } = knowledgeQuery('再起動データベース接続が拒否'.repeat(100) + ' a.b c.d'.repeat(100));
    expect(anyGrams.length).toBeLessThanOrEqual(64);
    expect(exact).toEqual(['a.b', 'c.d']);
  });
});

/** The result when the database marks nothing: its headline is then the beginning of the passage. */
const highlighted = (text: string, marks: readonly string[]): string => highlightOf(text, text.slice(0, 20), marks);

describe('highlightOf', () => {
  it('marks all of the searched words, near the first of them', () => {
    const text = `${'x'.repeat(500)} the file error.log and Error.log ${'y'.repeat(500)}`;
    const piece = highlighted(text, ['error.log', 'file']);
    expect(piece).toContain('the **file** **error.log** and **Error.log**');
    expect(piece?.length).toBeLessThan(400);
    expect(highlighted('nothing', ['else'])).toBe('nothing');
    expect(highlighted('a (b) c', ['(b)'])).toBe('a **(b)** c');
  });

  it('cuts no word, and shows where the text continues', () => {
    const words = 'lorem ipsum dolor sit amet '.repeat(30);
    const piece = highlighted(`${words}error.log ${words}`, ['error.log']) ?? '';
    expect(piece).toMatch(/^… (\w+ )+\*\*error\.log\*\* (\w+ )+…$/);
    const known = new Set(['lorem', 'ipsum', 'dolor', 'sit', 'amet', '**error.log**', '…']);
    expect(piece.split(' ').filter((word) => !known.has(word))).toEqual([]);
    expect(highlighted(`error.log ${words}`, ['error.log'])).toMatch(/^\*\*error\.log\*\* lorem/);
    expect(highlighted(`${words}error.log`, ['error.log'])).toMatch(/\*\*error\.log\*\*$/);
    // When no word ends, the piece still has its usual length.
    expect(highlighted(`${'本'.repeat(500)}山${'本'.repeat(500)}`, ['山'])).toHaveLength(320 + 2 * 2 + 4);
  });

  it.each([
    ['Nothing is lost', ['not'], 'Nothing is lost'],
    ['Nothing is lost, but not all', ['not'], 'Nothing is lost, but **not** all'],
    ['call getUserName first', ['user'], 'call get**User**Name first'],
    ['see created_at', ['created'], 'see **created**_at'],
    ['of foo.png', ['foo'], 'of **foo**.png'],
    ['の接続が拒否', ['接続'], 'の**接続**が拒否'],
  ])('in %j marks no piece of a word: %j', (text, marks, shown) => {
    expect(highlightOf(text, text, marks)).toBe(shown);
  });

  it('shows where a passage continues around the database’s headline', () => {
    const { start, end, between } = HEADLINE;
    const text = 'First of all, connections are refused. Much later the pooler says so, and that is **all**.';
    const cut = `onnections are ${start}refused${end}. Much${between}the ${start}pooler${end} sa`;
    expect(highlightOf(text, cut, [])).toBe('… connections are **refused**. Much … the **pooler** says …');
    expect(highlightOf(text, `${start}First${end} of all, connections are refused`, [])).toBe(
      '**First** of all, connections are refused …',
    );
    expect(highlightOf(text, `and ${start}that${end} is **all**.`, [])).toBe('… and **that** is **all**.');
    expect(highlightOf('a <b>x</b> c', `a  ${start}x${end}  c`, [])).toBe('a  **x**  c');
  });
});
