import { MISTAKES, REFUSALS, operations } from '@batuta/contracts';
import type { RefusalCode, RefusalMeaning } from '@batuta/contracts';
import { propertyRuns } from '@batuta/testing';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { KEYS } from './fake-platform.js';
import { startUnderTest } from './gateway-under-test.js';
import type { UnderTest } from './gateway-under-test.js';

jest.setTimeout(300_000);

const SEEDED = '01900000-0000-7000-8000-000000000001';
const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

interface Operation {
  readonly parameters?: { readonly name: string; readonly in: string }[];
  readonly requestBody?: unknown;
  readonly responses: Record<string, { readonly content?: Record<string, unknown> }>;
}

interface Route {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

/** Values that are almost valid, and values that are never valid. */
const text = fc.oneof(
  fc.constantFrom('greeting', 'a', SEEDED, '1', '50', '0', '-1', '30s', 'true', 'completed', 'parallel'),
  fc.constantFrom(
    '__proto__',
    'constructor',
    '.',
    '..',
    'a\u200bb',
    'a\u202e',
    'cafe\u0301',
    'a\nb',
    '2030-02-30T00:00:00Z',
  ),
  fc.constantFrom('2030-01-31T12:00:00Z', 'viewer', 'webhook', '"1"', 'W/"1"', '*', 'a'.repeat(300)),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: 'binary-ascii', maxLength: 8 }),
);
const json = fc.oneof(fc.jsonValue({ maxDepth: 3 }), text, fc.constant(null));
const LARGE = JSON.stringify({ input: 'x'.repeat(70_000) });
const FIELDS =
  'name strategy steps settings metadata input session_id callback_url start_at priority budget from_step_id reason comment data ' +
  'compensate now ids type user_id role expires_at tenant_id source content title content_type pool description input_schema ' +
  'config_id execution_id events to fallback max_retries __proto__ x';
