import { join } from 'node:path';
import { createLogger } from '@batuta/observability';
import { readRunFile } from '../../run-file.js';
import { CliError, clientOf, platformHere } from '../api-client.js';
import { dataDir } from '../places.js';
import { startHere } from '../start.js';
import { agents } from './agents.js';
import { incident } from './incident.js';
import type { Demonstration, Out } from './demonstration.js';

const DEMONSTRATIONS: Readonly<Record<string, Demonstration>> = { incident, agents };

/**
 * Runs a demonstration on the platform that is running here, or on one that it starts and stops, even after Ctrl-C.
 * @throws CliError when there is no demonstration of that name, or its execution does not complete.
 */
export async function runDemo(name: string, out: Out): Promise<void> {
  const demonstration = DEMONSTRATIONS[name];
  if (demonstration === undefined) {
    throw new CliError(`There is no demonstration "${name}", only: ${Object.keys(DEMONSTRATIONS).join(', ')}.`);
  }
  const dir = dataDir();
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  const interruption = new Promise<never>((_, reject) => {
    interrupted.signal.addEventListener('abort', () => reject(new CliError('Interrupted.')), { once: true });
  });
  // It may be rejected while nothing awaits it.
  interruption.catch(() => undefined);
  const show = async (): Promise<void> => {
    const connection = await platformHere(dir);
    const stage = {
      client: clientOf(connection),
      url: connection.url,
      dir,
      run: readRunFile(dir),
      out,
      interrupted: interrupted.signal,
    };
    await Promise.race([demonstration.show(stage), interruption]);
  };
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    if (readRunFile(dir) !== undefined) {
      out('Using the platform that is running here.');
      await show();
      return;
    }
    await onOwnPlatform(demonstration, { dir, out, show });
  } catch (error) {
    // The signal may have ended something that the start was waiting for.
    throw interrupted.signal.aborted ? new CliError('Interrupted.') : error;
  } finally {
    process.removeListener('SIGINT', interrupt);
    process.removeListener('SIGTERM', interrupt);
  }
}

async function onOwnPlatform(
  { environment = {} }: Demonstration,
  { dir, out, show }: { dir: string; out: Out; show: () => Promise<void> },
): Promise<void> {
  out('Starting PostgreSQL, nats-server and the five services …');
  const startedAt = performance.now();
  const logFile = join(dir, 'logs', 'batuta.log');
  const logger = createLogger({ service: 'batuta', level: 'warn' });
  for (const [name, value] of Object.entries(environment)) process.env[name] ??= value;
  const platform = await startHere({ logger, port: 0, logFile });
  try {
    out(`Ready at ${platform.url} after ${Math.round(performance.now() - startedAt)} ms (service logs: ${logFile})`);
    await show();
  } finally {
    await platform.stop();
  }
}
