import type {
  AcceptedJson,
  AttemptCheckReplyJson,
  AttemptCheckRequestJson,
  AttemptHeartbeatJson,
  AttemptOutputJson,
  AttemptOutputReplyJson,
  OutputPartJson,
  OutputPublishedJson,
  AttemptReplyJson,
  AttemptResultJson,
  CancelExecutionJson,
  CompensateExecutionJson,
  DeleteExecutionJson,
  RestoreExecutionJson,
  CommandReplyJson,
  CommandRequestJson,
  DecideApprovalJson,
  SendSignalJson,
  ResultReplyJson,
  ResultRequestJson,
  StartExecutionJson,
  PauseExecutionJson,
  ResumeExecutionJson,
  RescheduleExecutionJson,
  RetryExecutionJson,
  SkipStepJson,
  TerminateExecutionJson,
  ForkSourceJson,
} from './generated/batuta/execution/v1/commands_pb.js';
import type {
  AdmitReplyJson,
  AdmitRequestJson,
  GetTenantUseReplyJson,
  GetTenantUseRequestJson,
  SocketsReplyJson,
  SocketsRequestJson,
  ExecutionIntegrityJson,
  ExecutionTombstoneJson,
  ExportExecutionReplyJson,
  ExportExecutionRequestJson,
  VerifyExecutionReplyJson,
  VerifyExecutionRequestJson,
  ChainAnchorJson,
  ChainHeadJson,
  ChainProblemJson,
  ApprovalSummaryJson,
  ApprovalViewJson,
  BudgetViewJson,
  ExecutionSummaryJson,
  ExecutionViewJson,
  GetExecutionReplyJson,
  GetExecutionRequestJson,
  GetStartsReplyJson,
  GetStartsRequestJson,
  GetVersionsReplyJson,
  GetVersionsRequestJson,
  LifecycleNoticeJson,
  ListApprovalsReplyJson,
  ListApprovalsRequestJson,
  ListEventsReplyJson,
  ListEventsRequestJson,
  ListExecutionsReplyJson,
  ListExecutionsRequestJson,
  ListPoolsReplyJson,
  ListPoolsRequestJson,
  PoolViewJson,
  QueuedViewJson,
  LogCursorJson,
  LogPageJson,
  ReadLogReplyJson,
  ReadLogRequestJson,
  StartSummaryJson,
  LlmViewJson,
  MapViewJson,
  RepeatViewJson,
  RouteViewJson,
  ToolCallViewJson,
  StepViewJson,
  WaitViewJson,
  ChildViewJson,
  DependencyViewJson,
  PlaceViewJson,
  SignalViewJson,
  KeptSignalJson,
  ControlViewJson,
  CompensationViewJson,
  ConsensusViewJson,
  CurrentStepJson,
  GetPayloadReplyJson,
  GetPayloadRequestJson,
  GetStepReplyJson,
  GetStepRequestJson,
  ReadStreamReplyJson,
  RestoredViewJson,
  ReadStreamRequestJson,
  StreamEndJson,
  StreamPartJson,
  StepAttemptJson,
  TopologyReplyJson,
} from './generated/batuta/execution/v1/queries_pb.js';
import type {
  DirectReceiptJson,
  DirectTasksJson,
  RunnerBeatJson,
  RunnerPoolJson,
  StopAttemptsJson,
  StoppedAttemptJson,
  TaskJson,
} from './generated/batuta/task/v1/task_pb.js';
import type { Budget, Dependency, Failure, ParentLink, Principal, Refusal } from './common.js';
import type { ConsensusMode } from './config.js';
import type { BudgetExceeded, CompensationOutcome, Event, FailedItem, Omitted, RouteScore, Vote } from './events.js';
import type { Pause } from './pauses.js';
import type { ChildFacts, ScheduleCommand, ScheduleStatus } from './schedules.js';
import type { Priority } from './subjects.js';
import type { DependencyOn, ExecutionStatus, RouteDecidedBy, StepStatus, Strategy } from './codes.js';
import type { Override, Wire } from './wire.js';

type ForkSource = Wire<ForkSourceJson>;
export type StartExecution = Override<
  Wire<
    StartExecutionJson,
    | 'input'
    | 'sessionId'
    | 'callbackUrl'
    | 'metadata'
    | 'requestHash'
    | 'traceparent'
    | 'startAt'
    | 'fork'
    | 'priority'
    | 'budget'
    | 'endTo'
    | 'parent'
    | 'after'
    | 'waiters'
  >,
  { fork?: ForkSource; priority?: Priority; budget?: Budget; parent?: ParentLink; after?: Dependency[] }
