import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startLocalStack } from '@batuta/local-stack';
import { eventually } from '@batuta/testing';
import pg from 'pg';
import { Api, expectStatus } from '../support/api.js';
import { BatutaCommand } from '../support/command.js';

const CONFIGS = '/api/v1/orchestrations/configs';
const EXECUTE = '/api/v1/orchestrations/execute';
const CALLBACKS = '/api/v1/orchestrations/callbacks';
/** More than one statement takes. */
const SECRETS = 230;

interface Received {
  readonly path: string;
  readonly body: string;
  readonly headers: Record<string, string>;
}

/** As Standard Webhooks has it. */
const signed = (secret: string, { headers, body }: Received): string =>
  `v1,${createHmac('sha256', Buffer.from(secret.replace('whsec_', ''), 'base64'))
    .update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`)
    .digest('base64')}`;

const valueOf = (n: number): string => `value number ${n} of them all`;

/** A platform here that is stopped and started, with what it has encrypted. */
describe('all that is encrypted', () => {
  const dir = mkdtempSync(join(tmpdir(), 'batuta-reencrypt-'));
  const received: Received[] = [];
  let server: Server;
  let url: string;
  let platform: BatutaCommand | undefined;
  let api: Api;
  let signingSecret: string;

  const start = async (env: Readonly<Record<string, string>> = {}): Promise<void> => {
    const allowed = {
      BATUTA_RUNNER_ALLOWED_ADDRESSES: '127.0.0.1',
      BATUTA_NOTIFICATIONS_ALLOWED_ADDRESSES: '127.0.0.1',
    };
    platform = new BatutaCommand(['start', '--port', '0'], dir, { ...allowed, ...env });
    await platform.says(/Batuta is ready at http/);
    const run = JSON.parse(readFileSync(join(dir, 'run.json'), 'utf8')) as { url: string };
    api = new Api(run.url, readFileSync(join(dir, 'admin.key'), 'utf8').trim());
  };
  const stop = async (): Promise<void> => {
    platform?.child.kill('SIGINT');
    await platform?.exited();
    platform = undefined;
  };
  const command = async (...args: string[]): Promise<{ code: number | null; output: string }> => {
    const run = new BatutaCommand(args, dir);
    return { code: await run.exited(), output: run.output };
  };
  const keys = (name: string): string[] => readFileSync(join(dir, name), 'utf8').trim().split(',');

  /** Runs a step that sends the last secret, and looks at the webhook with a header that follows. */
  async function expectEverythingWorks(): Promise<void> {
    const before = received.length;
    const ended = await api.post<{ status: string; execution_id: string }>(`${EXECUTE}/sends?wait=60s`, {});
    expect(expectStatus(ended, 200).status).toBe('completed');
    const told = await eventually(() => {
      const found = received.slice(before);
      expect(found.map(({ path }) => path)).toEqual(expect.arrayContaining(['/step', '/hook']));
      return found;
    });
    expect(told.find(({ path }) => path === '/step')?.headers['x-token']).toBe(valueOf(SECRETS));
    const hook = told.find(({ path }) => path === '/hook');
    expect(hook?.headers['x-own']).toBe('a header of its own');
    expect(hook?.headers['webhook-signature']).toBe(hook === undefined ? '' : signed(signingSecret, hook));
  }

  /** Runs statements in the database of the platform that is stopped. */
  async function inDatabase(sql: string): Promise<void> {
    const stack = await startLocalStack({ dataDir: dir });
    const client = new pg.Client({ connectionString: stack.databaseUrl });
    try {
      await client.connect();
      await client.query(sql);
    } finally {
      await client.end();
      await stack.stop();
    }
  }

  beforeAll(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
      request.on('end', () => {
        received.push({ path: request.url ?? '', body, headers: request.headers as Record<string, string> });
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await start();
    for (let n = 1; n <= SECRETS; n += 1) {
      expectStatus(await api.call('PUT', `/api/v1/secrets/S${n}`, { value: valueOf(n) }), 201);
    }
    const input = { url: `${url}/step`, method: 'POST', headers: { 'x-token': `{{secret:S${SECRETS}}}` }, body: {} };
    const steps = [{ id: 'call', name: 'Call', agent: 'http', input }];
    expectStatus(await api.post(CONFIGS, { name: 'sends', strategy: 'sequential', steps }), 201);
    const hook = { type: 'webhook', events: ['completed'], callback_url: `${url}/hook` };
    const callback = { ...hook, config_id: 'sends', callback_headers: { 'x-own': 'a header of its own' } };
    const made = expectStatus(await api.post<{ secret: string }>(CALLBACKS, callback), 201);
    signingSecret = made.secret;
    await expectEverythingWorks();
  }, 400_000);

  afterAll(async () => {
    await stop();
    server?.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(dir, { recursive: true, force: true });
  });

  it('stays as it is while the platform runs, which knows its old keys only', async () => {
    const before = [keys('secrets.key'), keys('notifications.key')];
    const { code, output } = await command('reencrypt', '--new-key');
    expect([code, output]).toEqual([1, expect.stringContaining('A platform is running already')]);
    expect([keys('secrets.key'), keys('notifications.key')]).toEqual(before);
    expect(await command('reencrypt', '--check')).toMatchObject({ code: 0 });
  });

  it('is under new keys after one command, which goes on where it was interrupted, and works without the old keys', async () => {
    await stop();
    const [oldSecrets = '', oldCallbacks = ''] = [...keys('secrets.key'), ...keys('notifications.key')];
    // It fails in the middle: after a hundred rows of the first table.
    await inDatabase(`
      CREATE SEQUENCE public.changed;
      GRANT ALL ON SEQUENCE public.changed TO PUBLIC;
      CREATE FUNCTION public.fail_in_the_middle() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN IF nextval('public.changed') > 100 THEN RAISE EXCEPTION 'it crashes'; END IF; RETURN NEW; END $$;
      CREATE TRIGGER fail BEFORE UPDATE OF sealed ON config.secrets FOR EACH ROW EXECUTE FUNCTION public.fail_in_the_middle()`);
    const failed = await command('reencrypt', '--new-key');
    expect([failed.code, failed.output]).toEqual([1, expect.stringContaining('it crashes')]);
    const between = [keys('secrets.key'), keys('notifications.key')];
    expect(between.map((each) => each.length)).toEqual([2, 2]);
    expect(between.map((each) => each[1])).toEqual([oldSecrets, oldCallbacks]);
    // Half of it is under each key, and `--check` says so without changing anything.
    const half = await command('reencrypt', '--check');
    expect([half.code, half.output]).toEqual([1, expect.stringContaining(`secrets  ${SECRETS - 100} not under`)]);

    await inDatabase('DROP TRIGGER fail ON config.secrets');
    const done = await command('reencrypt', '--new-key');
    expect([done.code, done.output]).toEqual([0, expect.stringContaining(`secrets  ${SECRETS - 100} encrypted anew`)]);
    expect([keys('secrets.key'), keys('notifications.key')]).toEqual(between.map((each) => each.slice(0, 1)));
    expect(await command('reencrypt', '--check')).toMatchObject({ code: 0 });

    await start();
    await expectEverythingWorks();
    const { entries } = expectStatus(await api.get<{ entries: object[] }>('/api/v1/audit?action=reencrypt'), 200);
    expect(entries).toHaveLength(1);
  }, 600_000);

  it('is told when no key can read it', async () => {
    await stop();
    const right = readFileSync(join(dir, 'secrets.key'), 'utf8');
    writeFileSync(join(dir, 'secrets.key'), `${randomBytes(32).toString('base64')}\n`);
    const { code, output } = await command('reencrypt');
    expect([code, output]).toEqual([1, expect.stringContaining(`${SECRETS} cannot be read`)]);
    writeFileSync(join(dir, 'secrets.key'), 'no key');
    expect((await command('reencrypt')).output).toContain('BATUTA_SECRETS_KEYS must be keys of 32 bytes in Base64');
    writeFileSync(join(dir, 'secrets.key'), right);
    await start();
    await expectEverythingWorks();
  }, 400_000);
});
