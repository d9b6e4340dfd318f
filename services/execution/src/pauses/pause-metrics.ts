import { PAUSE_KINDS } from '@batuta/contracts';
import { gauge } from '@batuta/observability';
import type { Pauses } from './pauses.js';

export interface ExposedPauses {
  readonly pauses: Pick<Pauses, 'held'>;
  /** Epoch ms by PostgreSQL's clock. */
  readonly now: () => number;
  /** Tasks in this process that a pause holds back, by pool. */
  readonly heldTasks: () => Iterable<readonly [pool: string, held: number]>;
}

const running = new Set<ExposedPauses>();

/** Adds what is paused to the process's metrics until the result is called. */
export function exposePauses(exposed: ExposedPauses): () => void {
  running.add(exposed);
  gauge(
    'batuta_pauses',
    'Tenants, agents and pools that are paused; the same in every execution process',
    ['kind'],
    function collect() {
      const [first] = running;
      for (const kind of PAUSE_KINDS) {
        this.set({ kind }, first?.pauses.held.all.filter((pause) => pause.kind === kind).length ?? 0);
      }
    },
  );
  gauge(
    'batuta_oldest_pause_seconds',
    'For how long the oldest pause has lasted; the same in every execution process',
    [],
    function collect() {
      const [first] = running;
      const oldest = Math.min(...(first?.pauses.held.all.map(({ pausedAt }) => pausedAt) ?? []));
      this.set(first === undefined || oldest === Infinity ? 0 : Math.max(0, (first.now() - oldest) / 1_000));
    },
  );
  gauge(
    'batuta_held_tasks',
    'Tasks by pool that wait in this process because their tenant, agent or pool is paused',
    ['pool'],
    function collect() {
      this.reset();
      const held = new Map<string, number>();
      for (const each of running) {
        for (const [pool, count] of each.heldTasks()) held.set(pool, (held.get(pool) ?? 0) + count);
      }
      for (const [pool, count] of held) this.set({ pool }, count);
    },
  );
  return () => running.delete(exposed);
}
