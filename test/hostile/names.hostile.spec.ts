import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, NameServer } from '@batuta/testing';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { CalledServer } from '../support/called-server.js';
import { LocalPlatform } from '../support/local-platform.js';

const CONFIGS = '/api/v1/orchestrations/configs';
const EXECUTE = '/api/v1/orchestrations/execute';

interface Ended {
  readonly status: string;
  readonly failure?: { readonly code: string; readonly message: string };
}

/** Much longer than a call takes on a busy machine, and shorter than a lookup without an answer. */
const QUIET_MS = 20_000;
const LOOKUP_MS = 40_000;

describe('a tenant whose host names get no answer', () => {
  const names = new NameServer((name) =>
    name.endsWith('.silent.test')
      ? 'silent'
      : name === 'good.test'
        ? { a: ['127.0.0.1'], ttl: 0 }
        : name === 'inside.test'
          ? { a: ['10.11.12.13'] }
          : undefined,
  );
  const called = new CalledServer();
  let platform: LocalPlatform;
  let port: string;
  let mallory: Api;
  let holder: Api;
  let quiet: Api;

  beforeAll(async () => {
    port = new URL(await called.start()).port;
    const allowed = `127.0.0.1:${port}`;
    platform = await LocalPlatform.start({
      BATUTA_DNS_SERVERS: await names.start(),
      BATUTA_DNS_TIMEOUT: `${LOOKUP_MS}ms`,
      BATUTA_RUNNER_ALLOWED_ADDRESSES: allowed,
      BATUTA_NOTIFICATIONS_ALLOWED_ADDRESSES: allowed,
    });
    mallory = await platform.user('mallory', 'operator');
    // Another hostile tenant, because the lookups of the first one keep its places for as long as they wait.
    holder = await platform.user('holder', 'operator');
    quiet = await platform.user('quiet', 'operator');
    for (const api of [mallory, holder, quiet]) {
      for (const [name, agent] of [
        ['call', 'http'],
        ['done', 'echo'],
      ]) {
        const steps = [{ id: 'only', name: 'Only', agent, timeout_ms: 60_000 }];
        expectStatus(await api.post(CONFIGS, { name, strategy: 'sequential', steps }), 201);
      }
    }
  }, 300_000);

  afterAll(async () => {
    await platform?.stop();
    await called.stop();
    await names.stop();
  }, 300_000);

  const call = async (api: Api, url: string, more: object = {}): Promise<Ended> =>
    expectStatus(await api.post<Ended>(`${EXECUTE}/call?wait=60s`, { input: { url }, ...more }), 200);

  it("does not affect another tenant's calls and webhooks", async () => {
    for (let index = 0; index < 120; index += 1) {
      const input = { url: `http://n${index}.silent.test/` };
      expectStatus(await mallory.post(`${EXECUTE}/call`, { input }), 202);
      // It ends at once, and its webhook goes to its own host.
      const callback_url = `http://h${index}.silent.test/`;
      expectStatus(await mallory.post(`${EXECUTE}/done`, { input: {}, callback_url }), 202);
    }
    // More lookups than libuv has threads (four) wait for an answer now.
    await eventually(
      () => {
        const asked = new Set(names.questions.filter((question) => question.endsWith('.silent.test')));
        const webhooks = [...asked].filter((question) => question.startsWith('A h')).length;
        const calls = [...asked].filter((question) => question.startsWith('A n')).length;
        if (webhooks < 20 || calls < 20) throw new Error(`${calls} and ${webhooks} of its names are asked for`);
      },
      { timeoutMs: 60_000, describe: "the hostile tenant's names are asked for" },
    );
    for (let round = 0; round < 10; round += 1) {
      const more = { callback_url: `http://good.test:${port}/hook-${round}` };
      const startedAt = performance.now();
      expect(await call(quiet, `http://good.test:${port}/`, more)).toMatchObject({ status: 'completed' });
      expect(performance.now() - startedAt).toBeLessThan(QUIET_MS);
    }
    for (let round = 0; round < 10; round += 1) {
      await eventually(() => expect(called.to(`/hook-${round}`)).toHaveLength(1), {
        timeoutMs: QUIET_MS,
        describe: `the quiet tenant's webhook ${round} arrives`,
      });
    }
  }, 300_000);

  it("does not affect another tenant's calls when a server keeps its own calls waiting", async () => {
    // More connections than one tenant may have to one place at once.
    const held = 300;
    for (let index = 0; index < held; index += 1) {
      const input = { url: `http://good.test:${port}/held` };
      expectStatus(await holder.post(`${EXECUTE}/call`, { input }), 202);
    }
    await eventually(() => expect(called.to('/held').length).toBeGreaterThan(20), {
      timeoutMs: 60_000,
      describe: 'calls of the hostile tenant wait for the server',
    });
    for (let round = 0; round < 10; round += 1) {
      const startedAt = performance.now();
      expect(await call(quiet, `http://good.test:${port}/`)).toMatchObject({ status: 'completed' });
      expect(performance.now() - startedAt).toBeLessThan(QUIET_MS);
    }
    expect(called.to('/held').length).toBeLessThan(held);
    called.release();
  }, 300_000);

  it('does not reveal the internal addresses of names', async () => {
    for (const host of ['inside.test', '10.11.12.13', '127.0.0.1', 'localhost', '[::1]', '169.254.169.254']) {
      const { status, failure } = await call(quiet, `http://${host}:9/`);
      expect([host, status, failure]).toEqual([
        host,
        'failed',
        expect.objectContaining({
          code: 'address_refused',
          message:
            'The address may not be called. Addresses that are not public are allowed by BATUTA_RUNNER_ALLOWED_ADDRESSES.',
        }),
      ]);
    }
  }, 300_000);

  it('refuses a callback_url with a password everywhere', async () => {
    const withPassword = `http://user:secret@good.test:${port}/`;
    expectStatus(await quiet.post(`${EXECUTE}/call`, { input: {}, callback_url: withPassword }), 400);
    const steps = [{ id: 'only', name: 'Only', agent: 'echo' }];
    const config = { name: 'told', strategy: 'sequential', steps, settings: { callback_url: withPassword } };
    expect((await quiet.post(CONFIGS, config)).status).toBeGreaterThanOrEqual(400);
  });
});
