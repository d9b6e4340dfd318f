import type { DescMessage } from '@bufbuild/protobuf';
import {
  ApprovalDecidedSchema,
  ApprovalRequestedSchema,
  BudgetExceededSchema,
  ChildEndedSchema,
  ChildRequestedSchema,
  ChildStartedSchema,
  ChoiceMadeSchema,
  ExecutionCancelledSchema,
  ExecutionCompletedSchema,
  ExecutionDeletedSchema,
  ExecutionRestoredSchema,
  ExecutionFailedSchema,
  ExecutionStartedSchema,
  StepAttemptFailedSchema,
  ModelAnsweredSchema,
  IterationCompletedSchema,
  IterationPlannedSchema,
  ToolCalledSchema,
  StepCompletedSchema,
  StepFailedSchema,
  StepScheduledSchema,
  StepSkippedSchema,
  CompensationStartedSchema,
  ConsensusFailedSchema,
  ConsensusReachedSchema,
  EvaluationRecordedSchema,
  EvaluationRequestedSchema,
  ExecutionPausedSchema,
  ExecutionResumedSchema,
  ExecutionReopenedSchema,
  ExecutionRetriedSchema,
  StepProgressedSchema,
  StepReusedSchema,
  ParentCommandedSchema,
  DependenciesCheckedSchema,
  ExecutionRescheduledSchema,
  DependencyEndedSchema,
  DependencyFoundSchema,
  WaiterAddedSchema,
  SignalAwaitedSchema,
  SignalReceivedSchema,
  WaitStartedSchema,
} from './generated/batuta/execution/v1/events_pb.js';
import type {
  ApprovalDecidedJson,
  ApprovalRequestedJson,
  BudgetExceededJson,
  ChildEndedJson,
  ChildRequestedJson,
  ChildStartedJson,
  ChoiceMadeJson,
  EventJson,
  EventsPublishedJson,
  FollowExecutionsJson,
  ExecutionCancelledJson,
  ExecutionCompletedJson,
  ExecutionDeletedJson,
  ExecutionRestoredJson,
  ExecutionFailedJson,
  ExecutionStartedJson,
  StepAttemptFailedJson,
  ModelAnsweredJson,
  ModelToolCallJson,
  IterationCompletedJson,
  IterationPlannedJson,
  ToolCalledJson,
  StepCompletedJson,
  StepFailedJson,
  StepScheduledJson,
  StepSkippedJson,
  CompensationStartedJson,
  ConsensusFailedJson,
  ConsensusReachedJson,
  EvaluationRecordedJson,
  EvaluationRequestedJson,
  ExecutionPausedJson,
  ExecutionResumedJson,
  ExecutionReopenedJson,
  ExecutionRetriedJson,
  StepProgressedJson,
  StepReusedJson,
  ParentCommandedJson,
  DependenciesCheckedJson,
  ExecutionRescheduledJson,
  DependencyEndedJson,
  DependencyFoundJson,
  WaiterAddedJson,
  SignalAwaitedJson,
  SignalReceivedJson,
  WaitStartedJson,
  ReusedApprovalJson,
  CompensationOutcomeJson,
  OmittedJson,
  VoteJson,
} from './generated/batuta/execution/v1/events_pb.js';
import type { Budget, Dependency, Failure, ParentLink } from './common.js';
import type { ConsensusMode, FailurePolicy } from './config.js';
import type { Priority } from './subjects.js';
import type { Override, Wire } from './wire.js';

export type ExecutionStarted = Override<
  Wire<
    ExecutionStartedJson,
    | 'input'
    | 'sessionId'
    | 'callbackUrl'
    | 'metadata'
    | 'priority'
    | 'traceparent'
    | 'requestHash'
    | 'startAt'
    | 'forkedFrom'
    | 'forkedFromStepId'
    | 'createdBy'
    | 'budget'
    | 'endTo'
    | 'parent'
    | 'after'
    | 'waiters'
  >,
  { priority?: Priority; budget?: Budget; parent?: ParentLink; after?: Dependency[] }
