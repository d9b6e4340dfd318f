import type { DescMessage } from '@bufbuild/protobuf';
import {
  ScheduleBufferedSchema,
  ScheduleCreatedSchema,
  ScheduleDeletedSchema,
  ScheduleExecutionEndedSchema,
  ScheduleFinishedSchema,
  ScheduleFiredSchema,
  ScheduleOthersStoppedSchema,
  SchedulePausedSchema,
  ScheduleResumedSchema,
  ScheduleRunsCheckedSchema,
  ScheduleSkippedSchema,
  ScheduleStartAnsweredSchema,
  ScheduleUpdatedSchema,
} from './generated/batuta/execution/v1/schedules_pb.js';
import type {
  AskEndJson,
  BackfillScheduleJson,
  ChildFactsJson,
  CreateScheduleJson,
  DeleteScheduleJson,
  EndMessageJson,
  GetScheduleReplyJson,
  GetScheduleRequestJson,
  ListScheduleEventsReplyJson,
  ListScheduleEventsRequestJson,
  ListSchedulesReplyJson,
  ListSchedulesRequestJson,
  ParentCommandJson,
  PauseScheduleJson,
  ResumeScheduleJson,
  ScheduleBufferedJson,
  ScheduleCommandJson,
  ScheduleCountsJson,
  ScheduleCreatedJson,
  ScheduleDeletedJson,
  ScheduleEventJson,
  ScheduleExecutionEndedJson,
  ScheduleFinishedJson,
  ScheduleFiredJson,
  ScheduleOthersStoppedJson,
  SchedulePausedJson,
  ScheduleResumedJson,
  ScheduleRunJson,
  ScheduleRunsCheckedJson,
  ScheduleSkippedJson,
  ScheduleStartAnsweredJson,
  ScheduleUpdatedJson,
  ScheduleViewJson,
  StreamMessageJson,
  StreamMessageReplyJson,
  TriggerScheduleJson,
  UpdateScheduleJson,
} from './generated/batuta/execution/v1/schedules_pb.js';
import type { Failure, JsonObject, JsonValue, Refusal } from './common.js';
import type { AcquirePlace, PlaceMessage, PlaceReply, ReleasePlace } from './limiters.js';
import type { Priority } from './subjects.js';
import type { Override, Wire } from './wire.js';

/**
 * What happens to a wall time that does not exist because clocks go forward: the first instant after the gap, or
 * nothing.
 */
export type GapRule = 'next' | 'skip';
/** Which of two instants is meant when a wall time exists twice because clocks go back. */
export type OverlapHourRule = 'first' | 'both';

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/**
 * Days and times of day; all lists must match. An absent list always matches, but seconds, minutes and hours default to
 * 0.
 */
export interface CalendarSpec {
  readonly seconds?: readonly number[];
  readonly minutes?: readonly number[];
  readonly hours?: readonly number[];
  /** 1–31, or -1 for the last day of the month, -2 for the day before it, down to -31. */
  readonly days_of_month?: readonly number[];
  readonly days_of_week?: readonly Weekday[];
  /** The number of that weekday in its month: 1–5, or -1 for the last one, down to -5. */
  readonly weeks_of_month?: readonly number[];
  /** 1–12. */
  readonly months?: readonly number[];
  readonly years?: readonly number[];
}

/** The times of a schedule: exactly one of `cron`, `every_ms`, `calendar` and `at`, within `start_at` and `end_at`. */
export interface TimetableSpec {
  /** 5 fields, or 6 with seconds first, or 7 with years last; or @hourly and the like. */
  readonly cron?: string;
  /** Milliseconds of elapsed time, counted from `start_at` or, without it, from 1970-01-01T00:00:00Z. */
  readonly every_ms?: number;
  readonly calendar?: CalendarSpec;
  /** A single time: RFC 3339 with an offset, or without one in `time_zone`. */
  readonly at?: string;
  /** IANA name. Default UTC. */
  readonly time_zone?: string;
  /** Default `next`. */
  readonly gap?: GapRule;
  /**
   * Default `first`, but `both` for a cron expression that fires in every hour, which would otherwise pause for an
   * hour.
   */
  readonly overlap_hour?: OverlapHourRule;
  /** RFC 3339. No firing before this time. */
  readonly start_at?: string;
  /** RFC 3339. No firing after this time. */
  readonly end_at?: string;
}

export const TIMETABLE_KINDS = ['cron', 'every_ms', 'calendar', 'at'] as const;

/** What to do at a firing while an execution of an earlier firing is still running. */
export const OVERLAP_POLICIES = [
  'skip',
  'buffer_one',
  'buffer_all',
  'cancel_other',
  'terminate_other',
  'allow',
] as const;
export type OverlapPolicy = (typeof OVERLAP_POLICIES)[number];
/** What to do with firings that were missed. */
export const MISSED_POLICIES = ['skip', 'latest', 'all'] as const;
type MissedPolicy = (typeof MISSED_POLICIES)[number];

