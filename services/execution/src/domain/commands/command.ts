import type {
  AttemptResult,
  ChildFacts,
  EndMessage,
  ParentCommand,
  DomainEvent,
  Failure,
  JsonObject,
  JsonValue,
  Principal,
  Refusal,
  RefusalCode,
  ReusedApproval,
  StartExecution as StartRequest,
} from '@batuta/contracts';
import type { State } from '../state/state.js';

interface CommandBase {
  /** Repeats have the same id. Ids of the engine's own commands have a colon as second character. */
  readonly id: string;
  /** Epoch ms. The time of every event that the command causes. */
  readonly at: number;
  /** Unsigned 32-bit number, the only source of randomness for the decision. */
  readonly seed: number;
}

/** Outputs that a fork copies, in the order in which they are recorded. `stepId` may name a consensus group. */
export interface ReusedOutput {
  readonly stepId: string;
  readonly output: JsonValue | undefined;
  /** For an approval: what was approved. */
  readonly approval?: ReusedApproval;
  /** It is kept only when the question is the same again. */
  readonly ifEqual?: boolean;
}

export interface StartExecution extends CommandBase {
  readonly type: 'StartExecution';
  readonly executionId: string;
  readonly principal: Principal;
  readonly start: StartRequest;
  /** With `start.fork`: what `forkFrom` found in the source execution. */
  readonly reused?: readonly ReusedOutput[];
}
export interface CancelExecution extends CommandBase {
  readonly type: 'CancelExecution';
  readonly reason?: string;
  readonly by?: string;
  /** Undo completed steps first. */
  readonly compensate?: boolean;
}
export interface TerminateExecution extends CommandBase {
  readonly type: 'TerminateExecution';
  readonly reason?: string;
  readonly by?: string;
}
export interface PauseExecution extends CommandBase {
  readonly type: 'PauseExecution';
  readonly reason?: string;
  readonly by?: string;
  /** Also stop running attempts. They run again at the resume, and the stopped attempts do not count. */
  readonly now?: boolean;
}
export interface ResumeExecution extends CommandBase {
  readonly type: 'ResumeExecution';
  readonly by?: string;
  readonly reason?: string;
}
export interface SkipStep extends CommandBase {
  readonly type: 'SkipStep';
  readonly stepId: string;
  readonly by?: string;
  readonly reason?: string;
}
/** A human's decision about a waiting step. */
export interface DecideApproval extends CommandBase {
  readonly type: 'DecideApproval';
  readonly stepId: string;
  readonly approved: boolean;
  readonly by?: string;
  readonly comment?: string;
  readonly data?: JsonValue;
}
/** A signal for steps that wait for it. */
export interface SendSignal extends CommandBase {
  readonly type: 'SendSignal';
  readonly name: string;
  readonly payload?: JsonValue;
  readonly by?: string;
}
/** Moves the begin of an execution that has not begun. */
export interface RescheduleExecution extends CommandBase {
  readonly type: 'RescheduleExecution';
  /** Epoch ms; past: at once. */
  readonly startAt: number;
  readonly by?: string;
  readonly reason?: string;
}
export interface RetryExecution extends CommandBase {
  readonly type: 'RetryExecution';
  readonly by?: string;
  readonly reason?: string;
}
/** Undoes completed steps of an ended execution that are not undone yet. */
export interface CompensateExecution extends CommandBase {
  readonly type: 'CompensateExecution';
  readonly by?: string;
  readonly reason?: string;
}
/** Reduces an ended execution to a tombstone. */
export interface DeleteExecution extends CommandBase {
  readonly type: 'DeleteExecution';
  readonly by?: string;
  readonly reason?: string;
  /** Only if the execution still has this version. */
  readonly ifVersion?: number;
  /** The retention policy that requests the deletion. */
  readonly policy?: string;
  /** The archive file that holds its events. */
  readonly archive?: string;
}
/** Makes a deleted execution readable again, whose events were put back from the archive before. */
export interface RestoreExecution extends CommandBase {
  readonly type: 'RestoreExecution';
  readonly by?: string;
  readonly reason?: string;
}
/** Outcome of one attempt, as its runner reports it. */
export interface RecordResult extends CommandBase {
  readonly type: 'RecordResult';
  readonly result: AttemptResult;
}
/** A sign of life of a running attempt. */
export interface RecordHeartbeat extends CommandBase {
  readonly type: 'RecordHeartbeat';
  readonly stepId: string;
  readonly attempt: number;
  readonly progress?: number;
  readonly message?: string;
  /** Whether its attempt has ended. */
  readonly last?: boolean;
}
/** The sandbox's answer to an `evaluate` effect: values (undefined as null), or why there are none. */
export interface RecordEvaluation extends CommandBase {
  readonly type: 'RecordEvaluation';
  readonly key: string;
  readonly values?: readonly JsonValue[];
  readonly failure?: Failure;
}
/** An effect can never succeed (for example a task that no stream accepts), so the attempt fails with this reason. */
export interface FailAttempt extends CommandBase {
  readonly type: 'FailAttempt';
  readonly stepId: string;
  readonly attempt: number;
  readonly failure: Failure;
}
/** The agent of an attempt is made of a model: an execution of its config makes the attempt. */
export interface DelegateAttempt extends CommandBase {
  readonly type: 'DelegateAttempt';
  readonly stepId: string;
  readonly attempt: number;
  readonly configId: string;
  /** Revision of the agent. */
  readonly version: number;
}
/** The outcome of starting a child. `gone`: the child of an earlier run cannot continue. */
export type RecordChildAnswer = CommandBase & {
  readonly type: 'RecordChildAnswer';
  readonly childId: string;
} & (
    | { readonly outcome: 'started'; readonly facts: ChildFacts }
    | { readonly outcome: 'refused'; readonly refusal: Pick<Refusal, 'code' | 'message'> }
    | { readonly outcome: 'gone' }
  );
