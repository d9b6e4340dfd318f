import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { Cluster } from '../support/cluster.js';

const BASE = '/api/v1/orchestrations';
const WORKER = fileURLToPath(new URL('../../examples/worker-without-sdk/worker.mjs', import.meta.url));
const WITH_LIBRARY = fileURLToPath(new URL('../../examples/worker/worker.mjs', import.meta.url));

interface Finished {
  readonly execution_id: string;
  readonly status: string;
  readonly output?: unknown;
  readonly failure?: { readonly code: string; readonly message: string };
}

/** Runs a worker that cannot serve until it ends. */
async function ended(args: readonly string[], env: Record<string, string>): Promise<{ code: unknown; said: string }> {
  const child = spawn(process.execPath, args, { env: { PATH: process.env['PATH'], ...env } });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (said += text.toString()));
  const [code] = (await once(child, 'close')) as unknown[];
  return { code, said };
}

const TEXT = { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] };
const COUNTS = {
  type: 'object',
  properties: { words: { type: 'integer' }, characters: { type: 'integer' } },
  required: ['words', 'characters'],
};

describe('an agent with its own worker', () => {
  let cluster: Cluster;
  let api: Api;
  let worker: ChildProcess | undefined;

  const register = async (outputSchema: object): Promise<number> => {
    const body = { pool: 'text', input_schema: TEXT, output_schema: outputSchema };
    const answer = await api.call<{ revision: number }>('PUT', '/api/v1/agents/word_count', body);
    expect([200, 201]).toContain(answer.status);
    return answer.body.revision;
  };
  const run = async (input: unknown): Promise<Finished> =>
    expectStatus(await api.post<Finished>(`${BASE}/execute/count?wait=30s`, { input }), 200);
  const events = async (id: string): Promise<{ type: string; data: Record<string, unknown> }[]> => {
    const answer = await api.get<{ events: { type: string; data: Record<string, unknown> }[] }>(
      `${BASE}/executions/${id}/events`,
    );
    return expectStatus(answer, 200).events;
  };

  beforeAll(async () => {
    cluster = await Cluster.start();
    api = cluster.api();
    expect(await register(COUNTS)).toBe(1);
    const config = {
      name: 'count',
      strategy: 'sequential',
      steps: [{ id: 'count', name: 'Count', agent: 'word_count', retry: { max_attempts: 2, backoff_ms: 50 } }],
    };
    expectStatus(await api.post(`${BASE}/configs`, config), 201);
    worker = spawn(process.execPath, [WORKER], {
      env: {
        PATH: process.env['PATH'],
        NATS_URL: cluster.stack.natsUrl,
        NATS_CREDS: await cluster.workerCredentials('text'),
      },
      stdio: 'ignore',
    });
  }, 300_000);

  afterAll(async () => {
    if (worker !== undefined && worker.exitCode === null) {
      const ended = once(worker, 'exit');
      worker.kill('SIGTERM');
      // Checks that it ends by itself.
      expect((await ended)[0]).toBe(0);
    }
    await cluster?.stop();
  }, 300_000);

  it('returns its output when input and output are valid', async () => {
    expect(await run({ text: 'one two  three' })).toMatchObject({
      status: 'completed',
      output: { words: 3, characters: 14 },
    });
  }, 300_000);

  it('shows its pool with a worker and room for a task, although it sends no beats', async () => {
    const { pools } = expectStatus(
      await api.get<{ pools: { pool: string; workers: number; slots: number; free: number }[] }>('/api/v1/pools'),
      200,
    );
    const text = pools.find(({ pool }) => pool === 'text');
    expect(text?.workers).toBe(1);
    expect(text?.slots).toBeGreaterThanOrEqual(1);
    expect(text?.free).toBeGreaterThanOrEqual(1);
  }, 300_000);

  it('reports in one sentence that its credentials are missing or for another pool, or that no server is there', async () => {
    const say = async (args: readonly string[], env: Record<string, string>): Promise<string> => {
      const { code, said } = await ended(args, env);
      expect([code, said.trim().split('\n')]).toEqual([1, [expect.any(String)]]);
      return said;
    };
    const { natsUrl } = cluster.stack;
    expect(await say([WORKER], { NATS_URL: natsUrl })).toMatch(/^The NATS server at \S+ cannot be used: Authorization/);
    expect(await say([WORKER], { NATS_URL: 'nats://127.0.0.1:1' })).toMatch(/cannot be used: .*refused.*--pool text/);
    expect(await say([WORKER], { NATS_URL: '::' })).toMatch(/^NATS_URL must look like .*--pool text/);
    const other = { NATS_URL: natsUrl, NATS_CREDS: await cluster.workerCredentials('text') };
    expect(await say([WORKER, 'other'], other)).toMatch(
      /^These credentials do not let a worker serve the pool other: /,
    );
  }, 300_000);

  it('says the same in its last line when it uses the library, and leaves its agent in its pool', async () => {
    const { natsUrl } = cluster.stack;
    const admin = { BATUTA_URL: api.url, BATUTA_API_KEY: api.key };
    const wrong: [Record<string, string>, RegExp][] = [
      [
        { NATS_URL: natsUrl.replace('//', '//nobody:hunter2@') },
        /^The NATS server at nats:\S+ refuses the credentials/,
      ],
      [{ NATS_URL: natsUrl }, /refuses the credentials of this worker: .*--pool text/],
      [{ NATS_URL: 'nats://127.0.0.1:1' }, /^The NATS server at nats:\S+ cannot be reached: .*--pool text/],
      [{ NATS_URL: '::' }, /^The NATS URL must look like .*--pool text/],
      [{ NATS_URL: natsUrl, NATS_CREDS: '/none' }, /^The NATS credentials cannot be read \(NATS_CREDS\).*--pool text/],
      [
        { NATS_URL: natsUrl, NATS_CREDS: await cluster.workerCredentials('text'), BATUTA_POOL: 'other', ...admin },
        /^These credentials do not let a worker serve the pool other: .*--pool other/,
      ],
    ];
    await Promise.all(
      wrong.map(async ([env, words]) => {
        const { code, said } = await ended([WITH_LIBRARY], env);
        expect({ code, last: said.trim().split('\n').at(-1) }).toEqual({ code: 1, last: expect.stringMatching(words) });
        expect(said).not.toMatch(/^\s+at /m);
        expect(said).not.toContain('hunter2');
      }),
    );
    expect((await api.get('/api/v1/agents/shout')).status).toBe(404);
  }, 300_000);

  it('gets no invalid input', async () => {
    const finished = await run({ text: 3 });
    expect(finished).toMatchObject({
      status: 'failed',
      failure: {
        code: 'input_invalid',
        message: expect.stringContaining('does not fit its input_schema: /input/text: ') as unknown,
      },
    });
    const failed = (await events(finished.execution_id)).filter(({ type }) => type === 'StepAttemptFailed');
    expect(failed).toHaveLength(1);
    expect(failed[0]?.data).toMatchObject({ by_engine: true });
  }, 300_000);

  it('fails after its retries when its outputs are invalid by the schema of a new revision', async () => {
    expect(await register({ ...COUNTS, required: ['words', 'characters', 'sentences'] })).toBe(2);
    const finished = await run({ text: 'one two' });
    expect(finished).toMatchObject({
      status: 'failed',
      failure: {
        code: 'output_invalid',
        message: expect.stringContaining('does not fit its output_schema: /output/sentences: ') as unknown,
      },
    });
    const attempts = (await events(finished.execution_id)).filter(({ type }) => type === 'StepAttemptFailed');
    expect(attempts).toHaveLength(2);
    expect(await register(COUNTS)).toBe(3);
    expect(await run({ text: 'one two' })).toMatchObject({ status: 'completed', output: { words: 2 } });
  }, 300_000);
});