/** A schedule in the form in which users write it. */
export interface ScheduleDefinition {
  readonly name: string;
  /** The id of the config whose executions it starts. */
  readonly config: string;
  /** Default: the newest version at each firing. */
  readonly config_version?: number;
  readonly timetable: TimetableSpec;
  /** A mapping over `schedule` and `nominal_time`. */
  readonly input?: JsonValue;
  readonly session_id?: string;
  readonly metadata?: JsonObject;
  readonly priority?: Priority;
  readonly jitter_ms?: number;
  /** Default skip. */
  readonly overlap?: OverlapPolicy;
  /** For buffer_all. Default 100. */
  readonly buffer_limit?: number;
  readonly missed?: {
    /** Default latest. */
    readonly runs?: MissedPolicy;
    /** Older missed firings start nothing. Default one day. */
    readonly window_ms?: number;
    /** For `all`: the maximum number of missed firings. Default 10. */
    readonly limit?: number;
  };
  readonly pause_on_failure?: boolean;
  /** The schedule is finished after this number of executions. */
  readonly max_runs?: number;
}

/** Limits of timetables. */
export const TIMETABLE_LIMITS = {
  shortestIntervalMs: 1_000,
  /** About 31 years. */
  longestIntervalMs: 1_000_000_000_000,
} as const;

/** Limits of schedules. */
export const SCHEDULE_LIMITS = {
  jitterMs: 86_400_000,
  bufferLimit: 1_000,
  defaultBufferLimit: 100,
  missedLimit: 100,
  defaultMissedLimit: 10,
  defaultMissedWindowMs: 86_400_000,
  longestMissedWindowMs: 31_536_000_000,
  maxRuns: 1_000_000_000,
  /** Maximum number of running executions of one schedule, with overlap `allow`. */
  running: 1_000,
  /** Maximum number of firings of one backfill. */
  backfill: 1_000,
  preview: 100,
} as const;

export type FiringCause = 'schedule' | 'missed' | 'trigger' | 'backfill';
export type SkipReason =
  'overlap' | 'buffer_full' | 'replaced' | 'too_many' | 'missed' | 'too_old' | 'over_limit' | 'paused';
export type RunEnd = 'completed' | 'failed' | 'cancelled';

/** The data of each event type of schedules. */
export interface ScheduleEventData {
  ScheduleCreated: Override<Wire<ScheduleCreatedJson>, { definition: ScheduleDefinition }>;
  ScheduleUpdated: Override<Wire<ScheduleUpdatedJson>, { definition: ScheduleDefinition }>;
  SchedulePaused: Override<Wire<SchedulePausedJson, 'by' | 'reason'>, { cause: 'user' | 'failure' }>;
  ScheduleResumed: Wire<ScheduleResumedJson, 'by' | 'reason'>;
  ScheduleFired: Override<Wire<ScheduleFiredJson>, { cause: FiringCause }>;
  ScheduleBuffered: Override<Wire<ScheduleBufferedJson, 'key'>, { nominalAt: readonly number[]; cause: FiringCause }>;
  ScheduleSkipped: Override<Wire<ScheduleSkippedJson, 'more'>, { reason: SkipReason; cause: FiringCause }>;
  ScheduleStartAnswered: Override<
    Wire<ScheduleStartAnsweredJson, 'refusal'>,
    { outcome: 'started' | 'existed' | 'refused'; refusal?: Refusal }
  >;
  ScheduleExecutionEnded: Override<Wire<ScheduleExecutionEndedJson>, { status: RunEnd }>;
  ScheduleOthersStopped: Override<
    Wire<ScheduleOthersStoppedJson>,
    { executionIds: readonly string[]; how: 'cancel' | 'terminate' }
  >;
  ScheduleRunsChecked: Override<Wire<ScheduleRunsCheckedJson>, { executionIds: readonly string[] }>;
  ScheduleFinished: Override<Wire<ScheduleFinishedJson>, { reason: 'over' | 'runs' }>;
  ScheduleDeleted: Wire<ScheduleDeletedJson, 'by'>;
}
export type ScheduleEventType = keyof ScheduleEventData;

/** The result of the decider of schedules. */
export type ScheduleDomainEvent = {
  [T in ScheduleEventType]: { readonly type: T; readonly data: Readonly<ScheduleEventData[T]> };
}[ScheduleEventType];

/** One event of a schedule with its place in the log. */
export type ScheduleStreamEvent = {
  [T in ScheduleEventType]: {
    /** The schedule's id. */
    readonly executionId: string;
    readonly version: number;
    readonly at: number;
    readonly commandId: string;
    readonly position: number;
    readonly partition: number;
    readonly type: T;
    readonly data: Readonly<ScheduleEventData[T]>;
  };
}[ScheduleEventType];

