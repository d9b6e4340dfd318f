import { OUTPUT_LIMITS, OUTPUT_START } from '@batuta/contracts';
import type { AttemptOutput, AttemptOutputReply, OutputPart, OutputPublished } from '@batuta/contracts';
import type { Queryable } from '@batuta/service';
import type { Bus, Clock, EngineLog, OutputTaker, PartitionRequest } from '../partitions/ports/ports.js';
import { PartWriter } from './part-writer.js';
import type { NumberedPart } from './part-writer.js';
import { PLACE_OF_ATTEMPT } from './sql.js';

/** After this time the engine is asked again whether an attempt is still wanted. */
const WANTED_FOR_MS = 5_000;
/** An attempt without output for this time is forgotten. If it has output again, it is looked up again. */
const IDLE_MS = 60_000;
const SWEEP_MS = 10_000;
/** Bytes that wait, of all tenants together. Further parts are dropped, and their senders send them again. */
const MOST_WAITING_BYTES = 64 * 1024 * 1024;
/** How many times workers may begin one attempt again. Each time leaves a part of its own. */
const MOST_RUNS = 100;

type Reply = PartitionRequest['reply'];

interface Waiting {
  readonly output: AttemptOutput;
  readonly reply: Reply;
}

/** An attempt that sends output. */
interface Talking {
  readonly key: string;
  readonly executionId: string;
  readonly stepId: string;
  readonly attempt: number;
  tenantId: string;
  /** Runs that have sent output. The run that sends now is the last one. */
  runs: string[];
  /** Number of the part before that run's first one. The run's own numbers begin after it. */
  base: number;
  /** Number of the next part. */
  next: number;
  /** Parts below this one are stored. */
  stored: number;
  bytes: number;
  full: boolean;
  /** `elapsed` when the engine last said that the attempt is wanted. Undefined before the first time. */
  checkedAt: number | undefined;
  /** How many results of it were recorded here. */
  results: number;
  heardAt: number;
  /** Messages that wait until the engine and the store have answered about the attempt. */
  waiting: Waiting[];
  preparing: boolean;
  /** Told when the parts before `upTo` are stored. */
  acks: { readonly upTo: number; readonly base: number; readonly reply: Reply }[];
}

/** The part of a commit that shows whether an attempt may have ended. */
interface Committed {
  readonly execution: { readonly id: string };
  readonly events: readonly { readonly event: { readonly type: string; readonly data: unknown } }[];
}

const ENDS: ReadonlySet<string> = new Set(['ModelAnswered', 'StepCompleted', 'StepAttemptFailed']);

interface Place {
  readonly tenantId: string;
  readonly seq: number;
  readonly bytes: number;
  readonly base: number;
  readonly runs: string[];
}

interface OutputIntakeParts {
  readonly clock: Clock;
  readonly log: EngineLog;
  readonly pool: Queryable;
  readonly bus: Pick<Bus, 'followed' | 'publishOutput'>;
}

/**
 * Receives the partial output of attempts: shows it to clients that follow the execution, stores it, and answers when it is stored.
 *
 * The worker numbers the parts. So a part that comes twice, from two processes or to two owners of the partition, is stored
 * once. A part may be shown before it is stored. Its worker sends it again until it is stored. If the worker ends before that, the
 * attempt fails and its output is void.
 */
export class OutputIntake implements OutputTaker {
  readonly #parts: OutputIntakeParts;
  readonly #talking = new Map<string, Talking>();
  readonly #writer: PartWriter<Talking>;
  #cancelSweep: (() => void) | undefined;
  #stopped = false;

  constructor(parts: OutputIntakeParts) {
    this.#parts = parts;
    const { clock, log, pool } = parts;
    this.#writer = new PartWriter({ clock, log, pool, stored: (batch) => this.#stored(batch) });
    this.#sweepLater();
  }

  /** Bytes that are not stored yet. */
  get waitingBytes(): number {
    return this.#writer.waitingBytes;
  }

