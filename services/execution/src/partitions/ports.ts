import type { AgentCopy, EventStore, SnapshotStore } from '@batuta/event-store';
import type {
  JsonValue,
  LifecycleNotice,
  OrchestrationDefinition,
  Priority,
  Refusal,
  Task,
  Violation,
} from '@batuta/contracts';
import type { JsonMessage } from '@batuta/messaging';

/** Time and timers of a process. A simulation gives its own. */
export interface Clock {
  /** Epoch ms, whole. */
  now(): number;
  /** Milliseconds that only go forward, also when the wall clock is set. */
  elapsed(): number;
  /** Calls back once after `ms`; the result cancels it. */
  after(ms: number, callback: () => void): () => void;
  /** Calls back when what is readable now has been read: how inputs that arrived together meet in one commit. */
  soon(callback: () => void): void;
  /** Calls back when what runs now is done, before anything else is read. */
  next(callback: () => void): void;
}

export interface Random {
  /** An unsigned 32-bit number. */
  seed(): number;
}

export type RequestKind = 'command' | 'message' | 'result' | 'check' | 'heartbeat';

/** A request to a partition's owner. `reply` is undefined when the sender wants no answer; call it at most once. */
export interface PartitionRequest {
  readonly kind: RequestKind;
  /** JSON, as it came; from this process itself it may be the value, without texts that a store refuses. */
  readonly payload: Uint8Array | string | JsonMessage;
  readonly reply: ((text: string, problem?: string) => void) | undefined;
  /** Of a start: the subject to be told of the execution's end besides. */
  readonly endSubject?: string | undefined;
}

/** Identity of the tasks' stream: another creation time, or a last sequence that fell, means that messages were lost. */
export interface StreamIdentity {
  readonly created: string;
  readonly lastSequence: number;
  /** Tasks that it holds. */
  readonly messages?: number;
}

/**
 * What became of publishing a task. `stored`: the queue or a runner has it. `retry`: lost, refused or full; send again.
 * `put_aside`: it is not wanted any more, or waits for its tenant's turn in memory only. What waits there and is lost with the
 * process is found by the audit.
 */
export type PublishOutcome = 'stored' | 'put_aside' | 'retry' | 'stream_missing' | 'too_large';

