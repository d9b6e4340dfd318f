import { existsSync, readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import pg from 'pg';
import { expectStatus } from '../support/api.js';
import { ROOT } from '../support/command.js';
import { LocalPlatform } from '../support/local-platform.js';

interface Frame {
  readonly file: string;
  readonly line: number;
}

/** The frames of a stack trace that are in this repository. */
function framesOf(stack: string): Frame[] {
  return [...stack.matchAll(/^\s+at .*?\(?((?:file:\/\/)?\/[^\s():]+):(\d+)(?::\d+)?\)?$/gm)]
    .map(([, path = '', line = '']) => ({
      file: path.startsWith('file:') ? fileURLToPath(path) : path,
      line: Number(line),
    }))
    .filter(({ file }) => file.startsWith(ROOT) && !file.includes('/node_modules/'));
}

/** The text of a frame's line. Throws when the file does not exist. */
const lineAt = ({ file, line }: Frame): string | undefined => readFileSync(file, 'utf8').split('\n')[line - 1];

describe('stack traces of the bundles that npm start runs', () => {
  let platform: LocalPlatform;

  beforeAll(async () => {
    platform = await LocalPlatform.start();
  }, 300_000);

  afterAll(() => platform?.stop(), 300_000);

  it('name existing source files and the right lines in error_trace', async () => {
    const api = platform.admin();
    const config = { name: 'broken', strategy: 'sequential', steps: [{ id: 'a', name: 'A', agent: 'fail' }] };
    expectStatus(await api.post('/api/v1/orchestrations/configs', config), 201);
    const body = { input: { message: 'broken on purpose' } };
    const path = '/api/v1/orchestrations/execute/broken?wait=60s';
    const done = expectStatus(await api.post<{ execution_id: string; status: string }>(path, body), 200);
    expect(done.status).toBe('failed');

    const run = JSON.parse(readFileSync(join(platform.dir, 'run.json'), 'utf8')) as { database_url: string };
    const client = new pg.Client({ connectionString: run.database_url });
    await client.connect();
    let trace = '';
    try {
      await eventually(
        async () => {
          const { rows } = await client.query<{ error_trace: string | null }>(
            'SELECT error_trace FROM execution.orchestration_step_runs WHERE execution_id = $1',
            [done.execution_id],
          );
          trace = rows[0]?.error_trace ?? '';
          if (trace === '') throw new Error('the read model has no trace yet');
        },
        { timeoutMs: 60_000 },
      );
    } finally {
      await client.end();
    }
    expect(trace).toContain('broken on purpose');
    const frames = framesOf(trace);
    // The first frame is the place where the agent throws. The next ones belong to the runner.
    expect(frames[0]?.file).toBe(join(ROOT, 'services/step-runner/src/agents/fail.ts'));
    expect(frames[0] === undefined ? '' : lineAt(frames[0])).toMatch(/new (Retryable|Terminal)Error\(/);
    expect(frames.length).toBeGreaterThan(1);
    for (const frame of frames) {
      expect(isAbsolute(frame.file)).toBe(true);
      expect(frame.file).toMatch(/\/src\/.*\.ts$/);
      expect([frame, lineAt(frame)]).toEqual([frame, expect.stringMatching(/\S/)]);
    }
  }, 300_000);

  it('name existing source files in the logs of the services', async () => {
    const run = JSON.parse(readFileSync(join(platform.dir, 'run.json'), 'utf8')) as { database_url: string };
    const client = new pg.Client({ connectionString: run.database_url });
    await client.connect();
    try {
      await client.query('ALTER TABLE config.pool_credentials RENAME TO gone');
      const refused = await platform.admin().get('/api/v1/pools/default/credentials');
      expect([refused.status, JSON.stringify(refused.body)]).toEqual([500, expect.not.stringContaining('.ts:')]);
    } finally {
      await client.query('ALTER TABLE config.gone RENAME TO pool_credentials');
      await client.end();
    }
    const stacks = await eventually(
      () => {
        const lines = platform.command.output.split('\n').filter((line) => line.includes('pool_credentials'));
        const found = lines.flatMap((line) => {
          const { err } = JSON.parse(line) as { err?: { stack?: string } };
          return err?.stack ?? [];
        });
        return found.length > 0 && found;
      },
      { describe: 'the failure is logged with its stack' },
    );
    const frames = stacks.flatMap((stack) => framesOf(stack));
    expect(frames.map(({ file }) => file)).toContain(join(ROOT, 'services/config/src/credentials/pool-credentials.ts'));
    for (const frame of frames) {
      expect(frame.file).toMatch(/\/src\/.*\.ts$/);
      expect([frame, lineAt(frame)]).toEqual([frame, expect.stringMatching(/\S/)]);
    }
    // Including code of others.
    const all = stacks.flatMap((stack) => [
      ...stack.matchAll(/(?:\(| )((?:file:\/\/)?\/[^\s():]+):\d+(?::\d+)?\)?$/gm),
    ]);
    expect(all.length).toBeGreaterThan(frames.length);
    for (const [, path = ''] of all) {
      const file = path.startsWith('file:') ? fileURLToPath(path) : path;
      expect([file, existsSync(file)]).toEqual([file, true]);
    }
  }, 300_000);
});
