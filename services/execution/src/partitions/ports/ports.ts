import type { SnapshotStore } from '@batuta/event-store';
import type {
  AttemptOutput,
  JsonValue,
  LifecycleNotice,
  OrchestrationDefinition,
  Priority,
  Refusal,
  Task,
  Violation,
} from '@batuta/contracts';
import type { AgentCopy, ExecutionStore } from '../../store/port.js';
import type { Rejection, State } from '../../domain/index.js';
import type { Payload } from '../../messages/fields.js';

/** Time and timers of a process. A simulation provides its own. */
export interface Clock {
  /** Epoch ms, whole. */
  now(): number;
  /** Milliseconds that only increase, also when the wall clock is set. */
  elapsed(): number;
  /** Calls back once after `ms`; the result cancels it. */
  after(ms: number, callback: () => void): () => void;
  /**
   * Calls back when the input that is readable now has been read. So inputs that arrived together are in one commit.
   */
  soon(callback: () => void): void;
  /** Calls back when the current code is done, before any input is read. */
  next(callback: () => void): void;
}

export interface Random {
  /** An unsigned 32-bit number. */
  seed(): number;
}

export type RequestKind = 'command' | 'message' | 'result' | 'check' | 'heartbeat' | 'output';

/** A request to a partition's owner. `reply` is undefined when the sender wants no answer. Call it at most once. */
export interface PartitionRequest {
  readonly kind: RequestKind;
  /** The received JSON. From this process itself it may be a value, without texts that a store refuses. */
  readonly payload: Payload;
  readonly reply: ((text: string, problem?: string) => void) | undefined;
  /** For a start: the subject to which the execution's end must be reported. */
  readonly endSubject?: string | undefined;
}

/**
 * Identity of the tasks' stream: a different creation time, or a last sequence that decreased, means that messages were
 * lost.
 */
export interface StreamIdentity {
  readonly created: string;
  readonly lastSequence: number;
  /** Tasks that it holds. */
  readonly messages?: number;
}

/**
 * The outcome of publishing a task. `stored`: the queue or a runner has it. `retry`: lost, refused or full, so send it
 * again. `put_aside`: it is not wanted any more, or waits for its tenant's turn only in memory. If the process ends
 * meanwhile, the audit finds it.
 */
export type PublishOutcome = 'stored' | 'put_aside' | 'retry' | 'stream_missing' | 'too_large';

/** All communication of the process except commits. */
export interface Bus {
  /** Starts answering requests of a partition. The result stops it. */
  serve(partition: number, handler: (request: PartitionRequest) => void): () => void;
  /**
   * Starts answering requests with results for any of this owner's partitions. `subject` is the address for them. A bus
   * without such an address gets requests only by partition.
   */
  serveOwner?(handler: (request: PartitionRequest) => void): { readonly subject: string; readonly stop: () => void };
  /** Asks the owner of another partition. Undefined when no answer comes in time. Never rejects. */
  askOwner(partition: number, kind: 'command' | 'message', text: string): Promise<string | undefined>;
  /** Puts a task into the work queue. `done` is called exactly once, later. The queue drops a repeat of `messageId`. */
  publishTask(task: OutgoingTask, done: (outcome: PublishOutcome) => void): void;
  /** Whether an execution's events are wanted. Without this function, all are. */
  followed?(executionId: string): boolean;
  /** Fire and forget. */
  publishEvents(tenantId: string, executionId: string, text: string): void;
  /** Fire and forget: partial output of an execution that somebody follows. */
  publishOutput?(executionId: string, text: string): void;
  /** Reports the end of an execution to the subject that its start named. */
  publishEnd?(subject: string, text: string): void;
  publishStop(text: string): void;
  publishLifecycle(notice: LifecycleNotice): void;
  /** Undefined when the stream is missing. Rejects when JetStream does not answer. */
  streamIdentity(): Promise<StreamIdentity | undefined>;
  /** Makes missing streams. */
  ensureStreams(): Promise<void>;
  /**
   * Whether the work queue still has a task with this subject, or a runner holds the attempt (execution/step/attempt).
   * Rejects when JetStream does not answer.
   */
  holdsTask(subject: string, attemptKey: string): Promise<boolean>;
  /** An attempt's result has arrived. */
  taskReported?(attemptKey: string): void;
  /** An attempt's result was answered, so the runner that held its task directly has room again. */
  taskAnswered?(attemptKey: string): void;
  /** A runner is about to begin an attempt that may have been begun before. */
  taskBegins?(beginning: Beginning): Runs;
  /** Registers a listener for attempts whose tasks were lost with their runners. */
  onTasksLost?(listener: (lost: readonly LostTask[]) => void): void;
  /** Asked now and then whether attempts that were handed out long ago are still wanted; not those of other owners. */
  onTasksDoubted?(isWanted: (attemptKey: string, answer: (wanted: boolean) => void) => void): void;
  /** Sets the share of all partitions that this owner has. */
  owns?(part: number): void;
  /** Tells services that depend on owners' memory that partitions have a new owner. */
  announceTaken?(partitions: readonly number[]): void;
  /** Tells every owner that partitions were released. */
  announceRelease(): void;
  /** Called when another owner announced a release. */
  onRelease(listener: () => void): () => void;
  onReconnect(listener: () => void): () => void;
  /** How long the bus has reached nobody. Undefined while it reaches somebody. */
  cutOffMs?(): number | undefined;
  /** Registers a listener for the moments when the bus is cut off and when it works again. */
  onCutOff?(listener: () => void): () => void;
  /** Why the queue has accepted no task for some time. Undefined while it accepts tasks. */
  refusal?(): string | undefined;
  /** How long the queue has not answered any offered task. Undefined while it answers. */
  unansweredMs?(): number | undefined;
  /** Makes the stream of tasks again, without its content. */
  renewStream?(): Promise<void>;
  /** Sends buffered messages to the server. Resolves when the server has them. */
  flush(): Promise<void>;
}