>;
export type CancelExecution = Wire<CancelExecutionJson, 'reason' | 'compensate'>;
export type PauseExecution = Wire<PauseExecutionJson, 'reason' | 'now'>;
export type ResumeExecution = Wire<ResumeExecutionJson, 'reason'>;
export type TerminateExecution = Wire<TerminateExecutionJson, 'reason'>;
export type SkipStep = Wire<SkipStepJson, 'reason'>;
export type DecideApproval = Wire<DecideApprovalJson, 'comment' | 'data'>;
export type SendSignal = Wire<SendSignalJson, 'payload'>;
export type RetryExecution = Wire<RetryExecutionJson, 'reason'>;
type RescheduleExecution = Wire<RescheduleExecutionJson, 'reason'>;
export type CompensateExecution = Wire<CompensateExecutionJson, 'reason'>;
export type DeleteExecution = Wire<DeleteExecutionJson, keyof DeleteExecutionJson>;
export type RestoreExecution = Wire<RestoreExecutionJson, 'reason'>;
export type CommandRequest = Override<
  Wire<CommandRequestJson, Exclude<keyof CommandRequestJson, 'commandId' | 'executionId' | 'principal'>>,
  {
    principal: Principal;
    start?: StartExecution;
    cancel?: CancelExecution;
    pause?: PauseExecution;
    resume?: ResumeExecution;
    terminate?: TerminateExecution;
    skipStep?: SkipStep;
    retry?: RetryExecution;
    compensate?: CompensateExecution;
    deleteExecution?: DeleteExecution;
    restore?: RestoreExecution;
    decideApproval?: DecideApproval;
    signal?: SendSignal;
    reschedule?: RescheduleExecution;
    schedule?: ScheduleCommand;
  }
>;
export type Accepted = Override<
  Wire<AcceptedJson, 'repeated' | 'enableMonitoring' | 'child'>,
  { child?: ChildFacts; status: ExecutionStatus | ScheduleStatus }
>;
export type CommandReply = Override<
  Wire<CommandReplyJson, keyof CommandReplyJson>,
  { accepted?: Accepted; rejected?: Refusal }
>;

export type AttemptResult = Override<
  Wire<AttemptResultJson, 'output' | 'failure' | 'workerId' | 'agentVersion' | 'token'>,
  { failure?: Failure; token?: string | undefined }
>;
export type ResultRequest = Override<Wire<ResultRequestJson>, { results: AttemptResult[] }>;
export type AttemptReply = Override<
  Wire<AttemptReplyJson>,
  { outcome: 'recorded' | 'stale' | 'unknown_execution' | 'elsewhere' }
>;
export type ResultReply = Override<Wire<ResultReplyJson>, { replies: AttemptReply[] }>;
export type AttemptCheckRequest = Wire<AttemptCheckRequestJson, 'token' | 'incarnation' | 'redelivered' | 'alone'>;
export type AttemptCheckReply = Wire<AttemptCheckReplyJson, 'reason' | 'held' | 'lostRunners'>;
export type AttemptHeartbeat = Wire<AttemptHeartbeatJson, 'progress' | 'message' | 'last' | 'token'>;
export type OutputPart = Wire<OutputPartJson, 'id' | 'name'>;
export type AttemptOutput = Override<Wire<AttemptOutputJson, 'token'>, { parts: readonly OutputPart[] }>;
export type AttemptOutputReply = Wire<AttemptOutputReplyJson, 'reason' | 'next' | 'full'>;
export type OutputPublished = Override<Wire<OutputPublishedJson>, { parts: readonly OutputPart[] }>;

export type Task = Wire<
  TaskJson,
  | 'input'
  | 'stepName'
  | 'timeoutMs'
  | 'heartbeatMs'
  | 'checkFirst'
  | 'traceparent'
  | 'maxAttempts'
  | 'executionName'
  | 'reportStart'
  | 'lostRunners'
  | 'token'
  | 'secrets'
>;
export type DirectTasks = Override<Wire<DirectTasksJson>, { tasks: Task[] }>;
export type DirectReceipt = Wire<DirectReceiptJson, 'open'>;
export type RunnerPool = Wire<RunnerPoolJson>;
export type RunnerBeat = Override<Wire<RunnerBeatJson, 'begun' | 'over'>, { pools: RunnerPool[] }>;
export type StoppedAttempt = Wire<StoppedAttemptJson, 'stepId' | 'attempt' | 'reason'>;
export type StopAttempts = Override<Wire<StopAttemptsJson>, { attempts: StoppedAttempt[] }>;