/** Everything that leaves the process but commits. */
export interface Bus {
  /** Starts answering requests of a partition; the result stops it. */
  serve(partition: number, handler: (request: PartitionRequest) => void): () => void;
  /**
   * Starts answering requests with results of any of this owner's partitions. `subject` is where they are to be sent.
   * A bus that has no such address is only asked by partition.
   */
  serveOwner?(handler: (request: PartitionRequest) => void): { readonly subject: string; readonly stop: () => void };
  /** Asks the owner of another partition; undefined when nobody has answered in time. Rejects never. */
  askOwner(partition: number, kind: 'command' | 'message', text: string): Promise<string | undefined>;
  /** Puts a task in the work queue; `done` is called exactly once, later. A repeat of `messageId` is dropped by the queue. */
  publishTask(task: OutgoingTask, done: (outcome: PublishOutcome) => void): void;
  /** Whether anybody wants an execution's events; without it, everybody does. */
  followed?(executionId: string): boolean;
  /** Fire and forget. */
  publishEvents(tenantId: string, executionId: string, text: string): void;
  /** The end of an execution, to whoever asked for it at its start. */
  publishEnd?(subject: string, text: string): void;
  publishStop(text: string): void;
  publishLifecycle(notice: LifecycleNotice): void;
  /** Undefined when the stream is missing. Rejects when JetStream does not answer. */
  streamIdentity(): Promise<StreamIdentity | undefined>;
  /** Makes the streams that are missing. */
  ensureStreams(): Promise<void>;
  /**
   * Whether the work queue still holds a task with this subject, or a runner holds the attempt (execution/step/attempt).
   * Rejects when JetStream does not answer.
   */
  holdsTask(subject: string, attemptKey: string): Promise<boolean>;
  /** An attempt's result has come in. */
  taskReported?(attemptKey: string): void;
  /** An attempt's result was answered: whoever held its task by direct dispatch has room again. */
  taskAnswered?(attemptKey: string): void;
  /** A runner is about to begin with an attempt that may have been begun before. */
  taskBegins?(beginning: Beginning): Runs;
  /** Told of attempts whose tasks were lost with the runners that held them. */
  onTasksLost?(listener: (lost: readonly LostTask[]) => void): void;
  /** Asked now and then whether attempts that were handed out long ago are still wanted; not those of other owners. */
  onTasksDoubted?(isWanted: (attemptKey: string, answer: (wanted: boolean) => void) => void): void;
  /** Told which part of all partitions this owner has. */
  owns?(part: number): void;
  /** Tells everybody who relies on what owners only keep in memory that partitions have another owner now. */
  announceTaken?(partitions: readonly number[]): void;
  /** Tells every owner that partitions were released. */
  announceRelease(): void;
  /** Called when another owner announced a release. */
  onRelease(listener: () => void): () => void;
  onReconnect(listener: () => void): () => void;
  /** For how long nobody can be reached over this bus; undefined while somebody can. */
  cutOffMs?(): number | undefined;
  /** Called when nobody can be reached any more, and when somebody can again. */
  onCutOff?(listener: () => void): () => void;
  /** Why the queue has taken no task for a while; undefined while it takes them. */
  refusal?(): string | undefined;
  /** For how long the queue has answered to no task at all, though some are offered; undefined while it answers. */
  unansweredMs?(): number | undefined;
  /** Makes the tasks' stream anew, without what it held. */
  renewStream?(): Promise<void>;
  /** Pushes what was published to the server; resolves when the server has it. */
  flush(): Promise<void>;
}

/** A runner asks before it begins with an attempt. */
export interface Beginning {
  readonly attemptKey: string;
  /** Of the runner. */
  readonly incarnation: string;
  /** The queue has handed it out before. */
  readonly redelivered: boolean;
  /** Nothing runs beside it. */
  readonly alone: boolean;
}

/** Where else an attempt runs, and ran. */
export interface Runs {
  /** Another runner that is not known to be gone has it. */
  readonly held: boolean;
  /** Runners that ended while they ran it. */
  readonly lostRunners: number;
}

/** An attempt whose task no runner holds any more. */
export interface LostTask {
  readonly executionId: string;
  readonly stepId: string;
  readonly attempt: number;
  /** Runners that ended while they ran it. */
  readonly lostRunners: number;
  /** When only a runner's beats said that it held it: the pools that such a beat is believed for. */
  readonly pools?: readonly string[];
}

/** What proves that whoever reports on an attempt (execution/step/attempt) was given its task. */
export interface TaskTokens {
  of(attemptKey: string): string;
  isOf(attemptKey: string, token: string): boolean;
}

export interface OutgoingTask {
  readonly pool: string;
  /** execution/step/attempt. */
  readonly attemptKey: string;
  /** It may have been sent before: who holds it already need not get it. */
  readonly again: boolean;
  readonly lostRunners: number;
  readonly priority: Priority;
  readonly subject: string;
  readonly messageId: string;
  /** Shared with the engine's state: nobody may change it. */
  readonly task: Task;
  /** Roughly the characters of its JSON text. */
  readonly length: number;
  /** Asked after it has waited: whether its attempt is still outstanding, and this process its owner. */
  isWanted?(): boolean;
}

/** What a config version is, or why there is none. */
export type ConfigCopy =
  | { readonly kind: 'found'; readonly definition: OrchestrationDefinition }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unavailable'; readonly message: string };

/** The newest version of a config, or why there is none. `leaseMs`: from the question on, it is the newest for so long. */
export type NewestConfig =
  | { readonly kind: 'found'; readonly configId: string; readonly version: number; readonly leaseMs: number }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'unavailable'; readonly message: string };

