import type { StreamRow } from '@batuta/event-store';
import {
  decide,
  decideLimiter,
  decideSchedule,
  isLimiterOver,
  isScheduleOver,
  isTerminal,
  limiterView,
  nextLimiterWake,
  nextScheduleWake,
  nextWake,
  scheduleView,
} from '../../domain/index.js';
import type {
  Command,
  LimiterCommandInput,
  LimiterState,
  Outcome,
  Rejection,
  ScheduleCommandInput,
  ScheduleState,
  State,
} from '../../domain/index.js';
import { commandOf, limiterCommandOf, scheduleCommandOf } from './command-of.js';
import type { Input } from './inputs.js';
import type { StreamCommand, StreamDomainEvent, StreamState } from './stream-state.js';

export type StreamDecision =
  | { readonly accepted: readonly StreamDomainEvent[]; readonly outcome: Outcome; readonly next: StreamState }
  | { readonly rejected: Rejection };

/** What the partitions need to know about a kind of stream. Each function is pure. */
interface StreamKind<S extends StreamState, C extends StreamCommand> {
  /** The command of an input. Undefined when such an input is not for streams of this kind. */
  commandOf(input: Input, at: number, seed: number): C | undefined;
  decide(command: C, state: S): StreamDecision;
  /** Epoch ms of its next deadline. Undefined when it waits only for others. */
  nextWake(state: S): number | undefined;
  /** Nothing more will happen to it by itself, so it does not need memory. */
  isOver(state: S): boolean;
  /** Undefined before its first event. */
  tenantOf(state: S): string | undefined;
  /** Whether results in transit come before the deadlines that they keep. */
  awaitsResults(state: S): boolean;
}

const EXECUTION: StreamKind<State, Command> = {
  commandOf,
  decide,
  nextWake,
  isOver: ({ status }) => isTerminal(status),
  tenantOf: ({ started }) => started?.tenantId,
  awaitsResults: ({ running }) => running > 0,
};

const SCHEDULE: StreamKind<ScheduleState, ScheduleCommandInput> = {
  commandOf: scheduleCommandOf,
  decide: decideSchedule,
  nextWake: nextScheduleWake,
  isOver: isScheduleOver,
  tenantOf: ({ version, tenantId }) => (version === 0 ? undefined : tenantId),
  awaitsResults: () => false,
};

const LIMITER: StreamKind<LimiterState, LimiterCommandInput> = {
  commandOf: limiterCommandOf,
  decide: decideLimiter,
  nextWake: nextLimiterWake,
  isOver: isLimiterOver,
  tenantOf: ({ version, tenantId }) => (version === 0 ? undefined : tenantId),
  awaitsResults: () => false,
};

/** Every kind of stream other than executions, by the `kind` of its state. */
const KINDS: {
  readonly [K in NonNullable<StreamState['kind']>]: StreamKind<Extract<StreamState, { kind: K }>, never>;
} = {
  schedule: SCHEDULE as StreamKind<ScheduleState, never>,
  limiter: LIMITER as StreamKind<LimiterState, never>,
};

/** The kind of a state's stream. */
export function kindOf(state: StreamState): StreamKind<StreamState, StreamCommand> {
  const kind = state.kind === undefined ? EXECUTION : KINDS[state.kind];
  // Both belong to the same kind, because they come from the same state.
  return kind as unknown as StreamKind<StreamState, StreamCommand>;
}

/** The row of a stream that is not an execution. Undefined before its first event. */
export function streamRowOf(id: string, partition: number, state: ScheduleState | LimiterState): StreamRow | undefined {
  return state.kind === 'limiter' ? limiterRow(id, partition, state) : scheduleRow(id, partition, state);
}

function scheduleRow(id: string, partition: number, state: ScheduleState): StreamRow | undefined {
  const view = scheduleView(state);
  if (view === undefined) return undefined;
  const wake = isScheduleOver(state) ? undefined : nextScheduleWake(state);
  return {
    id,
    partition,
    kind: state.kind,
    tenantId: state.tenantId,
    name: view.definition.name,
    configId: view.definition.config,
    status: state.status,
    version: state.version,
    wakeAt: wake === undefined ? null : Math.floor(wake),
    createdAt: state.createdAt,
    view: view as unknown as StreamRow['view'],
  };
}

function limiterRow(id: string, partition: number, state: LimiterState): StreamRow | undefined {
  const view = limiterView(state);
  if (view === undefined) return undefined;
  const wake = nextLimiterWake(state);
  return {
    id,
    partition,
    kind: state.kind,
    tenantId: state.tenantId,
    name: state.key,
    configId: state.configId,
    status: isLimiterOver(state) ? 'idle' : 'active',
    version: state.version,
    wakeAt: wake === undefined ? null : Math.floor(wake),
    createdAt: state.createdAt,
    view: view as unknown as StreamRow['view'],
  };
}
