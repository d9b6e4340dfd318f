export const SERVICES = ['gateway', 'config', 'execution', 'step-runner', 'notifications'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** Which services share a process: one inner list a process. */
export type Layout = readonly (readonly ServiceName[])[];

/** Agents run outside the engine's process, so that a heavy or crashing agent cannot stop it. */
export const DEFAULT_LAYOUT = 'gateway,config,execution,notifications|step-runner';

/**
 * Reads a layout: services separated by commas, processes by "|".
 * @throws Error when a service is unknown, named twice or missing.
 */
export function parseLayout(text: string): Layout {
  const layout = text.split('|').map((group) => group.split(',').map((name) => name.trim()));
  const named = layout.flat();
  for (const name of named) {
    if (!(SERVICES as readonly string[]).includes(name)) {
      throw new Error(`BATUTA_LAYOUT names the unknown service "${name}"; the services are ${SERVICES.join(', ')}`);
    }
  }
  for (const service of SERVICES) {
    const times = named.filter((name) => name === service).length;
    if (times !== 1) {
      throw new Error(`BATUTA_LAYOUT must name the service ${service} exactly once; it names it ${times} times`);
    }
  }
  return layout as Layout;
}