/** A runner's check before it begins an attempt. */
export interface Beginning {
  readonly attemptKey: string;
  /** The runner's incarnation. */
  readonly incarnation: string;
  /** Whether the queue has delivered it before. */
  readonly redelivered: boolean;
  /** Whether the runner runs nothing else. */
  readonly alone: boolean;
}

/** Where else an attempt runs, and where it ran. */
export interface Runs {
  /** Whether another runner, not known to be gone, has it. */
  readonly held: boolean;
  /** How many runners ended while they ran it. */
  readonly lostRunners: number;
}

/** An attempt whose task no runner holds any more. */
export interface LostTask {
  readonly executionId: string;
  readonly stepId: string;
  readonly attempt: number;
  /** How many runners ended while they ran it. */
  readonly lostRunners: number;
  /** Set when only a runner's beats reported that it held the task: the pools for which such a beat counts. */
  readonly pools?: readonly string[];
}

/** Proves that the sender of a report on an attempt (execution/step/attempt) received its task. */
export interface TaskTokens {
  of(attemptKey: string): string;
  isOf(attemptKey: string, token: string): boolean;
}

export interface OutgoingTask {
  readonly pool: string;
  /** execution/step/attempt. */
  readonly attemptKey: string;
  /** Whether it may have been sent before. A runner that already holds it does not need it again. */
  readonly again: boolean;
  readonly lostRunners: number;
  readonly priority: Priority;
  readonly subject: string;
  readonly messageId: string;
  /** Shared with the engine's state, so nobody may change it. */
  readonly task: Task;
  /** Roughly the characters of its JSON text. */
  readonly length: number;
  /** Called after a wait: whether its attempt is still outstanding and this process still owns it. */
  isWanted?(): boolean;
}

/** A config version, or why there is none. */
export type ConfigCopy =
  | { readonly kind: 'found'; readonly definition: OrchestrationDefinition }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unavailable'; readonly message: string };

/**
 * The newest version of a config, or why there is none. `leaseMs`: how long it stays the newest, from the request on.
 */
export type NewestConfig =
  | { readonly kind: 'found'; readonly configId: string; readonly version: number; readonly leaseMs: number }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'unavailable'; readonly message: string };

/** The config service for the engine. Never throws. */
export interface ConfigService {
  /** With `version`: that version, if the tenant may run it. */
  newest(tenantId: string, config: string, version?: number): Promise<NewestConfig>;
  version(configId: string, version: number): Promise<ConfigCopy>;
  /** An agent. Undefined when the tenant has no such agent; `unavailable` when no service answers. */
  agent(
    tenantId: string,
    name: string,
  ): Promise<{ readonly agent: AgentCopy | undefined } | { readonly unavailable: string }>;
}

interface EvaluationRequest {
  readonly tenantId: string;
  readonly expressions: readonly string[];
  readonly scope: JsonValue;
}

/** unavailable: it could not be evaluated now, which says nothing about the expression. */
export type EvaluationOutcome =
  | { readonly values: readonly JsonValue[] }
  | { readonly failure: { readonly code: string; readonly message: string; readonly retryable: boolean } }
  | { readonly unavailable: string };

