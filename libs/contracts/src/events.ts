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
  MapChunkEndedSchema,
  MapStartedSchema,
  ModelAnsweredSchema,
  IterationCompletedSchema,
  IterationPlannedSchema,
  ToolCalledSchema,
  RouteAskedSchema,
  RouteDecidedSchema,
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
  PlaceAwaitedSchema,
  PlaceRequestedSchema,
  PlaceTakenSchema,
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
  FailedItemJson,
  MapChunkEndedJson,
  MapStartedJson,
  ToolCalledJson,
  RouteAskedJson,
  RouteDecidedJson,
  RouteScoreJson,
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
  PlaceAwaitedJson,
  PlaceRequestedJson,
  PlaceTakenJson,
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
import { ON_LIMIT } from './codes.js';
import type { OnLimit } from './codes.js';
import type { Budget, Dependency, Failure, JsonValue, ParentLink } from './common.js';
import type { ConsensusMode, FailurePolicy } from './config.js';
import type { Priority } from './subjects.js';
import { ROUTE_ASKED_BY, ROUTE_DECIDED_BY } from './codes.js';
import type { RouteAskedBy, RouteDecidedBy } from './codes.js';
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
export type RouteAsked = Override<Wire<RouteAskedJson>, { by: RouteAskedBy }>;
export type RouteScore = Wire<RouteScoreJson>;
export type RouteDecided = Override<
  Wire<RouteDecidedJson, 'scores' | 'model' | 'tokens'>,
  { by: RouteDecidedBy; scores?: RouteScore[] }
>;
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
  Wire<ChildRequestedJson, 'configVersion' | 'resumed' | 'budget' | 'attempt' | 'configId' | 'chunk'>,
  { budget?: Budget }
>;
export type ChildStarted = Wire<ChildStartedJson>;
export type ChildEnded = Override<
  Wire<ChildEndedJson, 'tokenCount' | 'estimatedCost'>,
  { status: 'completed' | 'failed' | 'cancelled' | 'deleted' | 'refused' }
>;
export type FailedItem = Wire<FailedItemJson>;
export type MapStarted = Wire<MapStartedJson, 'resumed'>;
export type MapChunkEnded = Override<
  Wire<MapChunkEndedJson, 'results' | 'stopped'>,
  { failedItems: FailedItem[]; results?: JsonValue[] }
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
export type PlaceRequested = Override<Wire<PlaceRequestedJson>, { onLimit: OnLimit }>;
export type PlaceAwaited = Wire<PlaceAwaitedJson>;
export type PlaceTaken = Wire<PlaceTakenJson>;
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
  RouteAsked: RouteAsked;
  RouteDecided: RouteDecided;
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
  MapStarted: MapStarted;
  MapChunkEnded: MapChunkEnded;
  ParentCommanded: ParentCommanded;
  WaiterAdded: WaiterAdded;
  DependencyFound: DependencyFound;
  DependencyEnded: DependencyEnded;
  PlaceRequested: PlaceRequested;
  PlaceAwaited: PlaceAwaited;
  PlaceTaken: PlaceTaken;
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
  RouteAsked: RouteAskedSchema,
  RouteDecided: RouteDecidedSchema,
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
  MapStarted: MapStartedSchema,
  MapChunkEnded: MapChunkEndedSchema,
  ParentCommanded: ParentCommandedSchema,
  WaiterAdded: WaiterAddedSchema,
  DependencyFound: DependencyFoundSchema,
  DependencyEnded: DependencyEndedSchema,
  PlaceRequested: PlaceRequestedSchema,
  PlaceAwaited: PlaceAwaitedSchema,
  PlaceTaken: PlaceTakenSchema,
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
type TerminalEventType = (typeof TERMINAL_EVENT_TYPES)[number];

/** Whether an event of this type ends its execution. */
export function isTerminalEventType(type: string): type is TerminalEventType {
  return (TERMINAL_EVENT_TYPES as readonly string[]).includes(type);
}

/** What the API's documentation says about an event's fields. */
interface EventFields {
  /** The fields that are always present. */
  readonly always: readonly string[];
  /** Descriptions of fields that have another meaning here, or that no other event has. */
  readonly says?: Readonly<Record<string, string>>;
  /** The values that a field may have. */
  readonly words?: Readonly<Record<string, readonly string[]>>;
}

