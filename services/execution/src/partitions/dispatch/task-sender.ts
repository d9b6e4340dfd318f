import { subjects } from '@batuta/contracts';
import type { DirectReceipt, DirectTasks } from '@batuta/contracts';
import { JsonMessage } from '@batuta/messaging';
import type { Clock, EngineLog, OutgoingTask, PublishOutcome } from '../ports/ports.js';
import { settleSent } from './runner-table.js';
import type { Runner, RunnerTable, Sent } from './runner-table.js';

/** The outcome of a request to a runner: the text of its answer, or why there is none. */
export type RunnerAnswer = { readonly text: string } | 'timeout' | 'no_responders' | 'lost';

/** Sends a request to a runner. `settle` is called once, later, after at most `timeoutMs`. */
export type AskRunner = (
  subject: string,
  tasks: JsonMessage<DirectTasks>,
  timeoutMs: number,
  settle: (answer: RunnerAnswer) => void,
) => void;

interface TaskSenderParts {
  readonly clock: Clock;
  readonly log: Pick<EngineLog, 'error'>;
  readonly ask: AskRunner;
  readonly table: RunnerTable;
  /** The runner does not take the task, so it is dispatched again. */
  readonly refused: (task: OutgoingTask, done: (outcome: PublishOutcome) => void) => void;
}

const LARGEST_BATCH_LENGTH = 1024 * 1024;
export const RECEIPT_MS = 1_000;
/** A runner that is not connected may be connecting again. It is asked once more after this time. */
export const RETRY_MS = 250;

/** Sends tasks to runners: all tasks of one turn of the event loop together, until the runner confirms or refuses them. */
export class TaskSender {
  readonly #parts: TaskSenderParts;
  readonly #flushing = new Set<Runner>();

  constructor(parts: TaskSenderParts) {
    this.#parts = parts;
  }

  send(runner: Runner, sent: Sent): void {
    this.#parts.table.put(runner, sent);
    if (this.#flushing.has(runner)) return;
    this.#flushing.add(runner);
    // After all tasks of the same commit.
    queueMicrotask(() => this.#flush(runner));
  }

  #flush(runner: Runner): void {
    this.#flushing.delete(runner);
    for (const [name, { batch }] of runner.pools) {
      while (batch.length > 0) {
        let length = 0;
        let count = 0;
        for (const { task } of batch) {
          length += task.length;
          if (count > 0 && length > LARGEST_BATCH_LENGTH) break;
          count += 1;
        }
        this.#send(runner, name, batch.splice(0, count));
      }
    }
  }

  /** `repeat`: the runner may have received them already. */
  #send(runner: Runner, pool: string, batch: readonly Sent[], repeat = false): void {
    const tasks = new JsonMessage<DirectTasks>({ pool, tasks: batch.map(({ task }) => task.task) });
    this.#parts.ask(subjects.runnerTasks(pool, runner.incarnation), tasks, RECEIPT_MS, (answer) => {
      // The runner was lost meanwhile, together with its tasks.
      if (!this.#parts.table.has(runner)) return;
      const open = batch.filter((sent) => sent.done !== undefined);
      if (answer === 'timeout' || answer === 'lost') {
        // A repeat does no harm, and its answer shows which tasks the runner has.
        if (open.length > 0) this.#send(runner, pool, open, true);
        return;
      }
      if (answer === 'no_responders') {
        if (open.length === 0) return;
        // Its connection may be just reconnecting. Only its silence shows whether it is gone. Tasks that it may have
        // wait for that.
        if (repeat) this.#parts.clock.after(RETRY_MS, () => this.#sendAgain(runner, pool, open));
        else this.#refused(runner, pool, open, false);
        return;
      }
      this.#receipt(runner, pool, batch, answer.text);
    });
  }

  #receipt(runner: Runner, pool: string, batch: readonly Sent[], text: string): void {
    const { clock, log } = this.#parts;
    runner.seen = clock.elapsed();
    const receipt = receiptOf(text);
    if (receipt === undefined) log.error({ worker_id: runner.id }, 'a runner’s receipt cannot be read');
    const { taken = 0, open: isOpen = false } = receipt ?? {};
    for (const [place, sent] of batch.entries()) {
      if (place < taken && sent.done !== undefined) settleSent(sent, 'stored');
    }
    const refused = batch.slice(taken).filter((sent) => sent.done !== undefined);
    if (refused.length > 0) this.#refused(runner, pool, refused, isOpen);
  }

  #sendAgain(runner: Runner, pool: string, batch: readonly Sent[]): void {
    if (!this.#parts.table.has(runner)) return;
    const open = batch.filter((sent) => sent.done !== undefined);
    if (open.length > 0) this.#send(runner, pool, open, true);
  }

  #refused(runner: Runner, name: string, refused: readonly Sent[], isOpen: boolean): void {
    for (const { task } of refused) this.#parts.table.take(runner, task.attemptKey);
    const pool = runner.pools.get(name);
    // Until its next beat reports its free slots.
    if (pool !== undefined) {
      pool.open = isOpen;
      pool.limit = isOpen ? Math.max(1, pool.running, Math.floor(pool.limit / 2)) : 0;
    }
    for (const sent of refused) {
      const { task, done } = sent;
      sent.done = undefined;
      if (done === undefined) continue;
      this.#parts.refused(task, done);
    }
  }
}

function receiptOf(text: string): Partial<DirectReceipt> | undefined {
  try {
    const receipt = JSON.parse(text) as Partial<DirectReceipt>;
    return Number.isInteger(receipt.taken ?? 0) ? receipt : undefined;
  } catch {
    return undefined;
  }
}