>;
export type StepScheduled = Override<Wire<StepScheduledJson, 'startDeadlineAt' | 'reserved'>, { reserved?: Budget }>;
export type ModelToolCall = Wire<ModelToolCallJson, 'input' | 'problem'>;
export type ModelAnswered = Override<
  Wire<
    ModelAnsweredJson,
    | 'toolCalls'
    | 'feedback'
    | 'model'
    | 'price'
    | 'tokenCount'
    | 'estimatedCost'
    | 'agentVersion'
    | 'inputTokens'
    | 'outputTokens'
  >,
  { toolCalls?: ModelToolCall[]; next: 'tools' | 'model' | 'end' }
>;
export type ToolCalled = Wire<ToolCalledJson>;
export type IterationCompleted = Wire<
  IterationCompletedJson,
  'output' | 'tokenCount' | 'estimatedCost' | 'agentVersion' | 'inputTokens' | 'outputTokens'
>;
export type IterationPlanned = Wire<IterationPlannedJson>;
export type StepCompleted = Wire<
  StepCompletedJson,
  'output' | 'tokenCount' | 'estimatedCost' | 'agentVersion' | 'inputTokens' | 'outputTokens'
>;
export type StepAttemptFailed = Override<
  Wire<StepAttemptFailedJson, 'retryAt' | 'byEngine' | 'tokenCount' | 'estimatedCost' | 'inputTokens' | 'outputTokens'>,
  { failure: Failure }
>;
export type StepFailed = Override<
  Wire<StepFailedJson, 'fallbackStepId'>,
  { failure: Failure; handling: FailurePolicy }
>;
export type StepSkipped = Wire<StepSkippedJson, 'by' | 'comment'>;
export type ExecutionCompleted = Wire<ExecutionCompletedJson, 'output'>;
export type CompensationOutcome = Override<
  Wire<CompensationOutcomeJson, 'failedStepId' | 'failure'>,
  { failure?: Failure }
>;
export type ExecutionFailed = Override<
  Wire<ExecutionFailedJson, 'stepId' | 'compensation'>,
  { failure: Failure; compensation?: CompensationOutcome }
>;
export type ExecutionCancelled = Override<
  Wire<ExecutionCancelledJson, 'reason' | 'by' | 'compensation' | 'terminated'>,
  { compensation?: CompensationOutcome }
>;
export type ReusedApproval = Wire<ReusedApprovalJson, 'input' | 'approvers' | 'by' | 'comment' | 'data' | 'timedOut'>;
export type StepReused = Override<
  Wire<StepReusedJson, 'output' | 'approval' | 'ifEqual'>,
  { approval?: ReusedApproval }
>;
export type StepProgressed = Wire<StepProgressedJson, 'progress' | 'message'>;
export type ApprovalRequested = Wire<ApprovalRequestedJson, 'input' | 'deadlineAt' | 'approvers' | 'decideAs'>;
export type ApprovalDecided = Wire<ApprovalDecidedJson, 'by' | 'comment' | 'data' | 'timedOut'>;
export type WaitStarted = Wire<WaitStartedJson>;
export type SignalAwaited = Wire<SignalAwaitedJson, 'deadlineAt' | 'taken'>;
export type SignalReceived = Wire<SignalReceivedJson, 'payload' | 'by' | 'stepId'>;
export type ChoiceMade = Wire<ChoiceMadeJson>;
export type ChildRequested = Override<
  Wire<ChildRequestedJson, 'configVersion' | 'resumed' | 'budget' | 'attempt' | 'configId'>,
  { budget?: Budget }
>;
export type ChildStarted = Wire<ChildStartedJson>;
export type ChildEnded = Override<
  Wire<ChildEndedJson, 'tokenCount' | 'estimatedCost'>,
  { status: 'completed' | 'failed' | 'cancelled' | 'deleted' | 'refused' }
>;
export type ParentCommanded = Override<
  Wire<ParentCommandedJson, 'refused'>,
  { command: 'pause' | 'resume' | 'cancel' | 'terminate' | 'retry' }
