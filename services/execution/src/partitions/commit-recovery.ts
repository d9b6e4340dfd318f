import { FAILURE_CODES } from '@batuta/contracts';
import type { CommitOutcome } from '@batuta/event-store';
import { spendingDetails } from '../domain/index.js';
import type { Batch } from './batch.js';
import { settle } from './inputs.js';
import type { Input } from './inputs.js';
import type { LaneParts } from './lane-parts.js';
import type { HotStream, Partition } from './partition.js';
import type { Clock } from './ports.js';

/** An input that waits for its turn. Its partition may be another one, or nobody's, when that comes. */
export interface Held {
  readonly partition: number;
  readonly input: Input;
}

/** What the recovery does with its lane, which takes no input meanwhile. */
interface RecoveringLane {
  readonly closed: () => boolean;
  /** What was decided and not sent; the lane goes on with an empty batch. */
  readonly takeOpen: () => Batch;
  /** Forgets what a batch decided; its inputs. */
  readonly takeBack: (batch: Batch) => Held[];
  /** Puts inputs before all that wait. */
  readonly waitFirst: (inputs: readonly Held[]) => void;
  readonly drop: (input: Input) => void;
  /** False when only another version can read it. */
  readonly load: (execution: HotStream) => Promise<boolean>;
  readonly decide: (execution: HotStream, input: Input) => void;
  readonly send: (batch: Batch) => Promise<CommitOutcome>;
  readonly committed: (batch: Batch, held: ReadonlyMap<number, number>) => void;
}

const RETRY_FIRST_MS = 50;
const RETRY_LONGEST_MS = 2_000;
const UNIQUE_VIOLATION = '23505';

/** What a lane does when a commit has failed, or when nobody knows whether it holds. */
export class CommitRecovery {
  #refusals = 0;

  constructor(
    private readonly parts: Pick<LaneParts, 'clock' | 'log' | 'counters' | 'owner'>,
    private readonly lane: RecoveringLane,
  ) {}

  /** PostgreSQL takes commits: the next refusal is a first one. */
  commitHeld(): void {
    this.#refusals = 0;
  }

  /**
   * The first of these commits has failed. Takes back all that is not committed and makes the log certain. Afterwards the inputs of
   * all wait, in their order, unless the failure answers them. Never rejects.
   */
  async recover(batches: readonly Batch[]): Promise<void> {
    const { counters, log } = this.parts;
    const onTop = this.lane.takeOpen();
    const [inputs = [], ...later] = [...batches, onTop].map((batch) => this.lane.takeBack(batch));
    this.lane.waitFirst(later.flat());
    const outcome = batches[0]?.outcome;
    try {
      if (outcome?.kind === 'rejected') {
        counters.rejectedCommits += 1;
        log.warn({ code: outcome.code, reason: outcome.message }, 'PostgreSQL refused a commit');
      } else if (outcome?.kind === 'unknown') {
        counters.unknownCommits += 1;
        log.warn({ reason: outcome.message }, 'the outcome of a commit is unknown');
      }
      await this.#reclaim(batches.flatMap(mayStandFor));
      if (outcome?.kind !== 'rejected') this.lane.waitFirst(inputs);
      else if (outcome.transient) await this.#later(inputs);
      else await this.#alone(inputs);
    } catch (error) {
      log.error({ err: error }, 'dealing with a failed commit failed');
      for (const { input } of inputs) this.lane.drop(input);
    }
  }

  /** Makes the log certain where it may hold more than memory does: only a higher epoch does, however late the server applies it. */
  async #reclaim(partitions: readonly Partition[]): Promise<void> {
    const owned = new Set(partitions.filter((partition) => partition.owned));
    if (owned.size > 0) await this.parts.owner.reclaim([...owned]);
  }

  /** PostgreSQL cannot take commits now: everything is decided again a little later. */
  async #later(inputs: readonly Held[]): Promise<void> {
    this.#refusals += 1;
    await pause(this.parts.clock, backoff(this.#refusals));
    this.lane.waitFirst(inputs);
  }

  /** One of these inputs made PostgreSQL refuse them all: each gets a commit of its own, and the culprit is found. */
  async #alone(inputs: readonly Held[]): Promise<void> {
    for (const held of inputs) await this.#commitAlone(held);
  }

  async #commitAlone(held: Held): Promise<void> {
    const { owner, clock, log } = this.parts;
    const { lane } = this;
    for (let attempt = 1; !lane.closed(); attempt++) {
      const partition = owner.partition(held.partition);
      if (partition === undefined) return lane.drop(held.input);
      let execution = partition.executions.get(held.input.executionId);
      if (execution === undefined) {
        execution = partition.add(held.input.executionId);
        const readable = await lane.load(execution);
        if (!readable || !partition.owned) return lane.drop(held.input);
      }
      lane.decide(execution, held.input);
      const batch = lane.takeOpen();
      if (batch.empty) return;
      const outcome = await lane.send(batch);
      if (outcome.kind === 'committed') return lane.committed(batch, outcome.held);
      lane.takeBack(batch);
      if (outcome.kind === 'unknown') {
        await this.#reclaim([...batch.partitions.values()]);
      } else if (outcome.transient) {
        await pause(clock, backoff(attempt));
      } else if (!this.#anotherWay(held.input, partition, execution, outcome.code)) {
        log.error(
          { code: outcome.code, reason: outcome.message, ...execution.named, kind: held.input.kind },
          'an input was rejected because PostgreSQL refuses its events',
        );
        const rejection = { code: 'internal' as const, message: 'The command cannot be stored.' };
        return settle(held.input, { kind: 'rejected', rejection });
      }
    }
    lane.drop(held.input);
  }

  /** Whether a refused input is worth deciding once more, as something else. */
  #anotherWay(input: Input, partition: Partition, execution: HotStream, code: string): boolean {
    if (input.triedAlone === true) return false;
    input.triedAlone = true;
    if (code === UNIQUE_VIOLATION) {
      // The log has events that memory has not: a start that was taken for new. It is answered from the log.
      partition.forget(execution);
      return true;
    }
    if (input.kind !== 'result' || !input.result.ok) return false;
    // Its runner would send it for ever: that it cannot be stored is the attempt's outcome.
    const message = 'the output cannot be stored as JSON';
    const { output, ...rest } = input.result;
    const failure = { code: FAILURE_CODES.outputInvalid, message, retryable: false, ...spendingDetails(output) };
    input.result = { ...rest, ok: false, failure };
    return true;
  }
}

/** Partitions whose part of a commit stands or may stand, though memory takes it back. */
function mayStandFor({ outcome, partitions }: Batch): Partition[] {
  switch (outcome?.kind) {
    case 'rejected':
      return [];
    case 'committed':
      // Sent after a commit that failed, it stands where it did not build on that one.
      return [...partitions.values()].filter(({ id }) => outcome.held.has(id));
    default:
      return [...partitions.values()];
  }
}

/** Milliseconds to wait before the attempt after this one. */
export function backoff(attempt: number): number {
  return Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt - 1, 10));
}

export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}
