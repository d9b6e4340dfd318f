import type { ChildFacts, Accepted, DomainEvent, LimiterDomainEvent, ScheduleDomainEvent } from '@batuta/contracts';
import { endOf } from '../../domain/index.js';
import type {
  Command,
  LimiterCommandInput,
  LimiterState,
  ScheduleCommandInput,
  ScheduleState,
  State,
} from '../../domain/index.js';

/** The state of a stream of any kind. An execution's state has no `kind`, to keep the hot path free of it. */
export type StreamState = State | ScheduleState | LimiterState;
export type StreamCommand = Command | ScheduleCommandInput | LimiterCommandInput;
export type StreamDomainEvent = DomainEvent | ScheduleDomainEvent | LimiterDomainEvent;
export function isExecution(state: StreamState): state is State {
  return state.kind === undefined;
}

/** The facts about an execution that its parent needs. Undefined when it has no parent. */
export function childFactsOf(state: StreamState): ChildFacts | undefined {
  if (!isExecution(state) || state.started?.parent === undefined) return undefined;
  const { started, version } = state;
  const ended = endOf(state);
  return {
    configId: started.configId,
    configName: started.configName,
    configVersion: started.configVersion,
    version,
    ...(ended === undefined ? {} : { ended }),
  };
}

/** The answer to the sender of an accepted command. */
export function acceptedOf(state: StreamState): Accepted {
  if (state.kind === 'limiter') {
    return { executionId: state.limiterId, traceId: '', status: 'active', version: state.version };
  }
  if (!isExecution(state)) {
    return { executionId: state.scheduleId, traceId: '', status: state.status, version: state.version };
  }
  const { executionId, started, status, version, config } = state;
  const child = childFactsOf(state);
  return {
    executionId,
    traceId: started?.traceId ?? '',
    status,
    version,
    ...(child === undefined ? {} : { child }),
    ...(config.monitored ? {} : { enableMonitoring: false }),
  };
}
