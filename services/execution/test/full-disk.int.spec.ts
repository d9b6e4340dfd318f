import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';
import { checkReadiness, exposeMetrics } from '@batuta/observability';
import { eventually, newerNatsServer } from '@batuta/testing';
import { executionId, startRequest } from './fixtures.js';
import { Platform, logger } from './platform.js';

const EXECUTIONS = 100;

/** A disk of a few MiB in memory. Throws when this process may not make one. */
function smallDisk(mib: number): { readonly dir: string; fill(): void; free(): void; remove(): void } {
  const dir = mkdtempSync(join(tmpdir(), 'batuta-small-disk-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', dir], { encoding: 'utf8' });
  if (mounted.status !== 0) {
    rmSync(dir, { recursive: true });
    throw new Error(`no disk can be mounted: ${mounted.stderr}`);
  }
  const ballast = join(dir, 'ballast');
  return {
    dir,
    fill() {
      const file = openSync(ballast, 'a');
      const some = Buffer.alloc(4_096, 1);
      try {
        for (;;) writeSync(file, some);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(ballast),
    remove() {
      spawnSync('umount', ['-l', dir]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function mayMount(): boolean {
  try {
    smallDisk(1).remove();
    return true;
  } catch {
    return false;
  }
}

const newer = newerNatsServer();
const servers = [
  ['nats-server of this system', undefined, true],
  ['a newer nats-server', newer, newer !== undefined],
] as const;

describe.each(servers)('with %s', (_name, program, isThere) => {
  // Without either, the test counts as skipped.
  const test = isThere && mayMount() ? it : it.skip;

  test('a full disk is seen, starts are answered meanwhile, and all goes on within seconds when it was freed', async () => {
    const disk = smallDisk(24);
    const before = process.env['BATUTA_NATS_SERVER'];
    if (program !== undefined) process.env['BATUTA_NATS_SERVER'] = program;
    const told = jest.spyOn(logger, 'error');
    let platform: Platform | undefined;
    try {
      platform = await Platform.start({
        storeDir: join(disk.dir, 'store'),
        config: { jetstream: { max_file_store: 1024 * 1024 * 1024 } },
      });
      const engine = await platform.execution('one', { BATUTA_EXECUTION_DIRECT: 'off' });
      await platform.run();
      expect((await checkReadiness(engine.checks)).ready).toBe(true);
      disk.fill();
      const ids = Array.from({ length: EXECUTIONS }, () => executionId());
      // Requests and answers use another connection than tasks.
      for (const id of ids) expect(await platform.command(startRequest(id, 'three'))).toHaveProperty('accepted');
      await eventually(
        async () => {
          const { ready, checks } = await checkReadiness(engine.checks);
          expect(ready).toBe(false);
          expect(checks['tasks']).toMatch(/^\d+ tasks cannot be dispatched, the oldest for \d+ s: JetStream /);
          expect(checks).toMatchObject({ postgres: 'ok', nats: 'ok', requests: 'ok' });
        },
        { timeoutMs: 60_000 },
      );
      // A restart of the engine would not help.
      expect((await checkReadiness(engine.liveness)).ready).toBe(true);
      const { body } = await exposeMetrics();
      const [, tasks] = /^batuta_engine_undispatched_tasks (\d+)$/m.exec(body) ?? [];
      expect(Number(tasks)).toBeGreaterThan(0);
      // However often the queue is made again, each task is there once.
      expect(Number(tasks)).toBeLessThanOrEqual(EXECUTIONS);
      const [, seconds] = /^batuta_engine_undispatched_seconds ([\d.]+)$/m.exec(body) ?? [];
      expect(Number(seconds)).toBeGreaterThan(9);
      expect(told).toHaveBeenCalledWith(
        expect.objectContaining({ tasks: expect.any(Number), reason: expect.stringMatching(/^JetStream /) }),
        'tasks cannot be dispatched',
      );

      disk.free();
      await eventually(
        async () => {
          for (const id of ids) expect((await platform?.get(id))?.status).toBe('completed');
        },
        // The stream takes six seconds until it is made again. The rest is for slow machines.
        { timeoutMs: 120_000 },
      );
      expect((await checkReadiness(engine.checks)).ready).toBe(true);
      expect(await platform.logProblems()).toEqual([]);
    } finally {
      told.mockRestore();
      if (before === undefined) delete process.env['BATUTA_NATS_SERVER'];
      else process.env['BATUTA_NATS_SERVER'] = before;
      await platform?.end();
      disk.remove();
    }
  }, 300_000);
});

it('a store without room for a stream ends the start with its name and the room that it needs', async () => {
  const platform = await Platform.start({ config: { jetstream: { max_file_store: 64 * 1024 * 1024 } } });
  try {
    const failure = await platform.execution('one').catch((error: unknown) => error);
    expect(failure).toMatchObject({ mistake: true });
    expect((failure as Error).message).toMatch(
      /^JetStream cannot make the stream LIFECYCLE: .*It needs 256 MiB of its storage, .*`max_file_store`/,
    );
  } finally {
    await platform.end();
  }
});