const body = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .dictionary(fc.constantFrom(...FIELDS.split(' ')), json, { maxKeys: 6 })
      .map((it) => JSON.stringify(it)),
  },
  { weight: 1, arbitrary: json.map((it) => JSON.stringify(it)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', '{', '{"a":1e999}', '{"a":"\\ud800"}', '['.repeat(100), 'null', '\ufeff{}', LARGE),
  },
);

/** A request to a route, or to its path with another method. */
const requestOf = (route: Route) =>
  fc.record({
    route: fc.constant(route),
    parts: fc.array(
      text.filter((part) => part !== ''),
      { minLength: 4, maxLength: 4 },
    ),
    query: fc.array(
      fc.tuple(
        fc.constantFrom(
          'x',
          ...(route.operation.parameters ?? []).filter((one) => one.in === 'query').map(({ name }) => name),
        ),
        text,
      ),
      { maxLength: 3 },
    ),
    headers: fc.record(
      {
        'idempotency-key': fc.constantFrom('k', 'two words', ''),
        'if-match': fc.constantFrom('"1"', 'x', '*'),
        'content-type': fc.constantFrom('application/json', 'text/plain', 'application/json; charset=latin1'),
        'content-encoding': fc.constantFrom('gzip', 'identity'),
      },
      { requiredKeys: [] },
    ),
    body,
    key: fc.constantFrom(KEYS.admin, KEYS.admin, KEYS.operator, KEYS.viewer, KEYS.stranger, 'wrong-key-wrong-key'),
  });

describe('requests made from the OpenAPI document', () => {
  let under: UnderTest;
  let routes: Route[] = [];
  beforeAll(async () => {
    under = await startUnderTest({ BATUTA_GATEWAY_WRONG_KEYS_PER_MINUTE: '0', BATUTA_GATEWAY_BODY_LIMIT: '64KiB' });
    under.fake.putConfig('greeting');
    under.fake.seed(SEEDED, 'default', 3);
    // The answers of a service that has no data yet.
    const replies: [string, object][] = [
      [operations.agents.put.subject, { agent: { name: 'a', pool: 'default', revision: 1 } }],
      [operations.callbacks.create.subject, { callback: { id: SEEDED, channel: { type: 'websocket' } } }],
      [operations.knowledge.list.subject, { documents: [] }],
      [operations.knowledge.search.subject, { passages: [] }],
      [operations.apiKeys.list.subject, { keys: [] }],
      [operations.secrets.list.subject, { secrets: [] }],
      [operations.agents.list.subject, { agents: [] }],
      [operations.models.list.subject, { models: [] }],
      [operations.mcpServers.list.subject, { servers: [] }],
      [operations.pauses.list.subject, { pauses: [] }],
      [operations.mcpServers.tools.subject, { tools: [] }],
      [operations.retentionPolicies.list.subject, { policies: [] }],
      [operations.callbacks.list.subject, { callbacks: [] }],
      [operations.deliveries.deliveries.subject, { deliveries: [] }],
      [operations.callbacks.rotate.subject, { secret: 'new' }],
      [operations.notifications.list.subject, { notifications: [] }],
      [operations.pools.list.subject, { pools: [] }],
      [operations.pauses.list.subject, { pauses: [] }],
      [operations.schedules.list.subject, { schedules: [] }],
      [operations.tenants.list.subject, { tenants: [] }],
    ];
    for (const [pattern, reply] of replies) under.fake.handlers.set(pattern, () => reply);
    const { body: document } = await under.call('GET', '/docs-json', { key: null });
    const { paths } = document as unknown as { paths: Record<string, Record<string, Operation>> };
    routes = Object.entries(paths).flatMap(([path, operations]) =>
      METHODS.flatMap((method) => {
        const operation = operations[method];
        return operation === undefined ? [] : [{ method: method.toUpperCase(), path, operation }];
      }),
    );
  });
  afterAll(async () => {
    await under.close();
  });

  it('each get a documented status, and problems have a known code and their mistakes', async () => {
    expect(routes.length).toBeGreaterThan(35);
    const undocumented = new Set<string>();
    for (const route of routes) {
      const property = fc.asyncProperty(requestOf(route), async ({ parts, query, headers, body: raw, key }) => {
        let place = 0;
        const path = route.path.replaceAll(/\{[^}]+\}/g, () => encodeURIComponent(parts[(place += 1) % 4] ?? 'a'));
        // A segment of dots is not a segment, because every client removes it.
        fc.pre(!/\/(?:\.|%2e){1,2}(?:\/|$)/i.test(path));
        const search = query.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
        const { operation, method } = route;
        const takesBody = operation.requestBody !== undefined;
        const answer = await under.call(method, search === '' ? path : `${path}?${search}`, {
          key,
          headers: Object.fromEntries(
            Object.entries(headers).filter(([name]) => takesBody || !name.startsWith('content-')),
          ) as Record<string, string>,
          ...(takesBody ? { raw } : {}),
        });
        const told = `${method} ${route.path} ${answer.status} ${(answer.body['code'] as string | undefined) ?? ''}`;
        if (!Object.hasOwn(operation.responses, String(answer.status))) undocumented.add(told);
        if (answer.status < 400 || route.path === '/health/ready') return;
        expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
        const code = answer.body['code'] as RefusalCode;
        expect(Object.keys(REFUSALS)).toContain(code);
        const meaning: RefusalMeaning = REFUSALS[code];
        expect([code, answer.status]).toEqual([code, meaning.status]);
        if (meaning.mistake !== undefined) expect(answer.body.errors?.length).toBeGreaterThan(0);
        for (const mistake of answer.body.errors ?? []) {
          expect(mistake.path).toMatch(/^(?:\/|$)/);
          if (code !== 'input_invalid') expect(Object.keys(MISTAKES)).toContain(mistake.code);
        }
      });
      await fc.assert(property, { seed: 23, numRuns: propertyRuns(15) });
    }
    expect([...undocumented]).toEqual([]);
  });
});
