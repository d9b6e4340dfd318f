import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { KEYS } from './fake-platform.js';
import { startUnderTest } from './gateway-under-test.js';
import type { UnderTest } from './gateway-under-test.js';

interface Operation {
  readonly parameters?: readonly { readonly in: string; readonly name: string }[];
}

const UUID = '01936f2e-5b7a-7cc0-98c8-3f6a1d2b4e5f';

let under: UnderTest;
let changes: { readonly method: string; readonly path: string; readonly compares: boolean }[];

beforeAll(async () => {
  under = await startUnderTest();
  const { body } = await under.call('GET', '/docs-json', { key: null });
  const paths = body['paths'] as Record<string, Record<string, Operation>>;
  changes = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([method]) => path.startsWith('/api/') && method !== 'get')
      .map(([method, { parameters = [] }]) => ({
        method: method.toUpperCase(),
        path,
        compares: parameters.some(({ in: where, name }) => where === 'header' && name === 'If-Match'),
      })),
  );
});

afterAll(() => under.close());

describe('preconditions of changes', () => {
  it.each(['if-match', 'if-none-match'])(
    'are refused where OpenAPI does not have %s, with any value',
    async (header) => {
      const refused: string[] = [];
      for (const { method, path, compares } of changes) {
        const answer = await under.call(method, path.replaceAll(/\{[^}]+\}/g, UUID), {
          key: KEYS.admin,
          headers: { [header]: '"3-x7Jq"' },
          ...(method === 'DELETE' ? {} : { body: {} }),
        });
        const errors = answer.body.errors ?? [];
        const isRefused = errors.some(({ path: at, code }) => at === `/headers/${header}` && code === 'not_allowed');
        expect([method, path, isRefused]).toEqual([method, path, !compares]);
        if (isRefused) {
          expect([answer.status, answer.body['code']]).toEqual([400, 'validation_failed']);
          refused.push(`${method} ${path}`);
        }
      }
      expect(refused).toContain('POST /api/v1/orchestrations/execute/{config_id}');
      expect(refused).toContain('POST /api/v1/orchestrations/executions/{id}/pause');
      expect(refused).not.toContain('PATCH /api/v1/agents/{name}');
      expect(refused.length).toBeGreaterThan(15);
      expect(changes.length - refused.length).toBeGreaterThan(8);
    },
  );
});