/** Descriptor of each event type's data. */
export const SCHEDULE_EVENT_SCHEMAS: { readonly [T in ScheduleEventType]: DescMessage } = {
  ScheduleCreated: ScheduleCreatedSchema,
  ScheduleUpdated: ScheduleUpdatedSchema,
  SchedulePaused: SchedulePausedSchema,
  ScheduleResumed: ScheduleResumedSchema,
  ScheduleFired: ScheduleFiredSchema,
  ScheduleBuffered: ScheduleBufferedSchema,
  ScheduleSkipped: ScheduleSkippedSchema,
  ScheduleStartAnswered: ScheduleStartAnsweredSchema,
  ScheduleExecutionEnded: ScheduleExecutionEndedSchema,
  ScheduleOthersStopped: ScheduleOthersStoppedSchema,
  ScheduleRunsChecked: ScheduleRunsCheckedSchema,
  ScheduleFinished: ScheduleFinishedSchema,
  ScheduleDeleted: ScheduleDeletedSchema,
};

export type CreateSchedule = Override<Wire<CreateScheduleJson>, { definition: ScheduleDefinition }>;
export type UpdateSchedule = Override<Wire<UpdateScheduleJson>, { definition: ScheduleDefinition }>;
export type PauseSchedule = Wire<PauseScheduleJson, 'reason'>;
export type ResumeSchedule = Wire<ResumeScheduleJson, 'reason'>;
export type TriggerSchedule = Override<Wire<TriggerScheduleJson, 'overlap'>, { overlap?: OverlapPolicy }>;
export type BackfillSchedule = Override<Wire<BackfillScheduleJson, 'overlap'>, { overlap?: 'allow' | 'buffer_all' }>;
export type DeleteSchedule = Wire<DeleteScheduleJson>;
export type ScheduleCommand = Override<
  Wire<ScheduleCommandJson, keyof ScheduleCommandJson>,
  {
    create?: CreateSchedule;
    update?: UpdateSchedule;
    pause?: PauseSchedule;
    resume?: ResumeSchedule;
    trigger?: TriggerSchedule;
    backfill?: BackfillSchedule;
    delete?: DeleteSchedule;
  }
>;

export const SCHEDULE_STATUSES = ['active', 'paused', 'finished', 'deleted'] as const;
export type ScheduleStatus = (typeof SCHEDULE_STATUSES)[number];

export type ScheduleRun = Override<Wire<ScheduleRunJson>, { cause: FiringCause }>;
export type ScheduleCounts = Wire<ScheduleCountsJson>;
export type ScheduleView = Override<
  Wire<
    ScheduleViewJson,
    'pausedBy' | 'pauseReason' | 'pauseCause' | 'nextAt' | 'lastFiredAt' | 'lastExecutionId' | 'remainingRuns'
  >,
  {
    status: ScheduleStatus;
    definition: ScheduleDefinition;
    running: ScheduleRun[];
    waiting: number[];
    counts: ScheduleCounts;
  }
>;

export type GetScheduleRequest = Wire<GetScheduleRequestJson>;
export type GetScheduleReply = Override<
  Wire<GetScheduleReplyJson, keyof GetScheduleReplyJson>,
  { schedule?: ScheduleView; refused?: Refusal }
>;
export type ListSchedulesRequest = Wire<ListSchedulesRequestJson, 'status' | 'configId' | 'limit' | 'cursor'>;
export type ListSchedulesReply = Override<
  Wire<ListSchedulesReplyJson, 'nextCursor' | 'refused'>,
  { schedules: ScheduleView[]; refused?: Refusal }
>;
export type ListScheduleEventsRequest = Wire<ListScheduleEventsRequestJson>;
export type ListScheduleEventsReply = Override<
  Wire<ListScheduleEventsReplyJson, 'refused'>,
  { events: ScheduleEvent[]; refused?: Refusal }
>;
export type ScheduleEvent = Override<Wire<ScheduleEventJson>, { type: ScheduleEventType; data: JsonObject }>;

export type EndMessage = Override<
  Wire<EndMessageJson, Exclude<keyof EndMessageJson, 'status' | 'at'>>,
  { status: RunEnd; failure?: Failure }
>;
/** A request of an execution to another one, which is its step. */
export type ParentCommand = Override<
  Wire<ParentCommandJson, Exclude<keyof ParentCommandJson, 'command' | 'order'>>,
  { command: 'pause' | 'resume' | 'cancel' | 'terminate' | 'retry' | 'ask' }
>;
/** The data that the other execution gets. */
export type ChildFacts = Override<Wire<ChildFactsJson, 'ended'>, { ended?: EndMessage }>;
/** An execution of the tenant waits for the end of another. */
type AskEnd = Wire<AskEndJson>;
/** What one stream tells another. */
export type StreamMessage = Override<
  Wire<StreamMessageJson, 'ended' | 'parent' | 'askEnd' | 'acquire' | 'release' | 'place'>,
  {
    ended?: EndMessage;
    parent?: ParentCommand;
    askEnd?: AskEnd;
    acquire?: AcquirePlace;
    release?: ReleasePlace;
    place?: PlaceMessage;
  }
>;
export type StreamMessageReply = Override<
  Wire<StreamMessageReplyJson, 'child' | 'ended' | 'place'>,
  { outcome: 'recorded' | 'stale' | 'unknown' | 'later'; child?: ChildFacts; ended?: EndMessage; place?: PlaceReply }
>;
