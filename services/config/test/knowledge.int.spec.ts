import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { operations } from '@batuta/contracts';
import type { DocumentReply, ListDocumentsReply, Principal, SearchKnowledgeReply } from '@batuta/contracts';
import { Secret } from '@batuta/settings';
import pg from 'pg';
import { configDataSource } from '../src/database/data-source.js';
import { knowledgeQuery } from '../src/knowledge/query.js';
import { SEARCH_SQL } from '../src/knowledge/search-sql.js';
import { principal, startConfigUnderTest } from './harness.js';
import type { ConfigUnderTest } from './harness.js';

let under: ConfigUnderTest;
beforeAll(async () => {
  under = await startConfigUnderTest();
});
afterAll(() => under.close());

const me = principal('library', 'operator');
const put = (source: string, content: unknown, more: object = {}, as: Principal = me) =>
  under.client.request<DocumentReply>(operations.knowledge.put.subject, { principal: as, source, content, ...more });
const search = (query: string, limit = 5, tenantId = 'library') =>
  under.client.request<SearchKnowledgeReply>(operations.knowledge.search.subject, { tenantId, query, limit });
const list = (request: object = {}, as: Principal = me) =>
  under.client.request<ListDocumentsReply>(operations.knowledge.list.subject, { principal: as, ...request });

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

  describe('parts of words', () => {
    const found = async (query: string): Promise<string[]> =>
      (await search(query, 20, 'parts')).passages.map(({ source }) => source);
    const as = principal('parts', 'operator');
    beforeAll(async () => {
      const ids =
        '# Ids\n\norders.created_at is in /var/log/nginx/error.log at api.example.org with foo.png. ' +
        'Call getUserById of HTTPServer, v1.22.3, write to ada@mail.test or <placeholder> in PostgreSQL.';
      await put('ids.md', ids, {}, as);
      await put(
        'created.md',
        '# Created\n\nWhat was created at noon, an error in the log, an example of a user.',
        {},
        as,
      );
      await put('ja.md', '# 運用\n\nKubernetesのデータベース接続が拒否された場合は再起動。猫', {}, as);
      await put('ja2.md', '# 基地\n\nデータの基地。ﾊﾝｶｸのベース', {}, as);
      await put('zh.md', '# 手册\n\n数据库连接被拒绝时请重新启动服务', {}, as);
      await put('ko.md', '# 안내\n\n데이터베이스가 연결을 거부하면 다시 시작하세요', {}, as);
      await put('th.md', '# คู่มือ\n\nเริ่มระบบใหม่เมื่อฐานข้อมูลปฏิเสธการเชื่อมต่อ', {}, as);
    });

    it.each([
      'orders.created_at',
      'created_at',
      'error.log',
      '/var/log/nginx',
      'nginx/error.log',
      'example.org',
      'api.example.org',
      'https://api.example.org/',
      'foo',
      'png',
      'getUserById',
      'getuserbyid',
      'httpserver',
      'v1.22.3',
      '1.22',
      'ada@mail.test',
      'mail.test',
      'placeholder',
      'postgresql',
      'created_at foo.png',
      'Why is orders.created_at not set by getUserById?',
      'created_at -kitchen',
    ])('finds %j first', async (query) => {
      expect((await found(query))[0]).toBe('ids.md');
    });

    it('finds parts of names in camel case', async () => {
      expect(await found('"user by id"')).toEqual(['ids.md']);
      expect((await found('get_user'))[0]).toBe('ids.md');
      expect(await found('server')).toContain('ids.md');
    });

    it('does not find an excluded identifier, or one whose parts are not together', async () => {
      expect(await found('error -foo.png')).toEqual(['created.md']);
      expect(await found('error -error.log')).toEqual(['created.md']);
      expect(await found('"example org"')).toEqual(['ids.md']);
    });

    it.each([
      ['データベース', 'ja.md'],
      ['再起動', 'ja.md'],
      ['接続が拒否', 'ja.md'],
      ['猫', 'ja.md'],
      ['運用', 'ja.md'],
      ['Kubernetes', 'ja.md'],
      ['Kubernetes 再起動', 'ja.md'],
      ['ﾃﾞｰﾀﾍﾞｰｽ', 'ja.md'],
      ['ハンカク', 'ja2.md'],
      ['データベースが再起動しない', 'ja.md'],
      ['数据库', 'zh.md'],
      ['重新启动', 'zh.md'],
      ['데이터베이스', 'ko.md'],
      ['연결', 'ko.md'],
      ['ฐานข้อมูล', 'th.md'],
      ['เชื่อมต่อ', 'th.md'],
    ])('finds %s', async (query, source) => {
      expect((await found(query))[0]).toBe(source);
    });

    it('reads phrases, alternatives and exclusions of them too', async () => {
      expect((await found('データベース')).slice(0, 1)).toEqual(['ja.md']);
      expect(await found('"データの基地"')).toEqual(['ja2.md']);
      expect((await found('数据库 or 再起動')).toSorted()).toEqual(['ja.md', 'zh.md']);
      expect((await found('再起動 or placeholder')).toSorted()).toEqual(['ids.md', 'ja.md']);
      expect(await found('データ -再起動')).toEqual(['ja2.md']);
    });

    it('marks what it found', async () => {
      const highlight = async (query: string) => (await search(query, 1, 'parts')).passages[0]?.highlight;
      expect(await highlight('データベース')).toContain('の**データベース**接続');
      expect(await highlight('created_at')).toContain('**created_at**');
      expect(await highlight('foo')).toContain('with **foo**.png');
    });

    it('finds something for a question of 2000 characters', async () => {
      const words = Array.from({ length: 400 }, (_, n) => `w${n}`)
        .join(' ')
        .slice(0, 1_980);
      expect(await found(`refused placeholder ${words}`)).toContain('ids.md');
      expect(await found('データベース再起動'.repeat(220))).toContain('ja.md');
    });

    it('looks words up in the index', async () => {
      const client = new pg.Client({ connectionString: under.databaseUrl });
      await client.connect();
      try {
        // A few rows would be read one by one.
        await client.query('BEGIN');
        await client.query('SET LOCAL enable_seqscan = off');
        await client.query(`INSERT INTO config.knowledge_passages
            (document_id, passage_index, tenant_id, title, headings, heading_text, text, first_line, last_line)
          SELECT document_id, 1000 + n, tenant_id, title, headings, heading_text, 'filler number' || n, 1, 1
          FROM (SELECT * FROM config.knowledge_passages WHERE tenant_id = 'parts' LIMIT 1) AS one, generate_series(1, 5000) AS n`);
        await client.query("SELECT gin_clean_pending_list('config.knowledge_passages_search')");
        await client.query('ANALYZE config.knowledge_passages');
        const { words, grams, isEither, anyWords, anyGrams, exact } = knowledgeQuery('orders.created_at データベース');
        const parameters = [words, grams, isEither, anyWords, anyGrams, exact, 'parts', 5];
        const { rows } = await client.query<Record<string, string>>(`EXPLAIN ${SEARCH_SQL}`, parameters);
        const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
        expect(plan.match(/Index Scan on knowledge_passages_search/g)).toHaveLength(2);
        await client.query('ROLLBACK');
      } finally {
        await client.end();
      }
    });

    it('indexes the documents that were there before', async () => {
      const dataSource = await configDataSource({
        databaseUrl: new Secret(under.databaseUrl),
        connections: 2,
      }).initialize();
      try {
        while (
          (await dataSource.query<unknown[]>("SELECT FROM pg_proc WHERE proname = 'knowledge_vector'")).length > 0
        ) {
          await dataSource.undoLastMigration();
        }
        const [before] = await dataSource.query<{ search: string }[]>(
          "SELECT search::text FROM config.knowledge_passages WHERE tenant_id = 'parts' AND title = 'Ids'",
        );
        expect(before?.search).toContain('api.example.org');
        await dataSource.runMigrations({ transaction: 'each' });
      } finally {
        await dataSource.destroy();
      }
      expect(await found('created_at')).toEqual(['ids.md', 'created.md']);
      expect(await found('データベース')).toEqual(['ja.md']);
    });
  });

  it.each(["'", '\\', "o'brien \\ & | ! <-> :*", 'the of and', '"', '- -', '\u{1F600}', "it's a\\'b", '%_'])(
    'answers the query %j',
    async (query) => {
      expect((await search(query)).refused).toBeUndefined();
    },
  );

  it.each(['', '  ', 'a\0b', 'x'.repeat(2001)])('refuses the query %j', async (query) => {
    expect((await search(query)).refused?.code).toBe('validation_failed');
  });

  it('keeps to the limit and to the tenant', async () => {
    expect((await search('runbook', 1)).passages).toHaveLength(1);
    expect((await search('runbook', 50, 'elsewhere')).passages).toEqual([]);
  });
});

describe('documents', () => {
  const editor = principal('editors', 'operator');

  it('leaves equal documents untouched and replaces changed ones', async () => {
    const first = await put('a.md', '# One\n\nalpha', {}, editor);
    expect(first).toMatchObject({ unchanged: false, document: { title: 'One', passages: 1 } });
    expect(await put('a.md', '# One\n\nalpha', {}, editor)).toEqual({
      document: first.document,
      etag: first.etag,
      unchanged: true,
    });
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
      under.client.request<DocumentReply>(operations.knowledge.delete.subject, { principal: as, id: documents[0]?.id });
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