export type ApprovalView = Override<
  Wire<
    ApprovalViewJson,
    | 'input'
    | 'approvers'
    | 'deadlineAt'
    | 'decidedAt'
    | 'decidedBy'
    | 'comment'
    | 'data'
    | 'timedOut'
    | 'inputOmitted'
    | 'dataOmitted'
  >,
  { status: 'waiting' | 'approved' | 'rejected' | 'withdrawn'; inputOmitted?: Omitted; dataOmitted?: Omitted }
>;
export type WaitView = Override<Wire<WaitViewJson>, { status: 'waiting' | 'over' | 'withdrawn' }>;
export type SignalView = Override<
  Wire<SignalViewJson, 'deadlineAt' | 'receivedAt' | 'receivedBy'>,
  { status: 'waiting' | 'received' | 'timed_out' | 'withdrawn' }
>;
export type ChildView = Override<
  Wire<ChildViewJson, 'configId' | 'configVersion' | 'closed'>,
  { status: 'starting' | 'running' | 'completed' | 'failed' | 'cancelled' | 'deleted' | 'refused' }
>;
export type KeptSignal = Wire<KeptSignalJson, 'receivedBy'>;
export type QueuedView = Override<Wire<QueuedViewJson, 'paused'>, { paused?: Pause }>;
export type PoolView = Override<Wire<PoolViewJson, 'agents' | 'paused'>, { paused?: Pause }>;
export type ListPoolsRequest = Wire<ListPoolsRequestJson, 'forTenant'>;
export type ListPoolsReply = Override<Wire<ListPoolsReplyJson, 'refused'>, { pools: PoolView[]; refused?: Refusal }>;
export type ToolCallView = Override<
  Wire<ToolCallViewJson, 'stepId' | 'approval'>,
  { status: 'waiting' | 'asking' | 'running' | 'done'; approval?: ApprovalView }
>;
export type LlmView = Override<Wire<LlmViewJson, 'calls'>, { calls?: ToolCallView[] }>;
export type RepeatView = Wire<RepeatViewJson, 'nextAt'>;
export type MapView = Override<Wire<MapViewJson>, { failedItems: FailedItem[] }>;
export type RouteView = Override<
  Wire<RouteViewJson, 'scores' | 'tokens' | 'model'>,
  { by: RouteDecidedBy; scores?: RouteScore[] }
>;
export type StepView = Override<
  Wire<
    StepViewJson,
    | 'agentVersion'
    | 'output'
    | 'failure'
    | 'startedAt'
    | 'completedAt'
    | 'latencyMs'
    | 'tokenCount'
    | 'estimatedCost'
    | 'skipReason'
    | 'fallbackFor'
    | 'servedBy'
    | 'progress'
    | 'progressMessage'
    | 'consensusGroup'
    | 'reused'
    | 'retryAt'
    | 'approval'
    | 'wait'
    | 'signal'
    | 'child'
    | 'llm'
    | 'repeat'
    | 'map'
    | 'route'
    | 'skippedBy'
    | 'skipComment'
    | 'outputOmitted'
    | 'queued'
  >,
  {
    status: StepStatus;
    failure?: Failure;
    approval?: ApprovalView;
    wait?: WaitView;
    signal?: SignalView;
    child?: ChildView;
    llm?: LlmView;
    repeat?: RepeatView;
    map?: MapView;
    route?: RouteView;
    outputOmitted?: Omitted;
    queued?: QueuedView;
  }
>;
export type StepAttempt = Override<
  Wire<
    StepAttemptJson,
    'scheduledAt' | 'startedAt' | 'finishedAt' | 'failure' | 'retryAt' | 'tokenCount' | 'estimatedCost' | 'agentVersion'
  >,
  { status: 'running' | 'completed' | 'failed' | 'stopped'; failure?: Failure }
>;
export type ConsensusView = Override<
  Wire<ConsensusViewJson, Exclude<keyof ConsensusViewJson, 'groupId' | 'mode' | 'status'>>,
  { status: StepStatus; mode: ConsensusMode; votes?: Vote[]; failure?: Failure; outputOmitted?: Omitted }
>;
export type CompensationView = Override<
  Wire<CompensationViewJson, 'failure'>,
  { status: StepStatus; failure?: Failure }
>;
export type BudgetView = Override<
  Wire<BudgetViewJson, 'maxTokens' | 'maxCost' | 'exceeded'>,
  { exceeded?: BudgetExceeded }
