import { existsSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { eventually } from '@batuta/testing';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Cluster } from '../support/cluster.js';

/** A cluster with the config service only. */
const CONFIG_ALONE = { gateway: 0, execution: 0, 'step-runner': 0 };

/** The other tests depend on this: they must notice a service that dies, and its log must not be lost. */
describe('a cluster of service processes', () => {
  let kept: string | undefined;
  afterEach(() => {
    if (kept !== undefined) rmSync(kept, { recursive: true, force: true });
  });

  /** The log that an error names. It is removed after the test. */
  const logOf = (message: string): string => {
    const [, log = ''] = /Its log, (\S+), ends:/.exec(message) ?? [];
    if (log !== '') kept = dirname(dirname(log));
    return log;
  };
  const failure = async (work: Promise<unknown>): Promise<string> => {
    const error = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(Error);
    return (error as Error).message;
  };

  it('fails at once, with the exit code and the end of the log, when a service cannot start', async () => {
    const env = { BATUTA_LOG_LEVEL: 'chatty' };
    const message = await failure(Cluster.start({ instances: CONFIG_ALONE, env }));
    expect(message).toMatch(/^config has ended \(exit code 2\)/);
    expect(message).toMatch(/ends:\nconfig: [^]*BATUTA_LOG_LEVEL must be/);
    expect(existsSync(logOf(message))).toBe(true);
  }, 300_000);

  it('fails at its end, and keeps the logs, when a service died by itself, but not when the test killed it', async () => {
    const cluster = await Cluster.start({ instances: CONFIG_ALONE });
    const config = cluster.process('config');
    await config.end('SIGKILL');
    await config.start();
    expect(config.endsByItself).toEqual([]);
    process.kill(config.pid ?? 0, 'SIGKILL');
    await eventually(() => !config.running);
    const message = await failure(cluster.stop());
    expect(message).toMatch(/^config had ended by itself \(SIGKILL\)/);
    expect(message).toContain('config service started');
    expect(existsSync(logOf(message))).toBe(true);
  }, 300_000);
});
