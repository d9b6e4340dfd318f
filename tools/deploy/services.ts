import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pascal, services } from '../services/table.mjs';
import { read, root } from './places.js';

export type Environment = Readonly<Record<string, string>>;

/** Milliseconds between SIGTERM and the end that a service's settings allow. */
type DrainOf = (env: Environment) => number;

interface Service {
  /** Throws when the service would refuse to start with these variables. */
  readonly drainMs: DrainOf;
}

/** The services of the image. Each reads its own environment, and says how long its end may take. */
export async function loadServices(): Promise<ReadonlyMap<string, Service>> {
  const found = new Map<string, Service>();
  // One after the other, because jest cannot link simultaneously imported modules correctly.
  for (const name of services) {
    const program = (await import(`@batuta/${name}`)) as Record<string, (value: unknown) => unknown>;
    const [load, drain] = [program[`load${pascal(name)}Settings`], program['drainMsOf']];
    if (load === undefined || drain === undefined) throw new Error(`@batuta/${name} lacks its settings or drainMsOf`);
    found.set(name, { drainMs: (env) => drain(load(env)) as number });
  }
  return found;
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
