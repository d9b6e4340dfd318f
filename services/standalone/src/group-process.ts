import 'reflect-metadata';
import { createLogger } from '@batuta/observability';
import { mistakeOf } from '@batuta/program';
import { startWatchdog } from '@batuta/service';
import type { FromGroup, ToGroup } from './process-messages.js';
import { PROGRAMS } from './programs.js';
import { SERVICES, STOP_ORDER } from './services.js';
import type { ServiceName } from './services.js';

interface Running {
  /** Address of its /health/ready. */
  readonly url: string;
  close(): Promise<void>;
}

function runningOf(service: { readonly url?: string; readonly opsPort?: number | undefined; close(): Promise<void> }) {
  const { url = `http://127.0.0.1:${String(service.opsPort)}` } = service;
  return { url, close: () => service.close() };
}

function say(message: FromGroup): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) {
      resolve();
      return;
    }
    process.send(message, () => resolve());
  });
}

/** Runs the services named on the command line in this process, until the supervisor stops it or is gone. */
async function run(names: readonly ServiceName[]): Promise<void> {
  const logger = createLogger({ service: names.join('+') });
  startWatchdog(names.join('+'));
  const running = new Map<ServiceName, Running>();
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> =>
    (stopping ??= (async () => {
      // The gateway first, so that no new requests come in. The engine before the config service, because it may still
      // ask it.
      for (const name of STOP_ORDER) {
        await running.get(name)?.close();
      }
    })());
  const end = (): void => {
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.fatal({ err: error }, 'did not stop cleanly');
        process.exit(1);
      },
    );
  };
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      logger.fatal({ err: error }, `${event}: the process ends`);
      process.exit(1);
    });
  }
  // Ctrl-C reaches the whole process group, but the supervisor decides the order of the stops.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', end);
  process.on('disconnect', end);
  const started = new Promise<void>((resolve) => {
    process.on('message', (message: ToGroup) => {
      if (message.type === 'stop') return end();
      Object.assign(process.env, message.env);
      resolve();
    });
  });
  // Programs are loaded while the servers start.
  const starts = await Promise.all(names.map(async (name) => ({ name, start: await PROGRAMS[name]() })));
  await say({ type: 'loaded' });
  await started;
  await Promise.all(
    starts.map(async ({ name, start }) => {
      running.set(name, runningOf(await start(createLogger({ service: name }))));
    }),
  );
  await say({ type: 'ready', urls: Object.fromEntries(names.map((name) => [name, running.get(name)?.url])) });
}

/** Loads the program of every service. */
export async function preload(): Promise<void> {
  await Promise.all(Object.values(PROGRAMS).map((program) => program()));
}

export async function main(): Promise<void> {
  const names = (process.argv[2] ?? '')
    .split(',')
    .filter((name): name is ServiceName => (SERVICES as readonly string[]).includes(name));
  try {
    await run(names);
  } catch (error) {
    const mistake = mistakeOf(error);
    if (mistake === undefined) createLogger({ service: names.join('+') }).fatal({ err: error }, 'could not start');
    const message = mistake ?? (error instanceof Error ? error.message : String(error));
    await say({ type: 'failed', message, isMistake: mistake !== undefined });
    process.exit(1);
  }
}