  take(output: AttemptOutput, isWanted: () => Promise<boolean | undefined>, reply: Reply): void {
    if (this.#stopped || this.#writer.waitingBytes > MOST_WAITING_BYTES) return;
    const { executionId, stepId, attempt } = output;
    const key = `${executionId}/${stepId}/${attempt}`;
    const now = this.#parts.clock.elapsed();
    let one = this.#talking.get(key);
    if (one === undefined) {
      const place = { tenantId: '', runs: [], base: 0, next: 1, stored: 1, bytes: 0, full: false };
      one = {
        key,
        executionId,
        stepId,
        attempt,
        ...place,
        checkedAt: undefined,
        results: 0,
        heardAt: now,
        waiting: [],
        preparing: false,
        acks: [],
      };
      this.#talking.set(key, one);
    }
    one.heardAt = now;
    if (one.preparing) {
      // A sender has few messages on the way, so more would be repeats.
      if (one.waiting.length < 64) one.waiting.push({ output, reply });
      return;
    }
    const known = one.checkedAt !== undefined && now - one.checkedAt < WANTED_FOR_MS;
    if (known && output.run === one.runs.at(-1) && one.base + output.from <= one.next) {
      this.#accept(one, { output, reply });
      return;
    }
    one.waiting.push({ output, reply });
    void this.#prepare(one, isWanted);
  }

  /** A result may be the end of its attempt. So the engine is asked whether more output is wanted before any is accepted. */
  committed({ execution, events }: Committed): void {
    for (const { event } of events) {
      if (!ENDS.has(event.type)) continue;
      const { stepId, attempt } = event.data as { stepId: string; attempt: number };
      const one = this.#talking.get(`${execution.id}/${stepId}/${attempt}`);
      if (one === undefined) continue;
      one.checkedAt = undefined;
      one.results += 1;
    }
  }

  /** Stores the parts that wait, and accepts no more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelSweep?.();
    await this.#writer.stop();
  }

  /** Finds out whether the attempt is wanted and how much of it is stored, then handles the messages that came meanwhile. */
  async #prepare(one: Talking, isWanted: () => Promise<boolean | undefined>): Promise<void> {
    const { clock, pool, log } = this.#parts;
    one.preparing = true;
    const { results } = one;
    let place: Place | undefined;
    let wanted: boolean | undefined;
    try {
      const values = [one.executionId, one.stepId, one.attempt];
      const [answer, { rows }] = await Promise.all([isWanted(), pool.query<Place>({ ...PLACE_OF_ATTEMPT, values })]);
      wanted = answer;
      [place] = rows;
    } catch (error) {
      log.warn(
        { err: error, execution_id: one.executionId },
        'partial output cannot be placed, its sender will try again',
      );
    }
    // The answer is older than a result that came meanwhile.
    if (wanted === true && one.results !== results) return this.#prepare(one, isWanted);
    one.preparing = false;
    const waiting = one.waiting.splice(0);
    if (wanted === undefined || (wanted && place === undefined)) {
      // The engine did not answer, or the row of the execution does not exist yet. There is no answer, and the sender asks again.
      if (one.acks.length === 0) this.#talking.delete(one.key);
      return;
    }
    if (!wanted || place === undefined) {
      if (one.acks.length === 0) this.#talking.delete(one.key);
      for (const { reply } of waiting) answer(reply, { wanted: false, reason: 'stale' });
      return;
    }
    one.tenantId = place.tenantId;
    one.checkedAt = clock.elapsed();
    if (place.seq + 1 >= one.next) {
      one.next = place.seq + 1;
      one.stored = one.next;
      one.bytes = place.bytes;
      one.base = place.base;
      one.runs = place.runs;
    }
    for (const each of waiting) this.#accept(one, each);
  }

  #accept(one: Talking, { output, reply }: Waiting): void {
    const { run, parts } = output;
    const taken: OutputPart[] = [];
    if (run !== one.runs.at(-1)) {
      // Output of a run that a newer run has replaced is not wanted.
      if (one.runs.includes(run)) return answer(reply, { wanted: false, reason: 'stale' });
      // Otherwise a worker that names a new run each time could write without end.
      if (one.runs.length >= MOST_RUNS || one.full || isFull(one)) {
        return answer(reply, { wanted: false, reason: 'stale' });
      }
      if (output.from !== 1) return answer(reply, { wanted: true, next: 1 });
      taken.push({ kind: OUTPUT_START, text: '', id: run });
      one.runs.push(run);
      one.base = one.next;
    }
    const from = one.base + output.from;
    // An earlier part is missing here: another owner got it, or it was lost on the way.
    if (from > one.next + taken.length) return this.#ack(one, one.base, reply);
    const fresh = parts.slice(one.next + taken.length - from);
    for (const part of fresh) {
      const bytes = Buffer.byteLength(part.text);
      one.full ||= isFull(one, bytes, taken.length);
      if (one.full) break;
      one.bytes += bytes;
      taken.push(part);
    }
    if (taken.length > 0) this.#show(one, taken);
    const upTo = Math.min(from + parts.length, one.next);
    if (upTo <= one.stored) this.#ack(one, one.base, reply);
    else one.acks.push({ upTo, base: one.base, reply });
  }

  #show(one: Talking, taken: readonly OutputPart[]): void {
    const { clock, bus } = this.#parts;
    const { executionId, stepId, attempt, next: from } = one;
    const at = clock.now();
    if (bus.publishOutput !== undefined && bus.followed?.(executionId) !== false) {
      const shown: OutputPublished = { stepId, attempt, from, parts: taken, at };
      bus.publishOutput(executionId, JSON.stringify(shown));
    }
    this.#writer.add(one.tenantId, one, from, taken, at);
    one.next = from + taken.length;
  }

  #stored(batch: readonly NumberedPart<Talking>[]): void {
    const touched = new Set<Talking>();
    for (const part of batch) {
      part.of.stored = Math.max(part.of.stored, part.seq + 1);
      touched.add(part.of);
    }
    for (const one of touched) {
      const open = one.acks;
      one.acks = open.filter(({ upTo }) => upTo > one.stored);
      for (const { upTo, base, reply } of open) if (upTo <= one.stored) this.#ack(one, base, reply);
    }
  }

  /** Answers up to which part a run is stored. Its numbers begin after `base`. */
  #ack(one: Talking, base: number, reply: Reply): void {
    const next = Math.max(1, one.stored - base);
    answer(reply, { wanted: true, next, ...(one.full ? { full: true } : {}) });
  }

  #sweepLater(): void {
    this.#cancelSweep = this.#parts.clock.after(SWEEP_MS, () => {
      const before = this.#parts.clock.elapsed() - IDLE_MS;
      for (const [key, one] of this.#talking) {
        if (one.heardAt < before && !one.preparing && one.stored >= one.next) this.#talking.delete(key);
      }
      this.#sweepLater();
    });
  }
}

/** Whether an attempt has no room for one more part, after `uncounted` further parts. The start of a run is a part too. */
const isFull = ({ bytes, next }: Talking, more = 0, uncounted = 0): boolean =>
  bytes + more > OUTPUT_LIMITS.attemptBytes || next + uncounted > OUTPUT_LIMITS.attemptParts;

function answer(reply: Reply, said: AttemptOutputReply): void {
  reply?.(JSON.stringify(said));
}
