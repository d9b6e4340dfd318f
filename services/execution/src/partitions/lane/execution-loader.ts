import type { Event } from '@batuta/contracts';
import { UnreadableEventError } from '@batuta/event-store';
import type { ChainEnd } from '@batuta/event-store';
import { foldFromSnapshots, foldStream } from './fold-execution.js';
import type { ExecutionSource, FoldedStream } from './fold-execution.js';
import type { State } from '../../domain/index.js';
import { estimateBytes } from './partition.js';
import type { UnreadableExecutions } from './unreadable-executions.js';

/** A computed stream and the end of its chain. */
interface LoadedStream extends FoldedStream {
  /** In hex, empty for none. Undefined when it was not requested, or when the log changed between the two reads. */
  readonly link: string | undefined;
}

/** A stream that is an execution. */
export interface LoadedExecution extends LoadedStream {
  readonly state: State;
}

interface Waiting {
  resolve(loaded: LoadedStream | undefined): void;
  reject(error: unknown): void;
}

/**
 * Reads streams from their snapshots and the log. One query reads all that are requested at the same time, at most
 * `batch`.
 */
export class StreamLoader {
  readonly #source: ExecutionSource;
  readonly #soon: (callback: () => void) => void;
  readonly #batch: number;
  readonly #concurrency: number;
  readonly #links: boolean;
  readonly #unreadable: UnreadableExecutions | undefined;
  readonly #queue = new Map<string, Waiting[]>();
  #running = 0;

  constructor(
    source: ExecutionSource,
    soon: (callback: () => void) => void,
    batch = 50,
    concurrency = 2,
    /** Whether events will be appended to the loaded streams. */
    links = true,
    unreadable?: UnreadableExecutions,
  ) {
    this.#source = source;
    this.#soon = soon;
    this.#batch = batch;
    this.#concurrency = concurrency;
    this.#links = links;
    this.#unreadable = unreadable;
  }

  /** The computed execution, or undefined when it has no events. Rejects when the log or the config cannot be read. */
  load(id: string): Promise<LoadedStream | undefined> {
    const unreadable = this.#unreadable?.lately(id);
    if (unreadable !== undefined) return Promise.reject(unreadable);
    return new Promise((resolve, reject) => {
      const waiting = this.#queue.get(id);
      if (waiting === undefined) this.#queue.set(id, [{ resolve, reject }]);
      else waiting.push({ resolve, reject });
      if (this.#queue.size === 1) this.#soon(() => this.#next());
    });
  }

  #next(): void {
    while (this.#running < this.#concurrency && this.#queue.size > 0) {
      const ids = [...this.#queue.keys()].slice(0, this.#batch);
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
    let folded: Map<string, FoldedStream>;
    let found: Map<string, Event[]>;
    let ends: Map<string, ChainEnd>;
    try {
      folded = await foldFromSnapshots(this.#source, ids);
      const whole = ids.filter((id) => !folded.has(id));
      found = whole.length === 0 ? new Map() : await this.#source.reader.readStreams(whole);
      ends = this.#links ? await this.#source.reader.readChainEnds([...folded.keys(), ...found.keys()]) : new Map();
    } catch (error) {
      if (ids.length === 1) {
        if (error instanceof UnreadableEventError) this.#unreadable?.found(ids[0] ?? '', error);
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
            ? folded.get(id)
            : { state: await foldStream(this.#source.configs, events), bytes: estimateBytes(events) };
        this.#unreadable?.readable(id);
        for (const item of waiting.get(id) ?? []) item.resolve(withLink(loaded, ends.get(id)));
      } catch (error) {
        for (const item of waiting.get(id) ?? []) item.reject(error);
      }
    }
  }
}

function withLink(folded: FoldedStream | undefined, end: ChainEnd | undefined): LoadedStream | undefined {
  if (folded === undefined) return undefined;
  return { ...folded, link: end?.version === folded.state.version ? end.link : undefined };
}
