import type { DescMessage } from '@bufbuild/protobuf';
import {
  ExecutionCancelledSchema,
  ExecutionCompletedSchema,
  ExecutionFailedSchema,
  ExecutionStartedSchema,
  StepAttemptFailedSchema,
  StepCompletedSchema,
  StepFailedSchema,
  StepScheduledSchema,
  StepSkippedSchema,
} from './generated/batuta/execution/v1/events_pb.js';
import type {
  EventJson,
  EventsPublishedJson,
  ExecutionCancelledJson,
  ExecutionCompletedJson,
  ExecutionFailedJson,
  ExecutionStartedJson,
  StepAttemptFailedJson,
  StepCompletedJson,
  StepFailedJson,
  StepScheduledJson,
  StepSkippedJson,
} from './generated/batuta/execution/v1/events_pb.js';
import type { Failure } from './common.js';
import type { FailurePolicy } from './config.js';
import type { Override, Wire } from './wire.js';

export type ExecutionStarted = Wire<
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
  | 'createdBy'
>;
export type StepScheduled = Wire<StepScheduledJson, 'input' | 'startDeadlineAt'>;
export type StepCompleted = Wire<StepCompletedJson, 'output' | 'tokenCount' | 'estimatedCost' | 'agentVersion'>;
export type StepAttemptFailed = Override<Wire<StepAttemptFailedJson, 'retryAt'>, { failure: Failure }>;
export type StepFailed = Override<
  Wire<StepFailedJson, 'fallbackStepId'>,
  { failure: Failure; handling: FailurePolicy }
>;
export type StepSkipped = Wire<StepSkippedJson>;
export type ExecutionCompleted = Wire<ExecutionCompletedJson, 'output'>;
export type ExecutionFailed = Override<Wire<ExecutionFailedJson, 'stepId'>, { failure: Failure }>;
export type ExecutionCancelled = Wire<ExecutionCancelledJson, 'reason' | 'by'>;

/** Event type → its data. The type is the proto message's name. */
export interface EventData {
  ExecutionStarted: ExecutionStarted;
  StepScheduled: StepScheduled;
  StepCompleted: StepCompleted;
  StepAttemptFailed: StepAttemptFailed;
  StepFailed: StepFailed;
  StepSkipped: StepSkipped;
  ExecutionCompleted: ExecutionCompleted;
  ExecutionFailed: ExecutionFailed;
  ExecutionCancelled: ExecutionCancelled;
}
export type EventType = keyof EventData;

/** What the decider produces: the event without its place in the log. */
export type DomainEvent = {
  [T in EventType]: { readonly type: T; readonly data: Readonly<EventData[T]> };
}[EventType];

type Envelope = Omit<Wire<EventJson>, 'type' | 'data'>;
/** One event with its place in the log. `at` is epoch milliseconds. */
export type Event = {
  [T in EventType]: Readonly<Envelope> & {
    readonly type: T;
    readonly data: Readonly<EventData[T]>;
  };
}[EventType];

export type EventsPublished = Override<Wire<EventsPublishedJson, 'withoutPayload'>, { events: Event[] }>;

/** Descriptor of each event type's data. */
export const EVENT_SCHEMAS: { readonly [T in EventType]: DescMessage } = {
  ExecutionStarted: ExecutionStartedSchema,
  StepScheduled: StepScheduledSchema,
  StepCompleted: StepCompletedSchema,
  StepAttemptFailed: StepAttemptFailedSchema,
  StepFailed: StepFailedSchema,
  StepSkipped: StepSkippedSchema,
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
