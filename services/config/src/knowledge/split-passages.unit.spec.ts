import { describe, expect, it } from '@jest/globals';
import { splitPassages, titleIn } from './split-passages.js';

const markdown = (text: string) => splitPassages(text, 'text/markdown');

describe('splitting Markdown', () => {
  it('gives each passage the headings above it and its lines', () => {
    const text = '# A\n\none\n\n## B #\n\ntwo\nlines\n\n### C\n\nthree\n\n## D\n\nfour';
    expect(markdown(text)).toEqual([
      { headings: ['A'], text: 'one', firstLine: 3, lastLine: 3 },
      { headings: ['A', 'B'], text: 'two\nlines', firstLine: 7, lastLine: 8 },
      { headings: ['A', 'B', 'C'], text: 'three', firstLine: 12, lastLine: 12 },
      { headings: ['A', 'D'], text: 'four', firstLine: 16, lastLine: 16 },
    ]);
  });

  it('reads underlined headings, and lists and tables as text', () => {
    expect(markdown('Title\n=====\n\ntext\n\nSub\n---\n\nmore')).toMatchObject([
      { headings: ['Title'], text: 'text' },
      { headings: ['Title', 'Sub'], text: 'more' },
    ]);
    expect(markdown('- item\n---\n\nthree\nlines\n---')[0]).toMatchObject({ headings: [] });
  });

  it('takes no heading from fenced code or from the metadata at the top', () => {
    const text = '---\ntitle: x\n# no\n---\n\n# Yes\n\n```sh\n# no\n\n## no\n```\n\n~~~\n# no\n```\n~~~\nend';
    const passages = markdown(text);
    expect(new Set(passages.flatMap(({ headings }) => headings))).toEqual(new Set(['Yes']));
    expect(passages.at(-1)?.lastLine).toBe(text.split('\n').length);
  });

  it('keeps a heading that has nothing below it', () => {
    expect(markdown('# A\n\n## B\n\n## C\n\ntext')).toEqual([
      { headings: ['A', 'B'], text: '## B', firstLine: 3, lastLine: 3 },
      { headings: ['A', 'C'], text: 'text', firstLine: 7, lastLine: 7 },
    ]);
  });

  it('numbers lines the same for every line ending', () => {
    expect(markdown('# A\r\n\r\none\rtwo')).toEqual(markdown('# A\n\none\ntwo'));
  });
});

describe('splitting by size', () => {
  const paragraphs = Array.from({ length: 50 }, (_, n) => `paragraph ${n} ${'word '.repeat(30).trim()}`);

  it('fills passages with whole paragraphs and loses none', () => {
    const passages = splitPassages(paragraphs.join('\n\n'), 'text/plain');
    expect(passages.length).toBeGreaterThan(3);
    expect(passages.flatMap(({ text }) => text.split('\n\n'))).toEqual(paragraphs);
    for (const { text, firstLine, lastLine } of passages) {
      expect(text.length).toBeLessThanOrEqual(1200);
      expect(text.split('\n')).toHaveLength(lastLine - firstLine + 1);
    }
  });

  it('cuts a paragraph that is too long between lines', () => {
    const lines = Array.from({ length: 200 }, (_, n) => `line ${n} of a long list`);
    const passages = splitPassages(lines.join('\n'), 'text/plain');
    expect(passages.flatMap(({ text }) => text.split('\n'))).toEqual(lines);
    expect(passages.map(({ firstLine }) => firstLine).slice(1)).toEqual(
      passages.slice(0, -1).map(({ lastLine }) => lastLine + 1),
    );
  });

  it('cuts a line that is too long between words, never inside a character', () => {
    const words = Array.from({ length: 2000 }, (_, n) => `word${n}`);
    const cut = splitPassages(words.join(' '), 'text/plain');
    expect(cut.flatMap(({ text }) => text.split(/\s+/))).toEqual(words);
    const faces = splitPassages('😀'.repeat(3000), 'text/plain');
    expect(faces.map(({ text }) => text).join('')).toBe('😀'.repeat(3000));
    expect(faces.every(({ text }) => text.isWellFormed())).toBe(true);
  });

  it('makes no passage of an empty document', () => {
    expect(splitPassages('', 'text/markdown')).toEqual([]);
    expect(splitPassages(' \n\n\t\n', 'text/plain')).toEqual([]);
  });
});

describe('titleIn', () => {
  it.each([
    ['text\n\n# First\n\n## Second', 'text/markdown', 'First'],
    ['no heading', 'text/markdown', undefined],
    ['\n\n  The first line \nsecond', 'text/plain', 'The first line'],
    ['', 'text/plain', undefined],
  ] as const)('reads %j as %s', (content, type, expected) => {
    expect(titleIn(content, type)).toBe(expected);
  });
});
