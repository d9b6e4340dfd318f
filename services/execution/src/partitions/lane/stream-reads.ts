import type { StartExecution } from '@batuta/contracts';
import { UnreadableEventError } from '@batuta/event-store';
import { backoff, pause } from './commit-recovery.js';
import type { Answer, Input } from './inputs.js';
import type { LaneParts } from './lane-parts.js';
import type { HotStream } from './partition.js';
import { kindOf } from './streams.js';
import type { StreamState } from './stream-state.js';

/** How many inputs of one stream may wait while it is read. */
const WAITING_FOR_ONE = 1_000;

/** What the reads need from their lane. */
interface ReadingLane {
  readonly closed: () => boolean;
  readonly drop: (input: Input) => void;
  readonly answer: (execution: HotStream, input: Input, answer: Answer) => void;
  /** The stream is read. Its inputs go on, in their order. */
  readonly release: (execution: HotStream, inputs: readonly Input[]) => void;
}

/**
 * Reads the streams of a lane that are not in memory, and the configs of starts. The inputs of such a stream wait here
 * until it is read, in their order.
 */
export class StreamReads {
  readonly #parts: Pick<LaneParts, 'clock' | 'log' | 'loader' | 'configs' | 'counters' | 'owner'>;
  readonly #lane: ReadingLane;
  readonly #waiting = new Map<HotStream, Input[]>();

  constructor(
    parts: Pick<LaneParts, 'clock' | 'log' | 'loader' | 'configs' | 'counters' | 'owner'>,
    lane: ReadingLane,
  ) {
    this.#parts = parts;
    this.#lane = lane;
  }

  /** Takes an input of a stream that is being read. Drops it when too many wait already. */
  wait(execution: HotStream, input: Input): void {
    const waiting = this.#waitingFor(execution);
    if (waiting.length >= WAITING_FOR_ONE) return this.#lane.drop(input);
    waiting.push(input);
  }

  /** Takes an input that has waited before. It is kept, however many others wait. */
  waitAgain(execution: HotStream, input: Input): void {
    this.#waitingFor(execution).push(input);
  }

  /** Reads the stream from the log while its inputs wait. Returns false when only another version can read it. */
  async load(execution: HotStream): Promise<boolean> {
    execution.reading = true;
    const { loader, log, clock } = this.#parts;
    for (let attempt = 1; execution.partition.owned && !this.#lane.closed(); attempt++) {
      try {
        const loaded = await loader.load(execution.id);
        if (!execution.partition.owned) break;
        if (loaded !== undefined && loaded.link === undefined) {
          throw new Error('its log went on while it was read');
        }
        this.#loaded(execution, loaded);
        return true;
      } catch (error) {
        if (error instanceof UnreadableEventError) {
          this.#leaveAlone(execution);
          return false;
        }
        log.error({ err: error, ...execution.named, attempt }, 'an execution cannot be read from the log');
        // Senders ask again, so keeping their inputs would only pile up copies.
        for (const input of this.#waitingFor(execution).splice(0)) this.#lane.drop(input);
        await pause(clock, backoff(attempt));
      }
    }
    for (const input of this.#end(execution)) this.#lane.drop(input);
    return true;
  }

  #loaded(execution: HotStream, loaded: Awaited<ReturnType<LaneParts['loader']['load']>>): void {
    this.#parts.counters.loads += 1;
    execution.committed = loaded?.state;
    execution.current = loaded?.state;
    if (loaded !== undefined) {
      execution.partition.grow(execution, loaded.bytes);
      execution.committedWake = wakeBound(loaded.state);
      execution.currentWake = execution.committedWake;
      execution.committedLink = loaded.link ?? '';
      execution.currentLink = execution.committedLink;
    }
    this.#parts.owner.changed(execution);
    this.#lane.release(execution, this.#end(execution));
  }

  /** Only another version can continue it, so memory keeps nothing of it and no input waits for it. */
  #leaveAlone(execution: HotStream): void {
    const inputs = this.#end(execution);
    execution.partition.forget(execution);
    for (const input of inputs) {
      if (input.kind === 'visit') input.missed(false);
      else this.#lane.drop(input);
    }
  }

  /** Reads the config of a start while the inputs of its execution wait, the start first. */
  findConfig(execution: HotStream, { configId, configVersion }: StartExecution, input: Input): void {
    execution.reading = true;
    this.#waitingFor(execution).push(input);
    void this.#parts.configs.find(configId, configVersion).then((found) => {
      const waiting = this.#end(execution);
      if (found.kind === 'found') return this.#lane.release(execution, waiting);
      const rejection =
        found.kind === 'missing'
          ? { code: 'not_found' as const, message: `There is no config ${configId} version ${configVersion}.` }
          : { code: 'unavailable' as const, message: `The config cannot be read now: ${found.message}` };
      for (const item of waiting) {
        const own = item.kind === 'command' && item.request.start !== undefined;
        if (own) this.#lane.answer(execution, item, { kind: 'rejected', rejection });
        // It is not known whether the log has this execution, although its id looks new.
        else this.#lane.drop(item);
      }
      if (execution.current === undefined && execution.idle) execution.partition.forget(execution);
    });
  }

  #waitingFor(execution: HotStream): Input[] {
    let waiting = this.#waiting.get(execution);
    if (waiting === undefined) {
      waiting = [];
      this.#waiting.set(execution, waiting);
    }
    return waiting;
  }

  #end(execution: HotStream): Input[] {
    const waiting = this.#waiting.get(execution) ?? [];
    this.#waiting.delete(execution);
    execution.reading = false;
    return waiting;
  }
}

/**
 * An upper bound of the wake-up in the row of a newly loaded execution. Rows contain lower bounds of the state's next
 * wake-up, so a commit that moves it below this bound must write it.
 */
function wakeBound(state: StreamState): number | null {
  const kind = kindOf(state);
  return kind.isOver(state) ? null : Math.floor(kind.nextWake(state) ?? Infinity);
}