interface ValidationRequest {
  readonly tenantId: string;
  /** JSON Schema, draft 2020-12. */
  readonly schema: JsonValue;
  readonly value: JsonValue;
}

/**
 * The violations of a value against its schema. `total` counts all of them, `violations` has the first. failure: the
 * schema itself cannot be used. unavailable: the check was not possible now.
 */
export type ValidationOutcome =
  | { readonly violations: readonly Violation[]; readonly total: number }
  | { readonly failure: string }
  | { readonly unavailable: string };

/** Evaluates users' expressions and schemas outside the engine's thread. Never throws. */
export interface Evaluator {
  evaluate(request: EvaluationRequest): Promise<EvaluationOutcome>;
  validate(request: ValidationRequest): Promise<ValidationOutcome>;
}

/** An execution that another stream starts: a schedule, or an execution of which it is a child. */
export interface OwnStart {
  readonly tenantId: string;
  readonly commandId: string;
  readonly executionId: string;
  readonly input: JsonValue | undefined;
  readonly child: boolean;
  /** How long it may wait, milliseconds. */
  readonly waitMs: number;
  /** Asked while it waits. */
  wanted(): boolean;
}

/** Holds starts of streams to the limits of their tenants. */
export interface OwnStarts {
  /**
   * Resolves when the limits let it begin; with a refusal when they did not in time, and with `unwanted` when nobody wants it
   * any more. Rejects when nobody can say now.
   */
  admitted(start: OwnStart): Promise<Refusal | 'unwanted' | undefined>;
}

export interface EngineLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Everything outside the engine that it uses. */
export interface EnginePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: ExecutionStore;
  /** Without it every execution is computed from its first event. */
  readonly snapshots?: SnapshotStore;
  readonly bus: Bus;
  readonly configs: ConfigService;
  /** Undefined: tasks have no tokens, and reports need none. */
  readonly tokens?: TaskTokens | undefined;
  /** Called for reports without the token of their task. */
  readonly reportRefused?: (executionId: string, stepId: string, attempt: number) => void;
  readonly evaluator: Evaluator;
  /** Takes what attempts say while they are made. Without it nothing of that is kept. */
  readonly outputs?: OutputTaker;
  /** Undefined: tenants have no limits. */
  readonly starts?: OwnStarts | undefined;
  /** Puts events of archived executions back. Undefined: nothing can be restored. */
  readonly restorer?: HistoryRestorer | undefined;
  readonly log: EngineLog;
}

/** Puts the events of an archived execution back into the log. */
interface HistoryRestorer {
  /** Returns why it cannot be done. Undefined when the command to restore it may be decided. Never rejects. */
  restore(state: State, tenantId: string): Promise<Rejection | undefined>;
}

/** Takes what attempts say while they are made. */
export interface OutputTaker {
  /**
   * `isWanted` says whether the attempt is still outstanding; undefined when nobody can tell now. `reply` is called at most once, later.
   */
  take(output: AttemptOutput, isWanted: () => Promise<boolean | undefined>, reply: PartitionRequest['reply']): void;
}

/** The content of a pool's beats in the last 30 s. */
export interface SeenPool {
  /** Workers that sent beats. */
  readonly workers: number;
  /** All slots and free slots of the workers that are alive now. */
  readonly slots: number;
  readonly free: number;
  /** Unfinished tasks that they received without the queue. */
  readonly direct: number;
}

/** A pool's consumer of one priority, as JetStream shows it. */
export interface PoolConsumerState {
  /** Tasks that no worker has taken. */
  readonly waiting: number;
  /** Tasks that are taken and not finished. */
  readonly taken: number;
  /** Stream sequence of the newest taken task. */
  readonly takenUpTo: number;
  /** Open requests of workers for tasks. */
  readonly requests: number;
}

/** The current state of the queue of tasks. Each answer may reject while JetStream does not answer. */
export interface TaskQueue {
  /** Whether a worker holds the attempt by direct dispatch. */
  isHeld(attemptKey: string): boolean;
  /** Whether the attempt waits in this process for its tenant's turn. */
  waits(attemptKey: string): boolean;
  /** How many tasks of a pool wait with all owners. The numbers of other owners are up to half a second old. */
  waitingIn(pool: string): number;
  /** Stream sequence of a task. Undefined when the queue does not have it. */
  placeOf(subject: string): Promise<number | undefined>;
  /** Undefined when the queue does not exist. */
  consumer(pool: string, priority: Priority): Promise<PoolConsumerState | undefined>;
  seen(pool: string): SeenPool;
}
