import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { LocalPlatform } from '../support/local-platform.js';

interface Agent {
  readonly pool: string;
  readonly code?: string;
}

describe("a tenant that wants the answers of another's workers", () => {
  let platform: LocalPlatform;
  let owner: Api;
  let mallory: Api;

  beforeAll(async () => {
    platform = await LocalPlatform.start({ BATUTA_SHARED_POOLS: 'commons' });
    owner = await platform.user('owner', 'admin');
    mallory = await platform.user('mallory', 'admin');
  }, 300_000);

  afterAll(async () => {
    await platform?.stop();
  }, 300_000);

  const put = (api: Api, name: string, pool: string) => api.call<Agent>('PUT', `/api/v1/agents/${name}`, { pool });

  it('cannot put a new or moved agent into their pool, even after its owner has left it', async () => {
    expectStatus(await put(owner, 'count', 'counters'), 201);
    expectStatus(await put(mallory, 'mine', 'mallorys'), 201);
    for (const name of ['count', 'mine', 'another']) {
      expect(expectStatus(await put(mallory, name, 'counters'), 409).code).toBe('pool_taken');
    }
    expect(expectStatus(await mallory.get<Agent>('/api/v1/agents/mine'), 200).pool).toBe('mallorys');
    expectStatus(await owner.call('DELETE', '/api/v1/agents/count'), 200);
    expectStatus(await put(mallory, 'count', 'counters'), 409);
    // The platform's own tenant is no exception, because the workers do not belong to it.
    expectStatus(await put(platform.admin(), 'count', 'counters'), 409);
    expectStatus(await put(owner, 'count', 'counters'), 201);
  });

  it('can use the pools that the settings share, and the built-in one', async () => {
    for (const pool of ['commons', 'default']) {
      for (const api of [owner, mallory]) expect([200, 201]).toContain((await put(api, 'common', pool)).status);
    }
  });
});
