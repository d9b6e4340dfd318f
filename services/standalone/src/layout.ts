import { availableParallelism } from 'node:os';
import { Mistake } from '@batuta/program';
import { OWN_PROCESS, SERVICES } from './services.js';
import type { ServiceName } from './services.js';

/** Which services share a process: one inner list for each process. */
export type Layout = readonly (readonly ServiceName[])[];

/**
 * On two cores one process, because a second one would only compete with it and with PostgreSQL. With more cores,
 * agents run outside the engine's process, so that a heavy or crashing agent cannot stop the engine (ADR 0007).
 */
export function layoutFor(cores: number): string {
  const together = SERVICES.filter((name) => !OWN_PROCESS.includes(name)).join(',');
  return [together, ...OWN_PROCESS].join(cores <= 2 ? ',' : '|');
}

export const DEFAULT_LAYOUT = layoutFor(availableParallelism());

/**
 * Parses a layout: services separated by commas, processes by "|". @throws Mistake when a service is unknown, repeated
 * or missing.
 */
export function parseLayout(text: string): Layout {
  const layout = text.split('|').map((group) => group.split(',').map((name) => name.trim()));
  const named = layout.flat();
  for (const name of named) {
    if (!(SERVICES as readonly string[]).includes(name)) {
      throw new Mistake(`BATUTA_LAYOUT names the unknown service "${name}"; the services are ${SERVICES.join(', ')}`);
    }
  }
  for (const service of SERVICES) {
    const times = named.filter((name) => name === service).length;
    if (times !== 1) {
      throw new Mistake(`BATUTA_LAYOUT must name the service ${service} exactly once; it names it ${times} times`);
    }
  }
  return layout as Layout;
}