/** The config service, as the engine needs it. Never throws. */
export interface ConfigService {
  /** With `version`: that one, when the tenant may run it. */
  newest(tenantId: string, config: string, version?: number): Promise<NewestConfig>;
  version(configId: string, version: number): Promise<ConfigCopy>;
  /** An agent; undefined when the tenant has no such agent; `unavailable` when nobody answers. */
  agent(
    tenantId: string,
    name: string,
  ): Promise<{ readonly agent: AgentCopy | undefined } | { readonly unavailable: string }>;
}

export interface EvaluationRequest {
  readonly tenantId: string;
  readonly expressions: readonly string[];
  readonly scope: JsonValue;
}

/** unavailable: nobody could evaluate it now, which says nothing about it. */
export type EvaluationOutcome =
  | { readonly values: readonly JsonValue[] }
  | { readonly failure: { readonly code: string; readonly message: string; readonly retryable: boolean } }
  | { readonly unavailable: string };

export interface ValidationRequest {
  readonly tenantId: string;
  /** JSON Schema, draft 2020-12. */
  readonly schema: JsonValue;
  readonly value: JsonValue;
}

/**
 * What a value has against its schema. `total` counts every violation, `violations` holds the first of them.
 * failure: the schema cannot say, and will not be able to. unavailable: nobody could look now.
 */
export type ValidationOutcome =
  | { readonly violations: readonly Violation[]; readonly total: number }
  | { readonly failure: string }
  | { readonly unavailable: string };

/** Runs users' expressions and schemas outside of the engine's thread. Never throws. */
export interface Evaluator {
  evaluate(request: EvaluationRequest): Promise<EvaluationOutcome>;
  validate(request: ValidationRequest): Promise<ValidationOutcome>;
}

export interface EngineLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** All that the engine touches outside of itself. */
export interface EnginePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: EventStore;
  /** Without it every execution is folded from its first event. */
  readonly snapshots?: SnapshotStore;
  readonly bus: Bus;
  readonly configs: ConfigService;
  /** Undefined: tasks have no tokens, and reports need none. */
  readonly tokens?: TaskTokens | undefined;
  /** Told of reports that did not bring back the token of their task. */
  readonly reportRefused?: (executionId: string, stepId: string, attempt: number) => void;
  readonly evaluator: Evaluator;
  readonly log: EngineLog;
}

/** What the beats of the last 30 s say of a pool. */
export interface SeenPool {
  /** Workers that were heard of. */
  readonly workers: number;
  /** Of those that are there now: all slots, and the free ones. */
  readonly slots: number;
  readonly free: number;
  /** Tasks that they got past the queue and have not finished. */
  readonly direct: number;
}

/** A pool's consumer of one priority, as JetStream shows it. */
export interface PoolConsumerState {
  /** Tasks that nobody has taken. */
  readonly waiting: number;
  /** Taken, and not finished. */
  readonly taken: number;
  /** Place in the stream of the newest task that was taken. */
  readonly takenUpTo: number;
  /** Requests of workers for tasks that are open now. */
  readonly requests: number;
}

/** What the queue of tasks looks like now. Each answer may reject while JetStream does not answer. */
export interface TaskQueue {
  /** Whether a worker holds the attempt by direct dispatch. */
  isHeld(attemptKey: string): boolean;
  /** Whether the attempt waits in this process for its tenant's turn. */
  waits(attemptKey: string): boolean;
  /** Tasks of a pool that wait with their owners; the others' number is up to half a second old. */
  waitingIn(pool: string): number;
  /** Place in the stream of a task; undefined when it is not there. */
  placeOf(subject: string): Promise<number | undefined>;
  /** Undefined while there is no queue. */
  consumer(pool: string, priority: Priority): Promise<PoolConsumerState | undefined>;
  seen(pool: string): SeenPool;
}