/** The documentation of each event's fields, by their names in the API. */
export const EVENT_FIELDS: { readonly [T in EventType]: EventFields } = {
  ExecutionStarted: {
    always: ['tenant_id', 'trace_id', 'config_id', 'config_name', 'config_version', 'user_id', 'deadline_at'],
    says: {
      end_to: 'The schedule that is informed of the end. Absent when there is none.',
      after: 'Executions that must end before it begins. They must end before `deadline_at`.',
      waiters: 'Executions that wait for this one.',
      traceparent: 'The W3C trace context of the caller.',
      budget: 'The budget of this start, in addition to that of the config.',
      deadline_at: 'When its time limit ends.',
    },
  },
  StepScheduled: {
    always: ['step_id', 'attempt'],
    says: {
      reserved: 'For a call of a model: the part of the budget that it may spend.',
      start_deadline_at: 'The agent must start before this time; null without `schedule_to_start_ms`.',
    },
  },
  ModelAnswered: {
    always: ['step_id', 'attempt', 'turn', 'text', 'next', 'finish_reason', 'started_at', 'finished_at'],
    words: { next: ['tools', 'model', 'end'] },
    says: {
      tool_calls: 'The calls that the model requests.',
      next: 'What happens next: `tools` are called, the `model` is asked again, or the step is at its `end`.',
      feedback: 'Further information for the model.',
      finish_reason: 'Why the model stopped, as the provider reports it.',
      text: 'Its words.',
      model: 'Name, provider, id and revision of the model that answered.',
      price: 'The price that the cost was computed with; absent when none is known.',
    },
  },
  ToolCalled: {
    always: ['step_id', 'caller_id', 'turn', 'index', 'call_id'],
    says: {
      caller_id: 'The step whose model asked for it.',
      call_id: 'The call, as the model names it.',
      step_id: 'The unit that makes the call, `<step>:<tool>:<number>`. Its attempts have this id.',
      index: 'Index among the calls of the turn, from 0.',
    },
  },
  RouteAsked: {
    always: ['step_id', 'asked_id', 'by'],
    words: { by: ROUTE_ASKED_BY },
    says: { asked_id: 'The unit that asks. Its attempts have this id.', by: 'Who is asked.' },
  },
  RouteDecided: {
    always: ['step_id', 'chosen', 'chosen_id', 'by', 'confidence', 'reason'],
    words: { by: ROUTE_DECIDED_BY },
    says: {
      chosen: 'Name of the candidate.',
      chosen_id: 'The unit where it runs, `<step>:<candidate>:1`. Its attempts have this id.',
      by: 'What the decision follows from; `fallback` when nothing decided.',
      confidence: 'From 0 to 1.',
      scores: 'The scores that are known, best first.',
      reason: 'Why, in words.',
      model: 'Name, provider, id and revision of the model that was asked; absent when none was.',
      tokens: 'Tokens that the decision took.',
    },
  },
  IterationCompleted: {
    always: ['step_id', 'iteration', 'attempt', 'started_at', 'finished_at'],
    says: { iteration: 'Its number, from 1.' },
  },
  IterationPlanned: {
    always: ['step_id', 'iteration', 'start_at'],
    says: { iteration: 'The one that follows.', start_at: 'It begins no earlier.' },
  },
  StepCompleted: { always: ['step_id', 'attempt', 'started_at', 'finished_at'] },
  StepAttemptFailed: {
    always: ['step_id', 'attempt', 'failure', 'started_at', 'finished_at'],
    says: { by_engine: 'Whether the engine ended the attempt, because of a deadline for example.' },
  },
  StepFailed: { always: ['step_id', 'failure', 'handling'] },
  StepSkipped: { always: ['step_id', 'reason'] },
  ApprovalRequested: {
    always: ['step_id', 'message'],
    says: {
      message: 'The question to the approver.',
      decide_as: 'Of a call of a tool: the step id of a decision about it.',
    },
  },
  ApprovalDecided: { always: ['step_id', 'approved'], says: { approved: 'Whether it was approved.' } },
  WaitStarted: { always: ['step_id', 'until_at'] },
  SignalAwaited: {
    always: ['step_id', 'name'],
    says: { taken: 'Version of the event of the signal that had arrived before.', name: 'The name of the signal.' },
  },
  SignalReceived: { always: ['name'], says: { name: 'The name of the signal.' } },
  ChoiceMade: {
    always: ['step_id', 'branches', 'steps'],
    says: {
      branches: 'Indexes of the chosen branches, from 0; empty when the default is chosen.',
      steps: 'The steps that run.',
    },
  },
  MapStarted: {
    always: ['step_id', 'total', 'starts', 'tolerated', 'items_key', 'number'],
    says: {
      total: 'Items of the list.',
      starts: 'The first item of each chunk.',
      tolerated: 'How many items may fail.',
      items_key: 'Hash of the list: a retry with the same list keeps the results that there are.',
      number: '1 for the first list of the step.',
      resumed: 'Whether results of an earlier run are kept.',
    },
  },
  MapChunkEnded: {
    always: ['step_id', 'chunk', 'lane_id', 'completed', 'failed', 'failed_items'],
    says: {
      chunk: 'Its number, from 0.',
      lane_id: 'The unit of the step that waited for it.',
      completed: 'Items with a result.',
      failed: 'Items that have failed.',
      failed_items: 'The failed items; at most 1,000 of a step are listed.',
      results: 'The outputs in the order of the items, null for failed and skipped ones.',
      stopped: 'Whether it was stopped before each item had its outcome.',
    },
  },
  ChildRequested: {
    always: ['step_id', 'child_id', 'number', 'config', 'input_key'],
    says: {
      attempt: 'The attempt that the child makes, of an agent that is made of a model.',
      chunk: 'For a step with a map: number of the chunk, plus 1.',
      config_id: 'That of the agent.',
      number: '1 for the first child of the step.',
      input_key: 'Hash of its input: a retry continues the child when the input is the same.',
      resumed: 'Whether the child of an earlier run continues where it failed.',
      config: 'The name or id in the step.',
      config_version: 'The version in the step; absent for the newest.',
      budget: 'The rest of the parent’s budget.',
    },
  },
  ChildStarted: {
    always: ['step_id', 'child_id', 'config_id', 'config_name', 'config_version', 'child_version'],
    says: { child_version: 'The child’s version at that moment.' },
  },
  ChildEnded: {
    always: ['step_id', 'child_id', 'status'],
    words: { status: ['completed', 'failed', 'cancelled', 'deleted', 'refused'] },
    says: { status: 'How it ended.' },
  },
  ParentCommanded: {
    always: ['command', 'order'],
    words: { command: ['pause', 'resume', 'cancel', 'terminate', 'retry'] },
    says: {
      command: 'The command of the parent.',
      order: 'Version of the parent’s event that asked for it.',
      refused: 'Why the state of the execution did not allow it.',
    },
  },
  WaiterAdded: { always: ['execution_id'], says: { execution_id: 'The execution that waits for this one.' } },
  DependencyFound: { always: ['execution_id'], says: { execution_id: 'The execution to wait for.' } },
  DependencyEnded: {
    always: ['execution_id', 'status', 'version'],
    words: { status: ['completed', 'failed', 'cancelled'] },
    says: {
      execution_id: 'The execution to wait for.',
      status: 'How it ended.',
      version: 'Its version at its end.',
      deadline_at: 'Only with the last of them: the deadline of this execution.',
    },
  },
  PlaceRequested: {
    always: ['limiter_id', 'key', 'limit', 'on_limit', 'deadline_at'],
    words: { on_limit: ON_LIMIT },
    says: {
      limiter_id: 'The limiter that grants places for this config and key.',
      key: 'The value of `settings.concurrency.key`; empty when there is none.',
      limit: 'How many executions with this key run at once.',
      on_limit: 'What happens when no place is free.',
      deadline_at: 'The place must be granted before this time.',
    },
  },
  PlaceAwaited: {
    always: ['limiter_id', 'position', 'held', 'limit'],
    says: {
      limiter_id: 'The limiter that has no free place.',
      position: 'Its place in the queue when it joined; 1 is the next one.',
      held: 'How many executions held places then.',
      limit: 'The limit of the newest version of the config.',
    },
  },
  PlaceTaken: {
    always: ['limiter_id', 'deadline_at'],
    says: { limiter_id: 'The limiter that granted the place.', deadline_at: 'The deadline of the execution.' },
  },
  DependenciesChecked: {
    always: ['execution_ids'],
    says: { execution_ids: 'The executions that are asked once more.' },
  },
  ExecutionRescheduled: {
    always: ['start_at', 'deadline_at'],
    says: { start_at: 'When it begins; the epoch means at once.', deadline_at: 'The deadline of this execution.' },
  },
  BudgetExceeded: {
    always: ['resource', 'limit', 'spent'],
    words: { resource: ['tokens', 'cost'] },
    says: { resource: 'What was spent.', limit: 'How much of it was allowed.', spent: 'How much of it was spent.' },
  },
  CompensationStarted: { always: ['cause'] },
  ConsensusFailed: { always: ['group_id', 'mode', 'failure', 'handling'] },
  ConsensusReached: {
    always: ['group_id', 'mode', 'decided_by'],
    says: { decided_by: '`threshold`, `score`, `judge`, or `first` when a tie was decided by the order of the list.' },
  },
  EvaluationRecorded: { always: ['key'], says: { values: 'The results of the expressions, in order.' } },
  EvaluationRequested: { always: ['key'] },
  ExecutionPaused: { always: [], says: { now: 'Whether running attempts were stopped too.' } },
  ExecutionResumed: { always: [] },
  ExecutionRetried: {
    always: ['deadline_at'],
    says: { ask_again: 'Approvals after steps that run again: they stay when the question is the same.' },
  },
  ExecutionReopened: { always: ['cause', 'deadline_at'] },
  ExecutionDeleted: {
    always: [
      'tenant_id',
      'trace_id',
      'config_id',
      'config_name',
      'config_version',
      'user_id',
      'status',
      'created_at',
      'ended_at',
      'events',
    ],
    says: {
      ended_at: 'When the execution had ended.',
      archive: 'The archive file that holds its events; absent when they are gone for good.',
      policy: 'The retention policy that deleted it.',
    },
  },
  ExecutionRestored: {
    always: ['archive', 'events', 'ended_version'],
    says: {
      archive: 'The archive file that held its events.',
      events: 'How many events were put back.',
      ended_version:
        'The version of the event that ended the execution itself: later ones are deletions and restorations.',
    },
  },
  StepProgressed: { always: ['step_id', 'attempt'], says: { message: 'Its progress, as a text.' } },
  StepReused: {
    always: ['step_id'],
    says: {
      if_equal: 'It is kept when it starts with the same question.',
      approval: 'What was approved, and by whom.',
    },
  },
  ExecutionCompleted: { always: [] },
  ExecutionFailed: { always: ['failure'] },
  ExecutionCancelled: { always: [] },
};
