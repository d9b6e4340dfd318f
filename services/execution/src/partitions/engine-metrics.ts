import { gauge } from '@batuta/observability';
import type { Engine } from './engine.js';

const running = new Set<Engine>();

/** Shows an engine's counters among the process's metrics until the result is called. */
export function exposeEngine(engine: Engine): () => void {
  running.add(engine);
  const names = Object.keys(engine.counters) as (keyof typeof engine.counters)[];
  gauge('batuta_engine_total', 'What the engine has done since its start, by kind', ['kind'], function collect() {
    for (const name of names) {
      let sum = 0;
      for (const each of running) sum += each.counters[name];
      this.set({ kind: name }, sum);
    }
  });
  gauge('batuta_engine_partitions', 'Partitions that this process owns', [], function collect() {
    this.set([...running].reduce((sum, each) => sum + each.owned.length, 0));
  });
  gauge('batuta_engine_cache_bytes', 'Estimated memory of executions', [], function collect() {
    this.set([...running].reduce((sum, each) => sum + each.cacheBytes, 0));
  });
  return () => running.delete(engine);
}
