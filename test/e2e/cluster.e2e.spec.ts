import { existsSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { eventually } from '@batuta/testing';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Cluster } from '../support/cluster.js';

/** A cluster of the config service alone. */
const CONFIG_ALONE = { gateway: 0, execution: 0, 'step-runner': 0 };

/** What these tests rest on themselves: a service that dies must not go unnoticed, nor its log be lost. */
describe('a cluster of service processes', () => {
  let kept: string | undefined;
  afterEach(() => {
    if (kept !== undefined) rmSync(kept, { recursive: true, force: true });
  });

  /** The log that an error names; it is removed after the test. */
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
  }, 30_000);

  it('fails at its end, and keeps the logs, when a service had died by itself', async () => {
    const cluster = await Cluster.start({ instances: CONFIG_ALONE });
    const config = cluster.process('config');
    process.kill(config.pid ?? 0, 'SIGKILL');
    await eventually(() => !config.running);
    const message = await failure(cluster.stop());
    expect(message).toMatch(/^config had ended by itself \(SIGKILL\)/);
    expect(message).toContain('config service started');
    expect(existsSync(logOf(message))).toBe(true);
  }, 60_000);

  it('leaves nothing when the test has killed a service and started it again', async () => {
    const cluster = await Cluster.start({ instances: CONFIG_ALONE });
    await cluster.process('config').end('SIGKILL');
    await cluster.process('config').start();
    await cluster.stop();
    expect(existsSync(cluster.dir)).toBe(false);
  }, 60_000);
});
