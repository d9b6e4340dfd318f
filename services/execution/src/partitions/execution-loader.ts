import type { Event } from '@batuta/contracts';
import type { LogReader } from '@batuta/event-store';
import { evolve, initialState } from '../domain/index.js';
import type { State } from '../domain/index.js';
import type { ConfigRegistry } from './config-registry.js';
import { estimateBytes } from './partition.js';

export interface LoadedExecution {
  readonly state: State;
  /** Estimate of its memory. */
  readonly bytes: number;
}

interface Waiting {
  resolve(loaded: LoadedExecution | undefined): void;
  reject(error: unknown): void;
}

/** Folds one execution's events. Throws when its config version cannot be had or the log is not contiguous. */
export async function foldExecution(configs: ConfigRegistry, events: readonly Event[]): Promise<State> {
  const [first] = events;
  if (first?.type !== 'ExecutionStarted') throw new Error(`execution ${first?.executionId ?? ''} has no start`);
  const { configId, configVersion } = first.data;
  const found = await configs.find(configId, configVersion);
  if (found.kind !== 'found') {
    throw new Error(`config ${configId} version ${configVersion} is ${found.kind}: its execution cannot be read`);
  }
  let state = initialState(found.config);
  for (const event of events) {
    if (event.version !== state.version + 1) {
      throw new Error(`execution ${event.executionId} has version ${event.version} after ${state.version}`);
    }
    state = evolve(state, event);
  }
  return state;
}

/** Reads executions from the log: those asked for at the same time come with one query, at most `batch` each. */
export class ExecutionLoader {
  readonly #queue = new Map<string, Waiting[]>();
  #running = 0;

  constructor(
    private readonly reader: LogReader,
    private readonly configs: ConfigRegistry,
    private readonly soon: (callback: () => void) => void,
    private readonly batch = 50,
    private readonly concurrency = 2,
  ) {}

  /** The folded execution, undefined when it has no events. Rejects when the log or the config cannot be read. */
  load(id: string): Promise<LoadedExecution | undefined> {
    return new Promise((resolve, reject) => {
      const waiting = this.#queue.get(id);
      if (waiting === undefined) this.#queue.set(id, [{ resolve, reject }]);
      else waiting.push({ resolve, reject });
      if (this.#queue.size === 1) this.soon(() => this.#next());
    });
  }

  #next(): void {
    while (this.#running < this.concurrency && this.#queue.size > 0) {
      const ids = [...this.#queue.keys()].slice(0, this.batch);
      const waiting = new Map(ids.map((id) => [id, this.#queue.get(id) ?? []]));
      for (const id of ids) this.#queue.delete(id);
      this.#running += 1;
      void this.#read(ids, waiting).finally(() => {
        this.#running -= 1;
        this.#next();
      });
    }
  }

  async #read(ids: readonly string[], waiting: ReadonlyMap<string, Waiting[]>): Promise<void> {
    let found: Map<string, Event[]>;
    try {
      found = await this.reader.readExecutions(ids);
    } catch (error) {
      if (ids.length === 1) {
        for (const item of waiting.get(ids[0] ?? '') ?? []) item.reject(error);
        return;
      }
      // One unreadable execution must not keep the others from loading.
      for (const id of ids) await this.#read([id], new Map([[id, waiting.get(id) ?? []]]));
      return;
    }
    for (const id of ids) {
      const events = found.get(id);
      try {
        const loaded =
          events === undefined
            ? undefined
            : { state: await foldExecution(this.configs, events), bytes: estimateBytes(events) };
        for (const item of waiting.get(id) ?? []) item.resolve(loaded);
      } catch (error) {
        for (const item of waiting.get(id) ?? []) item.reject(error);
      }
    }
  }
}
