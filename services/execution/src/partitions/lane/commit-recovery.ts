import { FAILURE_CODES } from '@batuta/contracts';
import type { CommitOutcome } from '@batuta/event-store';
import { spendingDetails } from '../../domain/index.js';
import type { Batch } from './batch.js';
import { settle } from './inputs.js';
import type { Input } from './inputs.js';
import type { LaneParts } from './lane-parts.js';
import type { HotStream, Partition } from './partition.js';
import type { Clock } from '../ports/ports.js';

/** An input that waits for its turn. By then its partition may have another owner, or none. */
export interface WaitingInput {
  readonly partition: number;
  readonly input: Input;
}

/** What the recovery needs from its lane, which takes no input meanwhile. */
interface RecoveringLane {
  readonly closed: () => boolean;
  /** Takes the decided but unsent batch. The lane continues with an empty one. */
  readonly takeOpen: () => Batch;
  /** Puts inputs before all waiting ones. */
  readonly waitFirst: (inputs: readonly WaitingInput[]) => void;
  readonly drop: (input: Input) => void;
  /** Returns false when only another version can read it. */
  readonly load: (execution: HotStream) => Promise<boolean>;
  readonly decide: (execution: HotStream, input: Input) => void;
  readonly send: (batch: Batch) => Promise<CommitOutcome>;
  readonly committed: (batch: Batch, held: ReadonlyMap<number, number>) => void;
}

const RETRY_FIRST_MS = 50;
const RETRY_LONGEST_MS = 2_000;
const UNIQUE_VIOLATION = '23505';

/** Handles a failed commit, or a commit with an unknown outcome, for a lane. */
export class CommitRecovery {
  readonly #parts: Pick<LaneParts, 'clock' | 'log' | 'counters' | 'owner'>;
  readonly #lane: RecoveringLane;
  #refusals = 0;

  constructor(parts: Pick<LaneParts, 'clock' | 'log' | 'counters' | 'owner'>, lane: RecoveringLane) {
    this.#parts = parts;
    this.#lane = lane;
  }

  /** PostgreSQL accepts commits again, so the next refusal counts as the first. */
  commitSucceeded(): void {
    this.#refusals = 0;
  }

  /**
   * Called when the first of these commits has failed. Reverts everything that is not committed and makes the state of
   * the log certain. Afterwards all inputs wait, in their order, unless the failure answers them. Never rejects.
   */
  async recover(batches: readonly Batch[]): Promise<void> {
    const { counters, log } = this.#parts;
    const onTop = this.#lane.takeOpen();
    const [inputs = [], ...later] = [...batches, onTop].map(takeBack);
    this.#lane.waitFirst(later.flat());
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
      if (outcome?.kind !== 'rejected') this.#lane.waitFirst(inputs);
      else if (outcome.transient) await this.#later(inputs);
      else await this.#alone(inputs);
    } catch (error) {
      log.error({ err: error }, 'dealing with a failed commit failed');
      for (const { input } of inputs) this.#lane.drop(input);
    }
  }

  /**
   * Makes the state of the log certain when it may contain more than memory. Only a higher epoch does this, because the
   * server may apply the old commit at any later time.
   */
  async #reclaim(partitions: readonly Partition[]): Promise<void> {
    const owned = new Set(partitions.filter((partition) => partition.owned));
    if (owned.size > 0) await this.#parts.owner.reclaim([...owned]);
  }

  /** PostgreSQL cannot commit now. Everything is decided again a little later. */
  async #later(inputs: readonly WaitingInput[]): Promise<void> {
    this.#refusals += 1;
    await pause(this.#parts.clock, backoff(this.#refusals));
    this.#lane.waitFirst(inputs);
  }

  /** One of these inputs made PostgreSQL refuse all of them. Each gets its own commit, which shows the cause. */
  async #alone(inputs: readonly WaitingInput[]): Promise<void> {
    for (const waiting of inputs) await this.#commitAlone(waiting);
  }

  async #commitAlone(waiting: WaitingInput): Promise<void> {
    const { owner, clock, log } = this.#parts;
    const lane = this.#lane;
    for (let attempt = 1; !lane.closed(); attempt++) {
      const partition = owner.partition(waiting.partition);
      if (partition === undefined) return lane.drop(waiting.input);
      let execution = partition.executions.get(waiting.input.executionId);
      if (execution === undefined) {
        execution = partition.add(waiting.input.executionId);
        const readable = await lane.load(execution);
        if (!readable || !partition.owned) return lane.drop(waiting.input);
      }
      lane.decide(execution, waiting.input);
      const batch = lane.takeOpen();
      if (batch.empty) return;
      const outcome = await lane.send(batch);
      if (outcome.kind === 'committed') return lane.committed(batch, outcome.held);
      takeBack(batch);
      if (outcome.kind === 'unknown') {
        await this.#reclaim([...batch.partitions.values()]);
      } else if (outcome.transient) {
        await pause(clock, backoff(attempt));
      } else if (!this.#anotherWay(waiting.input, partition, execution, outcome.code)) {
        log.error(
          { code: outcome.code, reason: outcome.message, ...execution.named, kind: waiting.input.kind },
          'an input was rejected because PostgreSQL refuses its events',
        );
        const rejection = { code: 'internal' as const, message: 'The command cannot be stored.' };
        return settle(waiting.input, { kind: 'rejected', rejection });
      }
    }
    lane.drop(waiting.input);
  }

  /** Whether a refused input should be decided once more in another form. */
  #anotherWay(input: Input, partition: Partition, execution: HotStream, code: string): boolean {
    if (input.triedAlone === true) return false;
    input.triedAlone = true;
    if (code === UNIQUE_VIOLATION) {
      // The log has events that are not in memory, because a start looked new. The log has its answer.
      partition.forget(execution);
      return true;
    }
    if (input.kind !== 'result' || !input.result.ok) return false;
    // Its runner would send it for ever. So the attempt's outcome is that the output cannot be stored.
    const message = 'the output cannot be stored as JSON';
    const { output, ...rest } = input.result;
    const failure = { code: FAILURE_CODES.outputInvalid, message, retryable: false, ...spendingDetails(output) };
    input.result = { ...rest, ok: false, failure };
    return true;
  }
}

/** Reverts the decisions of a batch, so that only the committed state remains. Returns its inputs. */
function takeBack(batch: Batch): WaitingInput[] {
  batch.close();
  for (const { execution } of batch.executions) {
    execution.current = execution.committed;
    execution.currentWake = execution.committedWake;
    execution.currentLink = execution.committedLink;
    if (execution.current === undefined && execution.idle) execution.partition.forget(execution);
  }
  for (const partition of batch.partitions.values()) {
    partition.sentPosition = partition.committedPosition;
    partition.decidedPosition = partition.committedPosition;
  }
  return batch.decided.map(({ partition, input }) => ({ partition: partition.id, input }));
}

/** Partitions whose part of a commit is stored or may be stored, although memory reverts it. */
function mayStandFor({ outcome, partitions }: Batch): Partition[] {
  switch (outcome?.kind) {
    case 'rejected':
      return [];
    case 'committed':
      // A commit sent after a failed one is stored if it did not build on the failed one.
      return [...partitions.values()].filter(({ id }) => outcome.held.has(id));
    default:
      return [...partitions.values()];
  }
}

/** Milliseconds to wait before the attempt after `attempt`. */
export function backoff(attempt: number): number {
  return Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt - 1, 10));
}

export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}
