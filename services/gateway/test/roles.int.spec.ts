import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ROLES } from '@batuta/contracts';
import type { Role } from '@batuta/contracts';
import { KEYS } from './fake-platform.js';
import { startUnderTest } from './gateway-under-test.js';
import type { UnderTest } from './gateway-under-test.js';

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly role: Role | undefined;
  readonly description: string;
}

const UUID = '01936f2e-5b7a-7cc0-98c8-3f6a1d2b4e5f';

let under: UnderTest;
let operations: Operation[];

beforeAll(async () => {
  under = await startUnderTest();
  const { body } = await under.call('GET', '/docs-json', { key: null });
  const paths = body['paths'] as Record<string, Record<string, Record<string, unknown>>>;
  operations = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      role: operation['x-batuta-role'] as Role | undefined,
      description: operation['description'] as string,
    })),
  );
});

afterAll(() => under.close());

const urlOf = (path: string): string => path.replaceAll(/\{[^}]+\}/g, UUID);

describe('the role of every route', () => {
  it('is in OpenAPI, and the gateway requires exactly this role', async () => {
    const api = operations.filter(({ path }) => path.startsWith('/api/'));
    expect(api.length).toBeGreaterThan(40);
    for (const { method, path, role, description } of api) {
      const route = `${method} ${path}`;
      expect([route, role]).toEqual([route, expect.stringMatching(/^(viewer|operator|admin)$/)]);
      expect(description).toContain(`Requires the role \`${role}\`.`);
      const needed = ROLES.indexOf(role ?? 'viewer');
      for (const [rank, held] of ROLES.entries()) {
        const body = method === 'GET' || method === 'DELETE' ? {} : { body: {} };
        const answer = await under.call(method, urlOf(path), { key: KEYS[held], ...body });
        expect([route, held, answer.status === 403]).toEqual([route, held, rank < needed]);
        if (rank < needed) {
          expect(answer.body).toMatchObject({
            code: 'forbidden',
            detail: `This needs the role ${role}; the key has the role ${held}.`,
          });
        }
      }
      const nobody = await under.call(method, urlOf(path), { key: null });
      expect([route, nobody.status]).toEqual([route, 401]);
    }
  });

  it('is the same as before for well-known routes', () => {
    const roleOf = (method: string, path: string): Role | undefined =>
      operations.find((each) => each.method === method && each.path === path)?.role;
    expect(roleOf('PUT', '/api/v1/agents/{name}')).toBe('admin');
    expect(roleOf('DELETE', '/api/v1/agents/{name}')).toBe('admin');
    expect(roleOf('GET', '/api/v1/api-keys')).toBe('admin');
    expect(roleOf('GET', '/api/v1/pools')).toBe('viewer');
    expect(roleOf('POST', '/api/v1/orchestrations/configs')).toBe('operator');
    expect(roleOf('POST', '/api/v1/orchestrations/executions/{id}/pause')).toBe('operator');
    expect(roleOf('POST', '/api/v1/notifications/ack')).toBe('viewer');
  });

  it('needs no key where no role is required', async () => {
    const open = operations.filter(({ path }) => !path.startsWith('/api/'));
    expect(open.length).toBeGreaterThan(3);
    for (const { method, path, role } of open) {
      expect(role).toBeUndefined();
      expect((await under.call(method, path, { key: null })).status).not.toBe(401);
    }
  });
});
