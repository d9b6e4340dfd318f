import type { ExecutionReader } from '../../store/port.js';
import { isAttemptWanted, wantedEffects } from '../../domain/index.js';
import { unitState } from '../../domain/state/state.js';
import type { EffectPerformer } from './effects.js';
import { taskSubject } from '../dispatch/step-task.js';
import type { Input } from '../lane/inputs.js';
import { asExecution } from '../lane/partition.js';
import type { HotExecution, Partition } from '../lane/partition.js';
import type { Bus, Clock, EngineLog, LostTask, StreamIdentity } from '../ports/ports.js';

export interface QueueWatchSettings {
  /** How often the stream's identity is checked. */
  readonly watchMs: number;
  readonly auditMs: number;
  /** Younger dispatches are not checked. */
  readonly auditAgeMs: number;
  /** How many executions one audit reads. */
  readonly auditBatch: number;
}

interface QueueWatchParts {
  readonly clock: Clock;
  readonly bus: Bus;
  readonly reader: ExecutionReader;
  readonly log: EngineLog;
  readonly effects: EffectPerformer;
  readonly settings: QueueWatchSettings;
  readonly partitions: () => readonly Partition[];
  /** The partition of an execution, if this process owns it. */
  readonly partitionOf: (executionId: string) => Partition | undefined;
  readonly submit: (partition: Partition, input: Input) => void;
}

const PAGE = 200;
const VISIT_PAUSE_MS = 200;
/** How often undispatched tasks are checked, and how often a log line repeats that there are some. */
const TELL_MS = 1_000;
const TELL_AGAIN_MS = 30_000;
/** Longer than the election of a leader in a cluster. */
const TAKES_NOTHING_MS = 6_000;
/** A task that could not be dispatched for this long is logged. */
const WORTH_TELLING_MS = 3_000;

/**
 * Finds tasks that the work queue has lost. A changed identity of its stream means that everything may be lost, and
 * then every outstanding attempt is dispatched again. An audit checks old dispatches one by one, and dispatches missing
 * tasks again if they are still wanted.
 */
export class QueueWatch {
  readonly #parts: QueueWatchParts;
  #identity: StreamIdentity | undefined;
  #started = false;
  #stopped = false;
  #cancels = new Set<() => void>();
  #forgetReconnect: (() => void) | undefined;
  #looking = false;
  #lookAgain = false;
  #redoing: Promise<void> | undefined;
  #redoAgain = false;
  /** When the undispatched tasks were last logged. Undefined when there are none. */
  #toldAt: number | undefined;
  #cursor: { partition: number; after: string | undefined } = { partition: -1, after: undefined };

  constructor(parts: QueueWatchParts) {
    this.#parts = parts;
  }

