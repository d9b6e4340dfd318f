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
  /** Repeats carry the same id. Ids of the engine's own commands have a colon as second character. */
  readonly id: string;
  /** Epoch ms; the time of every event the command causes. */
  readonly at: number;
  /** Unsigned 32-bit number: all the randomness the decision has. */
  readonly seed: number;
}

/** Outputs that a fork takes over, in the order in which they are recorded. `stepId` may name a consensus group. */
export interface ReusedOutput {
  readonly stepId: string;
  readonly output: JsonValue | undefined;
  /** Of an approval: what was approved. */
  readonly approval?: ReusedApproval;
  /** It is taken over only when the same is asked again. */
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
  /** Also stop running attempts; they run again at the resume without spending one. */
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
/** A human's decision about a step that waits for one. */
export interface DecideApproval extends CommandBase {
  readonly type: 'DecideApproval';
  readonly stepId: string;
  readonly approved: boolean;
  readonly by?: string;
  readonly comment?: string;
  readonly data?: JsonValue;
}
/** Something that steps wait for has happened. */
export interface SendSignal extends CommandBase {
  readonly type: 'SendSignal';
  readonly name: string;
  readonly payload?: JsonValue;
  readonly by?: string;
}
export interface RetryExecution extends CommandBase {
  readonly type: 'RetryExecution';
  readonly by?: string;
  readonly reason?: string;
}
/** Undoes what an ended execution has not undone. */
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
  /** Only while the execution has this version. */
  readonly ifVersion?: number;
  /** The retention policy that asks for it. */
  readonly policy?: string;
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
  /** Its attempt has ended. */
  readonly last?: boolean;
}
/** What the sandbox answered to an `evaluate` effect: values (undefined as null), or why not. */
export interface RecordEvaluation extends CommandBase {
  readonly type: 'RecordEvaluation';
  readonly key: string;
  readonly values?: readonly JsonValue[];
  readonly failure?: Failure;
}
/** An effect can never succeed (a task that no stream takes, for example): the attempt fails with this reason. */
export interface FailAttempt extends CommandBase {
  readonly type: 'FailAttempt';
  readonly stepId: string;
  readonly attempt: number;
  readonly failure: Failure;
}
/** What became of the start of a child; `gone`: the one of an earlier run cannot be taken up again. */
export type RecordChildAnswer = CommandBase & {
  readonly type: 'RecordChildAnswer';
  readonly childId: string;
} & (
    | { readonly outcome: 'started'; readonly facts: ChildFacts }
    | { readonly outcome: 'refused'; readonly refusal: Pick<Refusal, 'code' | 'message'> }
    | { readonly outcome: 'gone' }
  );
/** A child tells its end, or an execution that is waited for. */
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
/** An execution that this one waits for is there, or has ended. */
export interface RecordDependencyAnswer extends CommandBase {
  readonly type: 'RecordDependencyAnswer';
  readonly dependencyId: string;
  /** Version of the event that asked. */
  readonly order: number;
  readonly ended?: EndMessage;
}
/** The execution that has this one as a step wants something of it. */
export interface ObeyParent extends CommandBase, ParentCommand {
  readonly type: 'ObeyParent';
  readonly from: string;
}
/** Time has passed: whatever is due by `at` happens. */
export interface Wake extends CommandBase {
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
  | RetryExecution
  | CompensateExecution
  | DeleteExecution
  | RecordResult
  | RecordHeartbeat
  | RecordEvaluation
  | FailAttempt
  | Wake;

/**
 * What became of an accepted command. `recorded`: its result is in the log, now or before. `stale`: nothing to record, the
 * world has moved on. `repeated`: this command id was accepted before. `unknown`: no such execution or step. `later`: what tells it
 * is to tell it again in a moment.
 */
export type Outcome = 'done' | 'repeated' | 'recorded' | 'stale' | 'unknown' | 'later';

export interface Rejection {
  readonly code: RefusalCode;
  readonly message: string;
  readonly details?: JsonObject;
}

export type Decision =
  | {
      /** Events to append in order; empty when there is nothing to do, `outcome` then says why. */
      readonly accepted: readonly DomainEvent[];
      readonly outcome: Outcome;
      /** The state after those events, as folding them one by one gives it. */
      readonly next: State;
    }
  | { readonly rejected: Rejection };

/** Command ids of the engine's own inputs; kept out of the memory of outside commands. */
export const commandIds = {
  result: (stepId: string, attempt: number): string => `r:${stepId}:${attempt}`,
  heartbeat: (stepId: string, attempt: number): string => `h:${stepId}:${attempt}`,
  evaluation: (key: string): string => `e:${key}`,
  failedEffect: (stepId: string, attempt: number): string => `f:${stepId}:${attempt}`,
  startAnswered: (executionId: string): string => `a:${executionId}`,
  ended: (executionId: string): string => `d:${executionId}`,
  waits: (executionId: string): string => `q:${executionId}`,
  dependencyAnswered: (executionId: string, order: number): string => `n:${executionId}:${order}`,
  parent: (order: number): string => `p:${order}`,
  wake: 'w:',
} as const;

/** Whether a command came from outside, so that its id must be remembered. */
export function isOutsideCommand(commandId: string): boolean {
  return commandId.length > 0 && commandId.charCodeAt(1) !== 58;
}

/** Ids of commands under an idempotency key: the key with what it was sent to, a colon, and the hash of what was asked for. */
const KEYED_COMMAND = /^[0-9a-f-]{36}:(?=[0-9a-f]{32}$)/;

/** What commands under one idempotency key, sent to the same thing, begin with; undefined for a command without a key. */
export function keyOfCommand(commandId: string): string | undefined {
  return KEYED_COMMAND.exec(commandId)?.[0];
}

/** The refusal of another request under a key that was used. */
export const OTHER_UNDER_KEY: Rejection = {
  code: 'idempotency_mismatch',
  message: 'the idempotency key was used before with another request',
};