>;
export type WaiterAdded = Wire<WaiterAddedJson>;
export type DependencyFound = Wire<DependencyFoundJson>;
export type DependencyEnded = Override<
  Wire<DependencyEndedJson, 'deadlineAt'>,
  { status: 'completed' | 'failed' | 'cancelled' }
>;
export type ExecutionRescheduled = Wire<ExecutionRescheduledJson, 'by' | 'reason'>;
export type DependenciesChecked = Wire<DependenciesCheckedJson>;
export type EvaluationRequested = Wire<EvaluationRequestedJson>;
export type EvaluationRecorded = Override<Wire<EvaluationRecordedJson, 'values' | 'failure'>, { failure?: Failure }>;
export type Vote = Wire<VoteJson, 'weight' | 'score' | 'excluded'>;
export type ConsensusReached = Override<
  Wire<ConsensusReachedJson, 'share'>,
  { mode: ConsensusMode; votes: Vote[]; decidedBy: 'threshold' | 'score' | 'judge' | 'first' }
>;
export type ConsensusFailed = Override<
  Wire<ConsensusFailedJson, 'fallbackStepId'>,
  { mode: ConsensusMode; votes: Vote[]; failure: Failure; handling: FailurePolicy }
>;
export type ExecutionPaused = Wire<ExecutionPausedJson, 'reason' | 'by' | 'now'>;
export type ExecutionResumed = Wire<ExecutionResumedJson, 'by' | 'reason'>;
export type CompensationStarted = Override<
  Wire<CompensationStartedJson, 'failure' | 'stepId' | 'reason' | 'by'>,
  { cause: 'failure' | 'cancel'; failure?: Failure }
>;
export type BudgetExceeded = Override<Wire<BudgetExceededJson>, { resource: 'tokens' | 'cost' }>;
export type ExecutionRetried = Wire<ExecutionRetriedJson, 'by' | 'reason' | 'askAgain'>;
export type ExecutionDeleted = Override<
  Wire<ExecutionDeletedJson, 'requestHash' | 'by' | 'reason' | 'policy' | 'parent' | 'archive'>,
  { parent?: ParentLink; status: 'completed' | 'failed' | 'cancelled' }
>;
export type ExecutionRestored = Wire<ExecutionRestoredJson, 'by' | 'reason'>;
export type ExecutionReopened = Override<Wire<ExecutionReopenedJson, 'by' | 'reason'>, { cause: 'failure' | 'cancel' }>;

/** The data of each event type. The type is the name of the proto message. */
export interface EventData {
  ExecutionStarted: ExecutionStarted;
  StepScheduled: StepScheduled;
  ModelAnswered: ModelAnswered;
  ToolCalled: ToolCalled;
  IterationCompleted: IterationCompleted;
  IterationPlanned: IterationPlanned;
  StepCompleted: StepCompleted;
  StepAttemptFailed: StepAttemptFailed;
  StepFailed: StepFailed;
  StepSkipped: StepSkipped;
  ApprovalRequested: ApprovalRequested;
  ApprovalDecided: ApprovalDecided;
  WaitStarted: WaitStarted;
  SignalAwaited: SignalAwaited;
  SignalReceived: SignalReceived;
  ChoiceMade: ChoiceMade;
  ChildRequested: ChildRequested;
  ChildStarted: ChildStarted;
  ChildEnded: ChildEnded;
  ParentCommanded: ParentCommanded;
  WaiterAdded: WaiterAdded;
  DependencyFound: DependencyFound;
  DependencyEnded: DependencyEnded;
  DependenciesChecked: DependenciesChecked;
  ExecutionRescheduled: ExecutionRescheduled;
  BudgetExceeded: BudgetExceeded;
  CompensationStarted: CompensationStarted;
  ConsensusFailed: ConsensusFailed;
  ConsensusReached: ConsensusReached;
  EvaluationRecorded: EvaluationRecorded;
  EvaluationRequested: EvaluationRequested;
  ExecutionPaused: ExecutionPaused;
  ExecutionResumed: ExecutionResumed;
  ExecutionRetried: ExecutionRetried;
  ExecutionReopened: ExecutionReopened;
  ExecutionDeleted: ExecutionDeleted;
  ExecutionRestored: ExecutionRestored;
  StepProgressed: StepProgressed;
  StepReused: StepReused;
  ExecutionCompleted: ExecutionCompleted;
  ExecutionFailed: ExecutionFailed;
  ExecutionCancelled: ExecutionCancelled;
}
export type EventType = keyof EventData;

