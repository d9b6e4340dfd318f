import { CALLBACK_EVENTS, eventToUserJson, isoTime } from '@batuta/contracts';
import { spanIds } from '@batuta/observability';
import type { BudgetExceeded, CallbackEvent, Event, JsonObject } from '@batuta/contracts';

/** What callbacks know about an execution, in addition to the event. */
export interface ExecutionContext {
  readonly execution_id: string;
  readonly tenant_id: string;
  readonly trace_id: string;
  readonly config_id: string;
  readonly config_name: string;
  readonly user_id: string;
}

/** The message of a callback, as templates see it. */
export interface Message {
  readonly event: {
    readonly name: CallbackEvent;
    readonly type: string;
    readonly version: number;
    /** RFC 3339. */
    readonly at: string;
    /** The span of the command that caused the event. Messages of earlier versions have none. */
    readonly span_id?: string;
    readonly data: JsonObject;
  };
  readonly execution: {
    readonly id: string;
    readonly trace_id: string;
    readonly config_id: string;
    readonly config_name: string;
    readonly tenant_id: string;
    readonly user_id: string;
  };
}

const NAMES: ReadonlyMap<string, CallbackEvent> = new Map(
  Object.entries(CALLBACK_EVENTS).map(([name, type]) => [type, name as CallbackEvent]),
);

/** The name of this event type in callbacks. Undefined when callbacks cannot ask for it. */
export const callbackEventOf = (type: string): CallbackEvent | undefined => NAMES.get(type);

export function messageOf(event: Event, name: CallbackEvent, execution: ExecutionContext): Message {
  const shown = eventToUserJson(event);
  return {
    event: {
      name,
      type: event.type,
      version: event.version,
      at: isoTime(event.at),
      span_id: spanIds.command(execution.trace_id, event.commandId, event.at),
      data: (shown['data'] ?? {}) as JsonObject,
    },
    execution: {
      id: execution.execution_id,
      trace_id: execution.trace_id,
      config_id: execution.config_id,
      config_name: execution.config_name,
      tenant_id: execution.tenant_id,
      user_id: execution.user_id,
    },
  };
}

/** The values for a template, as plain JSON. */
export const valuesOf = (message: Message): JsonObject => message as unknown as JsonObject;

/** Types of messages about a step. The others are about the execution. */
const TYPES: Readonly<Partial<Record<CallbackEvent, string>>> = {
  step_failed: 'step.failed',
  approval_requested: 'approval.requested',
};

/** The body without a template: `{type, timestamp, data}` as Standard Webhooks recommends. */
export function defaultContent({ event, execution }: Message): JsonObject {
  const { id, ...rest } = execution;
  return {
    type: TYPES[event.name] ?? `execution.${event.name}`,
    timestamp: event.at,
    data: { execution_id: id, ...rest, version: event.version, ...event.data },
  };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/**
 * The text as one line: each run of white space and control characters becomes one space. For places without line
 * breaks, such as an email's subject: a line break there would end the header and let the user's data begin another
 * one.
 */
export function oneLine(text: string): string {
  return text.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim();
}

/** The first `length` UTF-16 units, without half a character at the end. */
export function cutTo(text: string, length: number): string {
  return text.length <= length ? text : text.slice(0, length).replace(/[\uD800-\uDBFF]$/, '');
}

/** One line for people. */
export function summaryOf({ event, execution }: Message): string {
  const { config_name: config, id } = execution;
  if (event.name === 'step_failed') {
    return `Step ${textOf(event.data['step_id'])} of ${config} failed (execution ${id})`;
  }
  if (event.name === 'approval_requested') {
    const message = cutTo(oneLine(textOf(event.data['message'])), 200);
    const asked = message === '' ? '' : `: ${message}`;
    return `${config} waits for an approval of ${textOf(event.data['step_id'])}${asked} (execution ${id})`;
  }
  if (event.name === 'budget_exceeded') {
    const { resource, limit, spent } = event.data as unknown as BudgetExceeded;
    return `${config} spent more than its budget: ${spent} of ${limit} ${resource} (execution ${id})`;
  }
  return `${config}: ${event.name} (execution ${id})`;
}

/** A sample message to test a template when it is saved. */
export function sampleMessage(name: CallbackEvent): Message {
  const failure = { code: 'timeout', message: 'no answer within 5000 ms', retryable: true };
  const data: Record<CallbackEvent, JsonObject> = {
    started: { config_version: 1, input: {}, priority: 'normal' },
    completed: { output: {} },
    failed: { failure, step_id: 'step_1' },
    cancelled: { reason: 'not needed any more', by: 'ada' },
    paused: { reason: 'maintenance', by: 'ada' },
    step_failed: { step_id: 'step_1', failure, handling: 'abort' },
    approval_requested: {
      step_id: 'step_1',
      message: 'Refund 120 EUR to ada?',
      input: { amount: 120 },
      deadline_at: '2025-02-01T12:00:00.000Z',
      approvers: ['ada', 'grace'],
    },
    budget_exceeded: { resource: 'tokens', limit: 10_000, spent: 10_250 },
  };
  return {
    event: {
      name,
      type: CALLBACK_EVENTS[name],
      version: 2,
      at: '2025-01-31T12:00:00.000Z',
      span_id: '0123456789abcdef',
      data: data[name],
    },
    execution: {
      id: '01944f2c-0000-7000-8000-000000000000',
      trace_id: '0123456789abcdef0123456789abcdef',
      config_id: '01944f2c-0000-7000-8000-000000000001',
      config_name: 'sample',
      tenant_id: 'default',
      user_id: 'ada',
    },
  };
}
