import { encodeCursor, operations } from '@batuta/contracts';
import type { ListInboxRequest, ListVersionsRequest } from '@batuta/contracts';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startUnderTest } from './gateway-under-test.js';
import type { UnderTest } from './gateway-under-test.js';

const EXECUTION = '01900000-0000-7000-8000-000000000001';
const idOf = (n: number): string => `01900000-0000-7000-8000-${String(n).padStart(12, '0')}`;

/** Lists with cursors that the gateway makes, and the key of each item. */
const LISTS: readonly (readonly [path: string, items: string, key: string])[] = [
  [`/api/v1/orchestrations/executions/${EXECUTION}/events`, 'events', 'version'],
  ['/api/v1/orchestrations/configs/greeting/versions', 'versions', 'version'],
  ['/api/v1/notifications', 'notifications', 'id'],
];

describe('paging', () => {
  let under: UnderTest;
  beforeAll(async () => {
    under = await startUnderTest();
    under.fake.seed(EXECUTION, 'default', 7);
    const { handlers } = under.fake;
    handlers.set(operations.configs.versions.subject, (({ limit = 50, beforeVersion = 0 }: ListVersionsRequest) => {
      const newest = beforeVersion === 0 ? 7 : beforeVersion - 1;
      // Shorter than requested, as when the documents are large.
      const page = Array.from({ length: Math.min(newest, limit, 3) }, (_, index) => ({
        id: 'greeting',
        version: newest - index,
        definition: { name: 'greeting', steps: [] },
      }));
      return { versions: page };
    }) as never);
    handlers.set(operations.notifications.list.subject, (({ limit = 100, afterId = '' }: ListInboxRequest) => {
      const left = [1, 2, 3, 4, 5, 6, 7].map(idOf).filter((id) => id > afterId);
      const notifications = left.slice(0, limit).map((id) => ({ id, executionId: EXECUTION, createdAt: 1 }));
      return { notifications, more: left.length > limit };
    }) as never);
  });
  afterAll(async () => {
    await under.close();
  });

  it.each(LISTS)('reads all of %s with next_cursor, each item once', async (path, name, key) => {
    const seen: unknown[] = [];
    let pages = 0;
    let cursor = '';
    do {
      const { status, body } = await under.call('GET', `${path}?limit=5${cursor === '' ? '' : `&cursor=${cursor}`}`);
      expect(status).toBe(200);
      seen.push(...(body[name] as Record<string, unknown>[]).map((item) => item[key]));
      expect(body).toHaveProperty('next_cursor');
      cursor = (body['next_cursor'] as string | null) ?? '';
      pages += 1;
    } while (cursor !== '' && pages < 10);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toHaveLength(7);
    expect(pages).toBeGreaterThan(1);
  });

  it.each(LISTS)('refuses for %s a cursor of another list', async (path, name) => {
    const others = ['x', '5', encodeCursor('configs', '5'), encodeCursor(name, ''), encodeCursor(`${name}s`, '5')];
    for (const cursor of others) {
      if (name === 'notifications' && cursor === encodeCursor(name, '')) continue;
      const { status, body } = await under.call('GET', `${path}?cursor=${cursor}`);
      expect([status, body.errors]).toMatchObject([400, [{ path: '/cursor', code: 'bad_cursor' }]]);
    }
  });

  it('has one style: every list takes limit and cursor and answers with next_cursor', async () => {
    interface Operation {
      readonly parameters?: { readonly name: string; readonly in: string }[];
      readonly responses: Record<string, { content?: Record<string, { schema?: { $ref?: string } }> }>;
    }
    const { body } = await under.call('GET', '/docs-json', { key: null });
    const document = body as unknown as {
      paths: Record<string, Record<string, Operation>>;
      components: { schemas: Record<string, { properties?: Record<string, unknown> }> };
    };
    const lists: string[] = [];
    for (const [path, { get }] of Object.entries(document.paths)) {
      const names = (get?.parameters ?? []).filter((one) => one.in === 'query').map(({ name }) => name);
      expect(names.filter((name) => /^(page|after_id|before_version|per_page)$/.test(name))).toEqual([]);
      const schema = get?.responses['200']?.content?.['application/json']?.schema?.$ref?.split('/').at(-1) ?? '';
      const isPaged = Object.hasOwn(document.components.schemas[schema]?.properties ?? {}, 'next_cursor');
      expect([path, names.includes('cursor')]).toEqual([path, isPaged]);
      if (!isPaged) continue;
      lists.push(path);
      expect(names).toContain('limit');
    }
    expect(lists.length).toBeGreaterThan(9);
  });
});