>;
export type ControlView = Override<
  Wire<ControlViewJson, 'by' | 'reason' | 'stepId'>,
  { command: 'pause' | 'resume' | 'cancel' | 'terminate' | 'skip' | 'retry' | 'compensate' }
>;
/** Where an execution stands that another one waits for, as far as that one was told. */
export type DependencyView = Override<
  Wire<DependencyViewJson, 'process' | 'ended'>,
  {
    on: DependencyOn;
    state: 'not_started' | 'waiting' | 'met' | 'failed';
    ended?: 'completed' | 'failed' | 'cancelled';
  }
>;
export type ExecutionView = Override<
  Wire<
    ExecutionViewJson,
    | 'input'
    | 'output'
    | 'failure'
    | 'sessionId'
    | 'completedAt'
    | 'pausedAt'
    | 'metadata'
    | 'totalLatencyMs'
    | 'callbackUrl'
    | 'startAt'
    | 'forkedFrom'
    | 'forkedFromStepId'
    | 'enableMonitoring'
    | 'keptSignals'
    | 'parent'
    | 'children'
    | 'after'
    | 'pendingReason'
    | 'consensus'
    | 'compensations'
    | 'deadlineAt'
    | 'compensation'
    | 'budget'
    | 'pausedBy'
    | 'pauseReason'
    | 'cancelledBy'
    | 'cancelReason'
    | 'terminated'
    | 'controls'
    | 'outputOmitted'
    | 'restored'
    | 'concurrency'
  >,
  {
    status: ExecutionStatus;
    strategy: Strategy;
    failure?: Failure;
    steps: StepView[];
    priority: Priority;
    consensus?: ConsensusView[];
    compensations?: CompensationView[];
    compensation?: CompensationOutcome;
    budget?: BudgetView;
    controls?: ControlView[];
    parent?: ParentLink;
    children?: ChildView[];
    after?: DependencyView[];
    outputOmitted?: Omitted;
    restored?: RestoredView;
    concurrency?: PlaceView;
  }
>;
/** The place of an execution under `settings.concurrency`. */
export type PlaceView = Override<Wire<PlaceViewJson, 'position' | 'held'>, { state: 'waiting' | 'held' }>;
export type RestoredView = Wire<RestoredViewJson, 'by' | 'reason'>;
export type CurrentStep = Override<Wire<CurrentStepJson, 'agentId'>, { status: StepStatus }>;
export type ExecutionSummary = Override<
  Wire<
    ExecutionSummaryJson,
    | 'sessionId'
    | 'startedAt'
    | 'completedAt'
    | 'pausedAt'
    | 'totalLatencyMs'
    | 'tokenCount'
    | 'failure'
    | 'currentSteps'
    | 'parentId'
    | 'restoredAt'
  >,
  { status: ExecutionStatus; failure?: Failure; currentSteps?: CurrentStep[] }
>;

export type TopologyReply = Wire<TopologyReplyJson>;
export type GetExecutionRequest = Override<
  Wire<GetExecutionRequestJson, 'executionId' | 'traceId' | 'atVersion' | 'payloads'>,
  { payloads?: 'all' | 'own' | 'result' | 'start' | 'listed' }
>;
export type GetStepRequest = Wire<GetStepRequestJson>;
export type GetStepReply = Override<
  Wire<GetStepReplyJson, keyof GetStepReplyJson>,
  {
    status?: ExecutionStatus;
    step?: StepView;
    inputOmitted?: Omitted;
    attempts?: StepAttempt[];
    refused?: Refusal;
  }
>;
export type ReadStreamRequest = Wire<
  ReadStreamRequestJson,
  Exclude<keyof ReadStreamRequestJson, 'tenantId' | 'executionId'>
>;
export type StreamPart = Wire<StreamPartJson, 'id' | 'name'>;
export type StreamEnd = Override<
  Wire<StreamEndJson, 'version' | 'failure'>,
  { outcome: 'completed' | 'answered' | 'failed' | 'stopped'; failure?: Failure }
>;
export type ReadStreamReply = Override<
  Wire<ReadStreamReplyJson, 'more' | 'over' | 'version' | 'newestAttempt' | 'steps' | 'refused'>,
  { parts: StreamPart[]; ends: StreamEnd[]; refused?: Refusal }
>;
export type GetPayloadRequest = Override<
  Wire<GetPayloadRequestJson, 'atVersion' | 'stepId' | 'from'>,
  { payload: 'output' | 'input' | 'event' }
