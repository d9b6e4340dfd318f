import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { subjects } from '@batuta/contracts';
import type { DocumentReply, ListDocumentsReply, Principal, SearchKnowledgeReply } from '@batuta/contracts';
import { principal, startConfigUnderTest } from './harness.js';
import type { ConfigUnderTest } from './harness.js';

let under: ConfigUnderTest;
beforeAll(async () => {
  under = await startConfigUnderTest();
}, 60_000);
afterAll(() => under.close());

const { config: on } = subjects;
const me = principal('library', 'operator');
const put = (source: string, content: unknown, more: object = {}, as: Principal = me) =>
  under.client.request<DocumentReply>(on.knowledgePut, { principal: as, source, content, ...more });
const search = (query: string, limit = 5, tenantId = 'library') =>
  under.client.request<SearchKnowledgeReply>(on.knowledgeSearch, { tenantId, query, limit });
const list = (request: object = {}, as: Principal = me) =>
  under.client.request<ListDocumentsReply>(on.knowledgeList, { principal: as, ...request });

const POSTGRES = `# PostgreSQL runbook

## Too many connections

The error \`FATAL: sorry, too many clients already\` means that max_connections is reached.
Raise it, or put a pooler in front.

## Disk full

When the write-ahead log fills the disk, the server stops.

\`\`\`sh
# not a heading
df -h /var/lib/postgresql
\`\`\`
`;
const NATS = `# NATS runbook

## Slow consumers

A client that reads too slowly is disconnected. Look at the pending bytes of its connections.

## Messages too large

Raise max_payload when a message is refused as too large.
`;

describe('search', () => {
  beforeAll(async () => {
    await put('runbooks/postgres.md', POSTGRES);
    await put('runbooks/nats.md', NATS);
    await put('notes.txt', 'Coffee is in the kitchen.\n\nThe disk of the printer is full of jokes.', {
      contentType: 'text/plain',
    });
  });

  it('finds the passage with its place, headings and highlight', async () => {
    const { passages } = await search('too many connections');
    expect(passages[0]).toMatchObject({
      source: 'runbooks/postgres.md',
      title: 'PostgreSQL runbook',
      headings: ['PostgreSQL runbook', 'Too many connections'],
      firstLine: 5,
      lastLine: 6,
    });
    expect(passages[0]?.text.split('\n')[0]).toBe(POSTGRES.split('\n')[4]);
    const { passages: byWord } = await search('pooler');
    expect(byWord[0]?.highlight).toContain('**pooler**');
  });

  it('puts a passage under the asked heading above one that only mentions the words', async () => {
    const { passages } = await search('disk full');
    expect(passages.map(({ source }) => source)).toEqual(['runbooks/postgres.md', 'notes.txt']);
    expect(passages[0]?.rank).toBeGreaterThan(passages[1]?.rank ?? Infinity);
  });

  it('finds something for a question in plain language, the passage with most of its words first', async () => {
    await put('noise.md', `# Disconnected\n\n${'disconnected '.repeat(50)}`);
    const { passages } = await search('Why does my client get disconnected when it reads slowly on Mondays?');
    expect(passages[0]).toMatchObject({ source: 'runbooks/nats.md', headings: ['NATS runbook', 'Slow consumers'] });
    expect(passages[0]?.highlight).toMatch(/\*\*/);
  });

  it('reads phrases and exclusions as a web search does', async () => {
    expect((await search('"pending bytes"')).passages).toHaveLength(1);
    expect((await search('"bytes pending"')).passages.map(({ source }) => source)).not.toContain('notes.txt');
    const sources = (await search('disk -printer')).passages.map(({ source }) => source);
    expect(new Set(sources)).toEqual(new Set(['runbooks/postgres.md']));
    expect((await search('kitchen -coffee')).passages).toEqual([]);
  });

  it.each(["'", '\\', "o'brien \\ & | ! <-> :*", 'the of and', '"', '- -', '\u{1F600}', "it's a\\'b", '%_'])(
    'answers the query %j',
    async (query) => {
      expect((await search(query)).refused).toBeUndefined();
    },
  );

  it.each(['', '  ', 'a\0b', 'x'.repeat(1001)])('refuses the query %j', async (query) => {
    expect((await search(query)).refused?.code).toBe('validation_failed');
  });

  it('keeps to the limit and to the tenant', async () => {
    expect((await search('runbook', 1)).passages).toHaveLength(1);
    expect((await search('runbook', 50, 'elsewhere')).passages).toEqual([]);
  });
});