  /** Makes the streams and begins to watch them. */
  async start(): Promise<void> {
    await this.#parts.bus.ensureStreams();
    this.#forgetReconnect = this.#parts.bus.onReconnect(() => void this.#look());
    this.#parts.bus.onTasksLost?.((lost) => {
      for (const task of lost) void this.#dispatchAgain(task);
    });
    this.#parts.bus.onTasksDoubted?.((attemptKey, answer) => void this.#isWanted(attemptKey, answer));
    await this.#look();
    this.#every(this.#parts.settings.watchMs, () => this.#look());
    this.#every(this.#parts.settings.auditMs, () => this.#audit());
    this.#every(TELL_MS, () => this.#tell());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#forgetReconnect?.();
    for (const cancel of this.#cancels) cancel();
    await this.#redoing;
  }

  #every(ms: number, work: () => Promise<void>): void {
    if (this.#stopped) return;
    const cancel = this.#parts.clock.after(ms, () => {
      this.#cancels.delete(cancel);
      void work().then(() => this.#every(ms, work));
    });
    this.#cancels.add(cancel);
  }

  async #look(): Promise<void> {
    if (this.#stopped) return;
    if (this.#looking) {
      this.#lookAgain = true;
      return;
    }
    this.#looking = true;
    const { bus, log } = this.#parts;
    try {
      let identity = await bus.streamIdentity();
      if (identity === undefined) {
        log.warn({}, 'the tasks’ stream is missing, making it');
        await bus.ensureStreams();
        identity = await bus.streamIdentity();
      }
      if (identity !== undefined && this.#takesNothing()) {
        log.error({ stream: identity }, 'the tasks’ stream takes nothing though its server answers, making it anew');
        await bus.renewStream?.();
        identity = await bus.streamIdentity();
      }
      const before = this.#identity;
      this.#identity = identity;
      // An empty stream at the start may be a new one. This process has not seen its predecessor.
      const lost = this.#started
        ? before?.created !== identity?.created || (identity?.lastSequence ?? 0) < (before?.lastSequence ?? 0)
        : (identity?.lastSequence ?? 0) === 0;
      if (lost) {
        if (this.#started) log.warn({ before, identity }, 'the tasks’ stream lost messages, dispatching all again');
        this.#redoAll();
      }
      this.#started = true;
    } catch (error) {
      log.warn({ err: error }, 'the tasks’ stream cannot be looked at now');
    } finally {
      this.#looking = false;
    }
    if (this.#lookAgain) {
      this.#lookAgain = false;
      await this.#look();
    }
  }

  /**
   * After its disk was full, nats-server 2.11 or later writes nothing to a stream and does not answer publications
   * until it is restarted. The stream can be replaced, because all of its tasks are dispatched again.
   */
  #takesNothing(): boolean {
    const { bus, effects } = this.#parts;
    return effects.undispatched.oldestMs > TAKES_NOTHING_MS && (bus.unansweredMs?.() ?? 0) > TAKES_NOTHING_MS;
  }

  /** Logs that tasks cannot be dispatched, repeats this while it lasts, and logs the end. */
  #tell(): Promise<void> {
    const { clock, effects, bus, log } = this.#parts;
    const { tasks, oldestMs } = effects.undispatched;
    const now = clock.elapsed();
    if (tasks === 0 || oldestMs < WORTH_TELLING_MS) {
      if (this.#toldAt !== undefined && tasks === 0) {
        log.info({}, 'all tasks are dispatched again');
        this.#toldAt = undefined;
      }
    } else if (this.#toldAt === undefined || now - this.#toldAt >= TELL_AGAIN_MS) {
      this.#toldAt = now;
      const reason = bus.refusal?.() ?? 'see the lines before';
      log.error({ tasks, oldest_ms: Math.round(oldestMs), reason }, 'tasks cannot be dispatched');
    }
    return Promise.resolve();
  }

  #redoAll(): void {
    if (this.#redoing !== undefined) {
      this.#redoAgain = true;
      return;
    }
    this.#redoing = this.#redo()
      .catch((error: unknown) => {
        this.#parts.log.warn({ err: error }, 'not all could be dispatched again, trying once more');
        this.#redoAgain = true;
        return new Promise<void>((resolve) => {
          this.#parts.clock.after(this.#parts.settings.watchMs, resolve);
        });
      })
      .then(() => {
        this.#redoing = undefined;
        if (this.#redoAgain && !this.#stopped) {
          this.#redoAgain = false;
          this.#redoAll();
        }
      });
  }

  async #redo(): Promise<void> {
    for (const partition of this.#parts.partitions()) {
      let after: string | undefined;
      for (;;) {
        if (this.#stopped || !partition.owned) break;
        const ids = await this.#parts.reader.readUnfinished(partition.id, after, PAGE);
        await Promise.all(
          ids.map((id) => this.#visit(partition, id, (execution) => this.#parts.effects.redo(execution, undefined))),
        );
        if (ids.length < PAGE) break;
        after = ids.at(-1);
      }
    }
  }

  /** Dispatches a task again that was lost with its runner, if the execution belongs to this owner. */
  async #dispatchAgain({ executionId, stepId, attempt, lostRunners, pools }: LostTask): Promise<void> {
    const partition = this.#parts.partitionOf(executionId);
    if (partition === undefined || this.#stopped) return;
    const found: HotExecution[] = [];
    await this.#visit(partition, executionId, (execution) => {
      if (pools === undefined) this.#parts.effects.dispatchAgain(execution, stepId, attempt, lostRunners);
      else found.push(execution);
    });
    for (const execution of found) {
      // When the pool is unknown now, the audit finds the attempt.
      const pool = await this.#poolOf(execution, stepId).catch(() => undefined);
      if (pool === undefined || !pools?.includes(pool) || !execution.partition.owned || this.#stopped) continue;
      this.#parts.effects.dispatchAgain(execution, stepId, attempt, lostRunners);
    }
  }

  /** Answers whether an attempt is still outstanding here. Does not answer for attempts of other owners. */
  async #isWanted(attemptKey: string, answer: (wanted: boolean) => void): Promise<void> {
    const [executionId = '', stepId = '', attempt = ''] = attemptKey.split('/');
    const partition = this.#parts.partitionOf(executionId);
    let wanted = false;
    if (partition !== undefined && !this.#stopped) {
      await this.#visit(partition, executionId, ({ committed }) => {
        wanted = committed !== undefined && isAttemptWanted(committed, stepId, Number(attempt));
      });
    }
    answer(wanted);
  }

  /** The pool that serves a step's agent. Undefined when there is none. Throws when it is unknown now. */
  async #poolOf({ committed }: HotExecution, stepId: string): Promise<string | undefined> {
    const unit = committed?.config.units[committed.config.unitIndex.get(stepId) ?? -1];
    return unit === undefined
      ? undefined
      : this.#parts.effects.agents.pool(committed?.started?.tenantId ?? '', unit.agent);
  }

  /** Resolves when the execution was visited, or cannot be visited any more. */
  #visit(partition: Partition, id: string, visit: (execution: HotExecution) => void): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void =>
        this.#parts.submit(partition, {
          kind: 'visit',
          executionId: id,
          visit: (stream) => {
            const execution = asExecution(stream);
            if (execution !== undefined) visit(execution);
            resolve();
          },
          missed: (dropped) => {
            if (dropped && partition.owned && !this.#stopped) this.#parts.clock.after(VISIT_PAUSE_MS, look);
            else resolve();
          },
        });
      look();
    });
  }

  async #audit(): Promise<void> {
    try {
      let left = this.#parts.settings.auditBatch;
      for (let looked = 0; left > 0 && looked <= this.#parts.partitions().length && !this.#stopped; looked++) {
        const { visited, lost } = await this.#auditPage(left);
        // Where one task is lost, more may be, for example tasks that waited for their turn in a process that ended.
        left -= lost > 0 ? Math.ceil(visited / 10) : visited;
      }
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'dispatches cannot be audited now');
    }
  }

  /** Reads the next executions after the cursor. The end of a partition moves the cursor to the next one. */
  async #auditPage(limit: number): Promise<{ readonly visited: number; readonly lost: number }> {
    const partitions = this.#parts.partitions();
    const partition =
      partitions.find((item) => item.id === this.#cursor.partition) ??
      partitions.find((item) => item.id > this.#cursor.partition) ??
      partitions[0];
    if (partition === undefined) return { visited: 0, lost: 0 };
    const after = partition.id === this.#cursor.partition ? this.#cursor.after : undefined;
    const size = Math.min(limit, PAGE);
    const ids = await this.#parts.reader.readUnfinished(partition.id, after, size);
    const following = partitions.find((item) => item.id > partition.id) ?? partitions[0];
    this.#cursor =
      ids.length < size
        ? { partition: following?.id ?? -1, after: undefined }
        : { partition: partition.id, after: ids.at(-1) };
    const suspects: { execution: HotExecution; stepId: string; attempt: number }[] = [];
    await Promise.all(
      ids.map((id) => this.#visit(partition, id, (execution) => suspects.push(...this.#oldDispatches(execution)))),
    );
    let lost = 0;
    for (const { execution, stepId, attempt } of suspects) {
      if (await this.#lookUp(execution, stepId, attempt)) lost += 1;
    }
    return { visited: ids.length, lost };
  }

  #oldDispatches(execution: HotExecution): { execution: HotExecution; stepId: string; attempt: number }[] {
    const { committed } = execution;
    // An effect that is still being sent is not lost.
    if (committed === undefined || committed.running === 0 || execution.pendingEffects > 0) return [];
    const before = this.#parts.clock.now() - this.#parts.settings.auditAgeMs;
    return wantedEffects(committed).flatMap((effect) => {
      if (effect.type !== 'dispatch') return [];
      const unit = unitState(committed, committed.config.unitIndex.get(effect.stepId) ?? 0);
      return unit.scheduledAt <= before ? [{ execution, stepId: effect.stepId, attempt: effect.attempt }] : [];
    });
  }

  /** Returns whether the attempt's task was lost, and dispatches it again. */
  async #lookUp(execution: HotExecution, stepId: string, attempt: number): Promise<boolean> {
    const { committed } = execution;
    if (committed === undefined || !execution.partition.owned) return false;
    const pool = await this.#poolOf(execution, stepId);
    const subject = pool === undefined ? undefined : taskSubject(committed, stepId, pool);
    if (subject === undefined || (await this.#parts.bus.holdsTask(subject, `${execution.id}/${stepId}/${attempt}`))) {
      return false;
    }
    if (!execution.partition.owned) return false;
    this.#parts.log.warn(
      { ...execution.named, step_id: stepId, attempt },
      'the work queue lost a task, dispatching it again',
    );
    this.#parts.effects.dispatchAgain(execution, stepId, attempt);
    return true;
  }
}