>;
export type GetPayloadReply = Override<Wire<GetPayloadReplyJson, keyof GetPayloadReplyJson>, { refused?: Refusal }>;
export type GetExecutionReply = Override<
  Wire<GetExecutionReplyJson, keyof GetExecutionReplyJson>,
  { execution?: ExecutionView; refused?: Refusal }
>;
export type ListExecutionsRequest = Override<
  Wire<ListExecutionsRequestJson, Exclude<keyof ListExecutionsRequestJson, 'tenantId'>>,
  { status?: ExecutionStatus[] }
>;
export type ListExecutionsReply = Override<
  Wire<ListExecutionsReplyJson, 'nextCursor' | 'total' | 'refused'>,
  { executions: ExecutionSummary[]; refused?: Refusal }
>;
export type ApprovalSummary = Override<
  Wire<ApprovalSummaryJson, 'approvers' | 'deadlineAt'>,
  { status: ExecutionStatus }
>;
export type ListApprovalsRequest = Wire<ListApprovalsRequestJson, Exclude<keyof ListApprovalsRequestJson, 'tenantId'>>;
export type ListApprovalsReply = Override<
  Wire<ListApprovalsReplyJson, 'nextCursor' | 'refused'>,
  { approvals: ApprovalSummary[]; refused?: Refusal }
>;
export type ListEventsRequest = Wire<ListEventsRequestJson, 'fromVersion' | 'limit'>;
export type ListEventsReply = Override<
  Wire<ListEventsReplyJson, 'nextVersion' | 'refused'>,
  { events: Event[]; refused?: Refusal }
>;
export type ChainAnchor = Override<
  Wire<ChainAnchorJson, 'upToVersion' | 'checkpointPosition' | 'checkpointAt' | 'keyId' | 'message'>,
  { status: 'signed' | 'none' | 'unknown_key' | 'broken' }
>;
export type ExecutionTombstone = Wire<ExecutionTombstoneJson, 'by' | 'reason' | 'policy' | 'archive'>;
export type ExecutionIntegrity = Override<
  Wire<ExecutionIntegrityJson, 'head' | 'deleted'>,
  {
    problems: Wire<ChainProblemJson>[];
    head?: Wire<ChainHeadJson>;
    anchor: ChainAnchor;
    deleted?: ExecutionTombstone;
  }
>;
export type VerifyExecutionRequest = Wire<VerifyExecutionRequestJson>;
export type VerifyExecutionReply = Override<
  Wire<VerifyExecutionReplyJson, keyof VerifyExecutionReplyJson>,
  { integrity?: ExecutionIntegrity; refused?: Refusal }
>;
export type ExportExecutionRequest = Wire<ExportExecutionRequestJson, 'fromVersion'>;
export type ExportExecutionReply = Override<
  Wire<ExportExecutionReplyJson, 'nextVersion' | 'refused'>,
  { refused?: Refusal }
>;
export type GetVersionsRequest = Wire<GetVersionsRequestJson>;
export type GetVersionsReply = Wire<GetVersionsReplyJson, 'ended'>;
export type StartSummary = Wire<StartSummaryJson, 'callbackUrl'>;
export type GetStartsRequest = Wire<GetStartsRequestJson>;
export type GetStartsReply = Override<Wire<GetStartsReplyJson>, { starts: StartSummary[] }>;
export type LogCursor = Wire<LogCursorJson>;
export type LogPage = Override<Wire<LogPageJson, 'more'>, { events: Event[] }>;
/** Either one partition with a position, or cursors. */
export type ReadLogRequest = Override<
  Wire<ReadLogRequestJson, 'partition' | 'afterPosition' | 'limit' | 'types' | 'cursors' | 'onlyCalledBackStarts'>,
  { cursors?: LogCursor[] }
>;
export type ReadLogReply = Override<Wire<ReadLogReplyJson, 'pages'>, { events: Event[]; pages?: LogPage[] }>;
export type LifecycleNotice = Override<Wire<LifecycleNoticeJson, 'others'>, { others?: LifecycleNotice[] }>;

export type AdmitRequest = Wire<AdmitRequestJson>;
export type AdmitReply = Override<Wire<AdmitReplyJson, keyof AdmitReplyJson>, { refused?: Refusal }>;
export type SocketsRequest = Wire<SocketsRequestJson>;
export type SocketsReply = Override<Wire<SocketsReplyJson, keyof SocketsReplyJson>, { refused?: Refusal }>;
export type GetTenantUseRequest = Wire<GetTenantUseRequestJson>;
export type GetTenantUseReply = Override<
  Wire<GetTenantUseReplyJson, keyof GetTenantUseReplyJson>,
  { refused?: Refusal }
>;