describe('documents', () => {
  const editor = principal('editors', 'operator');

  it('leaves what is the same untouched and replaces what changed', async () => {
    const first = await put('a.md', '# One\n\nalpha', {}, editor);
    expect(first).toMatchObject({ unchanged: false, document: { title: 'One', passages: 1 } });
    expect(await put('a.md', '# One\n\nalpha', {}, editor)).toEqual({ document: first.document, unchanged: true });
    const second = await put('a.md', '# Two\n\nbeta\n\n# Three\n\ngamma', {}, editor);
    expect(second).toMatchObject({ unchanged: false, document: { id: first.document?.id, title: 'Two', passages: 2 } });
    expect((await search('alpha', 5, 'editors')).passages).toEqual([]);
    expect((await search('gamma', 5, 'editors')).passages).toHaveLength(1);
  });

  it('keeps one document of a source when writers meet', async () => {
    const replies = await Promise.all(
      Array.from({ length: 8 }, (_, n) => put('same.md', `# Race\n\nversion${n} common`, {}, editor)),
    );
    expect(new Set(replies.map(({ document }) => document?.id)).size).toBe(1);
    expect((await search('common', 50, 'editors')).passages).toHaveLength(1);
  });

  it('pages through documents, and deletes one with its passages', async () => {
    const pager = principal('pager', 'operator');
    for (let n = 0; n < 5; n += 1) await put(`d${n}`, `text${n} shared`, {}, pager);
    const seen: string[] = [];
    let cursor = '';
    do {
      const page: ListDocumentsReply = await list({ limit: 2, cursor }, pager);
      seen.push(...page.documents.map(({ source }) => source));
      cursor = page.nextCursor ?? '';
    } while (cursor !== '');
    expect(seen).toEqual(['d4', 'd3', 'd2', 'd1', 'd0']);
    const { documents } = await list({}, pager);
    const remove = (as: Principal) =>
      under.client.request<DocumentReply>(on.knowledgeDelete, { principal: as, id: documents[0]?.id });
    expect((await remove(principal('elsewhere'))).refused?.code).toBe('not_found');
    expect((await remove(pager)).document?.source).toBe('d4');
    expect((await remove(pager)).refused?.code).toBe('not_found');
    expect((await search('shared', 50, 'pager')).passages).toHaveLength(4);
  });

  it.each([
    [{ source: '' }, '/source'],
    [{ content: '' }, '/content'],
    [{ content: 5 }, '/content'],
    [{ content: 'a\0b' }, '/content'],
    [{ content: 'é'.repeat(600_000) }, '/content'],
    [{ contentType: 'application/pdf' }, '/content_type'],
    [{ metadata: [] }, '/metadata'],
    [{ metadata: { a: 'x'.repeat(20_000) } }, '/metadata'],
  ])('refuses a document with a mistake (%#)', async (request, path) => {
    const { refused } = await put('bad.md', 'text', request);
    expect(refused?.code).toBe('validation_failed');
    expect(refused?.violations?.map((violation) => violation.path)).toContain(path);
  });

  it('takes a document of a megabyte, also one of a single line', async () => {
    const words = Array.from({ length: 100_000 }, (_, n) => `w${n % 5000}`).join(' ');
    expect((await put('line.txt', words, { contentType: 'text/plain' })).document?.passages).toBeGreaterThan(300);
    expect((await put('word.txt', 'x'.repeat(1_000_000), { contentType: 'text/plain' })).refused).toBeUndefined();
    expect((await search('w4999')).passages.length).toBeGreaterThan(0);
  });

  it('asks a viewer to leave things as they are', async () => {
    const viewer = principal('library', 'viewer');
    expect((await put('v.md', 'x', {}, viewer)).refused?.code).toBe('forbidden');
    expect((await list({}, viewer)).documents.length).toBeGreaterThan(0);
  });
});