/** The end of a child, or of an execution that this one waits for. */
export interface RecordChildEnd extends CommandBase {
  readonly type: 'RecordChildEnd';
  readonly childId: string;
  readonly end: EndMessage;
}
/** Another execution waits for the end of this one. */
export interface AddWaiter extends CommandBase {
  readonly type: 'AddWaiter';
  readonly waiterId: string;
  readonly tenantId: string;
}
/** An execution that this one waits for exists, or has ended. */
export interface RecordDependencyAnswer extends CommandBase {
  readonly type: 'RecordDependencyAnswer';
  readonly dependencyId: string;
  /** Version of the event that asked. */
  readonly order: number;
  readonly ended?: EndMessage;
}
/** The answer of a limiter, or what it says about the place that was asked for. */
export interface RecordPlace extends CommandBase {
  readonly type: 'RecordPlace';
  readonly limiterId: string;
  /** Version of the event that asked. */
  readonly order: number;
  readonly what: 'granted' | 'queued' | 'evicted' | 'refused';
  /** With queued. */
  readonly position?: number;
  readonly held?: number;
  readonly limit?: number;
  /** With evicted: the execution that takes the place. */
  readonly by?: string;
  /** With refused: so many wait that no more can. */
  readonly full?: boolean;
}
/** A command of the execution that has this one as a step. */
export interface ObeyParent extends CommandBase, ParentCommand {
  readonly type: 'ObeyParent';
  readonly from: string;
}
/** Time has passed: everything that is due by `at` happens. */
interface Wake extends CommandBase {
  readonly type: 'Wake';
}

export type Command =
  | StartExecution
  | CancelExecution
  | TerminateExecution
  | PauseExecution
  | ResumeExecution
  | SkipStep
  | DecideApproval
  | SendSignal
  | RecordChildAnswer
  | RecordChildEnd
  | ObeyParent
  | AddWaiter
  | RecordDependencyAnswer
  | RecordPlace
  | RescheduleExecution
  | RetryExecution
  | CompensateExecution
  | DeleteExecution
  | RestoreExecution
  | RecordResult
  | RecordHeartbeat
  | RecordEvaluation
  | FailAttempt
  | DelegateAttempt
  | Wake;

/**
 * The outcome of an accepted command. `recorded`: its result is in the log, now or from before. `stale`: there is
 * nothing to record, because the state has changed. `repeated`: this command id was accepted before. `unknown`: no such
 * execution or step. `later`: the sender must send it again in a moment.
 */
export type Outcome = 'done' | 'repeated' | 'recorded' | 'stale' | 'unknown' | 'later';

export interface Rejection {
  readonly code: RefusalCode;
  readonly message: string;
  readonly details?: JsonObject;
}

export type Decision =
  | {
      /** Events to append in order. When empty, there is nothing to do, and `outcome` says why. */
      readonly accepted: readonly DomainEvent[];
      readonly outcome: Outcome;
      /** The state after those events, the same as applying them one by one. */
      readonly next: State;
    }
  | { readonly rejected: Rejection };

/** Command ids of the engine's own inputs. They are not kept with the ids of outside commands. */
export const commandIds = {
  result: (stepId: string, attempt: number): string => `r:${stepId}:${attempt}`,
  heartbeat: (stepId: string, attempt: number): string => `h:${stepId}:${attempt}`,
  evaluation: (key: string): string => `e:${key}`,
  delegated: (stepId: string, attempt: number): string => `g:${stepId}:${attempt}`,
  failedEffect: (stepId: string, attempt: number): string => `f:${stepId}:${attempt}`,
  startAnswered: (executionId: string): string => `a:${executionId}`,
  ended: (executionId: string): string => `d:${executionId}`,
  waits: (executionId: string): string => `q:${executionId}`,
  dependencyAnswered: (executionId: string, order: number): string => `n:${executionId}:${order}`,
  place: (id: string, order: number): string => `l:${id}:${order}`,
  placeReleased: (id: string, order: number): string => `u:${id}:${order}`,
  parent: (order: number): string => `p:${order}`,
  wake: 'w:',
} as const;

/** Ids of commands with an idempotency key: the key and its target, a colon, and the hash of the request. */
const KEYED_COMMAND = /^[0-9a-f-]{36}:(?=[0-9a-f]{32}$)/;

/** The common prefix of commands with one idempotency key and target. Undefined for a command without a key. */
export function keyOfCommand(commandId: string): string | undefined {
  return KEYED_COMMAND.exec(commandId)?.[0];
}

/** The refusal of a different request with a used key. */
export const OTHER_UNDER_KEY: Rejection = {
  code: 'idempotency_mismatch',
  message: 'the idempotency key was used before with another request',
};
