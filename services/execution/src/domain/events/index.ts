// Written by `npm run registries` from the files of this folder.

import type { EventType } from '@batuta/contracts';
import { approvalDecided } from './approval-decided.js';
import { approvalRequested } from './approval-requested.js';
import { budgetExceeded } from './budget-exceeded.js';
import { childEnded } from './child-ended.js';
import { childRequested } from './child-requested.js';
import { childStarted } from './child-started.js';
import { choiceMade } from './choice-made.js';
import { compensationStarted } from './compensation-started.js';
import { consensusFailed } from './consensus-failed.js';
import { consensusReached } from './consensus-reached.js';
import { dependenciesChecked } from './dependencies-checked.js';
import { dependencyEnded } from './dependency-ended.js';
import { dependencyFound } from './dependency-found.js';
import { evaluationRecorded } from './evaluation-recorded.js';
import { evaluationRequested } from './evaluation-requested.js';
import { executionCancelled } from './execution-cancelled.js';
import { executionCompleted } from './execution-completed.js';
import { executionDeleted } from './execution-deleted.js';
import { executionFailed } from './execution-failed.js';
import { executionPaused } from './execution-paused.js';
import { executionReopened } from './execution-reopened.js';
import { executionRescheduled } from './execution-rescheduled.js';
import { executionRestored } from './execution-restored.js';
import { executionResumed } from './execution-resumed.js';
import { executionRetried } from './execution-retried.js';
import { executionStarted } from './execution-started.js';
import { iterationCompleted } from './iteration-completed.js';
import { iterationPlanned } from './iteration-planned.js';
import { mapChunkEnded } from './map-chunk-ended.js';
import { mapStarted } from './map-started.js';
import { modelAnswered } from './model-answered.js';
import { parentCommanded } from './parent-commanded.js';
import { placeAwaited } from './place-awaited.js';
import { placeRequested } from './place-requested.js';
import { placeTaken } from './place-taken.js';
import { routeAsked } from './route-asked.js';
import { routeDecided } from './route-decided.js';
import { signalAwaited } from './signal-awaited.js';
import { signalReceived } from './signal-received.js';
import { stepAttemptFailed } from './step-attempt-failed.js';
import { stepCompleted } from './step-completed.js';
import { stepFailed } from './step-failed.js';
import { stepProgressed } from './step-progressed.js';
import { stepReused } from './step-reused.js';
import { stepScheduled } from './step-scheduled.js';
import { stepSkipped } from './step-skipped.js';
import { toolCalled } from './tool-called.js';
import { waitStarted } from './wait-started.js';
import { waiterAdded } from './waiter-added.js';
import type { EventDefinition } from './definition.js';

/** Every event of an execution's log, one file each. */
export const EVENTS: { readonly [T in EventType]: EventDefinition<T> } = {
  ApprovalDecided: approvalDecided,
  ApprovalRequested: approvalRequested,
  BudgetExceeded: budgetExceeded,
  ChildEnded: childEnded,
  ChildRequested: childRequested,
  ChildStarted: childStarted,
  ChoiceMade: choiceMade,
  CompensationStarted: compensationStarted,
  ConsensusFailed: consensusFailed,
  ConsensusReached: consensusReached,
  DependenciesChecked: dependenciesChecked,
  DependencyEnded: dependencyEnded,
  DependencyFound: dependencyFound,
  EvaluationRecorded: evaluationRecorded,
  EvaluationRequested: evaluationRequested,
  ExecutionCancelled: executionCancelled,
  ExecutionCompleted: executionCompleted,
  ExecutionDeleted: executionDeleted,
  ExecutionFailed: executionFailed,
  ExecutionPaused: executionPaused,
  ExecutionReopened: executionReopened,
  ExecutionRescheduled: executionRescheduled,
  ExecutionRestored: executionRestored,
  ExecutionResumed: executionResumed,
  ExecutionRetried: executionRetried,
  ExecutionStarted: executionStarted,
  IterationCompleted: iterationCompleted,
  IterationPlanned: iterationPlanned,
  MapChunkEnded: mapChunkEnded,
  MapStarted: mapStarted,
  ModelAnswered: modelAnswered,
  ParentCommanded: parentCommanded,
  PlaceAwaited: placeAwaited,
  PlaceRequested: placeRequested,
  PlaceTaken: placeTaken,
  RouteAsked: routeAsked,
  RouteDecided: routeDecided,
  SignalAwaited: signalAwaited,
  SignalReceived: signalReceived,
  StepAttemptFailed: stepAttemptFailed,
  StepCompleted: stepCompleted,
  StepFailed: stepFailed,
  StepProgressed: stepProgressed,
  StepReused: stepReused,
  StepScheduled: stepScheduled,
  StepSkipped: stepSkipped,
  ToolCalled: toolCalled,
  WaitStarted: waitStarted,
  WaiterAdded: waiterAdded,
};