/** The result of the decider: an event without its place in the log. */
export type DomainEvent = {
  [T in EventType]: { readonly type: T; readonly data: Readonly<EventData[T]> };
}[EventType];

/** A payload that was left out because of its size. */
export type Omitted = Wire<OmittedJson, 'href'>;
type Envelope = Override<Omit<Wire<EventJson, 'dataOmitted'>, 'type' | 'data'>, { dataOmitted?: Omitted }>;
/** One event with its place in the log. `at` is epoch milliseconds. */
export type Event = {
  [T in EventType]: Readonly<Envelope> & {
    readonly type: T;
    readonly data: Readonly<EventData[T]>;
  };
}[EventType];

export type EventsPublished = Override<
  Wire<EventsPublishedJson, 'withoutPayload' | 'plainResult'>,
  { events: Event[] }
>;

export type FollowExecutions = Wire<FollowExecutionsJson>;

/** Descriptor of each event type's data. */
export const EVENT_SCHEMAS: { readonly [T in EventType]: DescMessage } = {
  ExecutionStarted: ExecutionStartedSchema,
  StepScheduled: StepScheduledSchema,
  ModelAnswered: ModelAnsweredSchema,
  ToolCalled: ToolCalledSchema,
  IterationCompleted: IterationCompletedSchema,
  IterationPlanned: IterationPlannedSchema,
  StepCompleted: StepCompletedSchema,
  StepAttemptFailed: StepAttemptFailedSchema,
  StepFailed: StepFailedSchema,
  StepSkipped: StepSkippedSchema,
  ApprovalRequested: ApprovalRequestedSchema,
  ApprovalDecided: ApprovalDecidedSchema,
  WaitStarted: WaitStartedSchema,
  SignalAwaited: SignalAwaitedSchema,
  SignalReceived: SignalReceivedSchema,
  ChoiceMade: ChoiceMadeSchema,
  ChildRequested: ChildRequestedSchema,
  ChildStarted: ChildStartedSchema,
  ChildEnded: ChildEndedSchema,
  ParentCommanded: ParentCommandedSchema,
  WaiterAdded: WaiterAddedSchema,
  DependencyFound: DependencyFoundSchema,
  DependencyEnded: DependencyEndedSchema,
  DependenciesChecked: DependenciesCheckedSchema,
  ExecutionRescheduled: ExecutionRescheduledSchema,
  BudgetExceeded: BudgetExceededSchema,
  CompensationStarted: CompensationStartedSchema,
  ConsensusFailed: ConsensusFailedSchema,
  ConsensusReached: ConsensusReachedSchema,
  EvaluationRecorded: EvaluationRecordedSchema,
  EvaluationRequested: EvaluationRequestedSchema,
  ExecutionPaused: ExecutionPausedSchema,
  ExecutionResumed: ExecutionResumedSchema,
  ExecutionRetried: ExecutionRetriedSchema,
  ExecutionReopened: ExecutionReopenedSchema,
  ExecutionDeleted: ExecutionDeletedSchema,
  ExecutionRestored: ExecutionRestoredSchema,
  StepProgressed: StepProgressedSchema,
  StepReused: StepReusedSchema,
  ExecutionCompleted: ExecutionCompletedSchema,
  ExecutionFailed: ExecutionFailedSchema,
  ExecutionCancelled: ExecutionCancelledSchema,
};

export const TERMINAL_EVENT_TYPES = ['ExecutionCompleted', 'ExecutionFailed', 'ExecutionCancelled'] as const;
export type TerminalEventType = (typeof TERMINAL_EVENT_TYPES)[number];

/** Whether an event of this type ends its execution. */
export function isTerminalEventType(type: string): type is TerminalEventType {
  return (TERMINAL_EVENT_TYPES as readonly string[]).includes(type);
}
