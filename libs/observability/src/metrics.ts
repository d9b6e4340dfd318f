import { Counter, Gauge, Histogram, collectDefaultMetrics, register } from 'prom-client';

export type { Counter, Gauge, Histogram };

/** Seconds; from half a millisecond to ten minutes. */
export const DURATION_BUCKETS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600,
] as const;

/**
 * A counter in the process's registry. If the name exists, it returns the existing counter, because services may share
 * a process. `collect` updates the counter when it is scraped.
 */
export function counter<L extends string = never>(
  name: string,
  help: string,
  labelNames: readonly L[] = [],
  collect?: (this: Counter<L>) => void | Promise<void>,
): Counter<L> {
  return (
    (register.getSingleMetric(name) as Counter<L> | undefined) ??
    new Counter({ name, help, labelNames, ...(collect === undefined ? {} : { collect }) })
  );
}

/** A gauge in the process's registry. `collect` sets its value when it is scraped. */
export function gauge<L extends string = never>(
  name: string,
  help: string,
  labelNames: readonly L[] = [],
  collect?: (this: Gauge<L>) => void | Promise<void>,
): Gauge<L> {
  return (
    (register.getSingleMetric(name) as Gauge<L> | undefined) ??
    new Gauge({ name, help, labelNames, ...(collect === undefined ? {} : { collect }) })
  );
}

/** A histogram in the process's registry. Buckets are in the unit of the name (seconds by default). */
export function histogram<L extends string = never>(
  name: string,
  help: string,
  labelNames: readonly L[] = [],
  buckets: readonly number[] = DURATION_BUCKETS,
): Histogram<L> {
  return (
    (register.getSingleMetric(name) as Histogram<L> | undefined) ??
    new Histogram({ name, help, labelNames, buckets: [...buckets] })
  );
}

let collecting = false;

/** Starts collecting the process's own metrics (CPU, memory, event loop delay, garbage collection). */
export function collectProcessMetrics(): void {
  if (!collecting) {
    collecting = true;
    collectDefaultMetrics();
  }
}

/** The text of all metrics, and its content type. */
export async function exposeMetrics(): Promise<{ contentType: string; body: string }> {
  return { contentType: register.contentType, body: await register.metrics() };
}
