import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { read, root } from './places.js';

export type Environment = Readonly<Record<string, string>>;

/** Milliseconds between SIGTERM and the end that a service's settings allow. */
type DrainOf = (env: Environment) => number;

interface Service {
  /** Throws when the service would refuse to start with these variables. */
  readonly drainMs: DrainOf;
}

/** The services of the image. Each reads its own environment. */
export async function loadServices(): Promise<ReadonlyMap<string, Service>> {
  // One after the other, because jest cannot link simultaneously imported modules correctly.
  const gateway = await import('@batuta/gateway');
  const config = await import('@batuta/config');
  const execution = await import('@batuta/execution');
  const runner = await import('@batuta/step-runner');
  const notifications = await import('@batuta/notifications');
  return new Map<string, Service>([
    ['gateway', { drainMs: (env) => gateway.loadGatewaySettings(env).shutdownLimitMs }],
    ['config', { drainMs: (env) => (config.loadConfigSettings(env), 1_000) }],
    [
      'execution',
      {
        drainMs: (env) => {
          const { drainMs, commitTimeoutMs } = execution.loadExecutionSettings(env);
          return drainMs + commitTimeoutMs;
        },
      },
    ],
    [
      'step-runner',
      {
        drainMs: (env) => {
          const { drainMs, graceMs } = runner.loadStepRunnerSettings(env);
          return drainMs + graceMs;
        },
      },
    ],
    ['notifications', { drainMs: (env) => notifications.loadNotificationsSettings(env).attemptTimeoutMs }],
  ]);
}

/** The environment variables that a service reads, according to its source: a channel, for example, has settings of its own. */
export function variablesOf(service: string): ReadonlySet<string> {
  const folder = `services/${service}/src`;
  const sources = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.spec.ts'))
    .map((name) => read(`${folder}/${name}`));
  return new Set(
    sources.flatMap((source) => [...source.matchAll(/env: '([A-Z0-9_]+)'/g)].map(([, name = '']) => name)),
  );
}

/** Whether the image can run a container's command: the source of its file must exist. */
export function isRunnable(file: string): boolean {
  return existsSync(join(root, file.replace('/dist/', '/src/').replace(/\.js$/, '.ts')));
}
