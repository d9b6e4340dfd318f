import type {
  AttemptCheckRequest,
  AttemptHeartbeat,
  AttemptOutput,
  AttemptResult,
  Budget,
  CommandRequest,
  Dependency,
  Failure,
  JsonObject,
  JsonValue,
  Principal,
  ResultRequest,
  ScheduleCommand,
  ScheduleDefinition,
  ParentCommand,
  OutputPart,
  ParentLink,
  StreamMessage,
} from '@batuta/contracts';
import { scheduleMistakes } from '@batuta/calendar';
import {
  DEPENDENCY_ENDS,
  LATEST_TIME_MS,
  LIMITS,
  OUTPUT_KIND,
  OUTPUT_LIMITS,
  OUTPUT_START,
  OVERLAP_POLICIES,
  PRIORITIES,
  ROLES,
} from '@batuta/contracts';
import { spendingDetails } from '../domain/index.js';
import { JsonMessage } from '@batuta/messaging';
import { mayHoldUnstorable, storableJson } from '@batuta/event-store';
import type { PartitionRequest } from './ports.js';

/** A request that does not fit its message. The text is for the sender and names the place. */
export class MalformedRequest extends Error {
  override readonly name = 'MalformedRequest';
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const LARGEST_INT32 = 2_147_483_647;
const COMMANDS = [
  'start',
  'cancel',
  'pause',
  'resume',
  'terminate',
  'skipStep',
  'decideApproval',
  'signal',
  'retry',
  'reschedule',
  'compensate',
  'deleteExecution',
  'restore',
  'schedule',
] as const;
const DELETION = new Set(['reason', 'ifVersion', 'policy', 'archive']);
const SIGNAL = new Set(['name', 'payload']);
const DECISION = new Set(['stepId', 'approved', 'comment', 'data']);

function fail(path: string, expected: string): never {
  throw new MalformedRequest(`${path === '' ? 'the message' : path} must be ${expected}`);
}

/** The path of a field in a result. Built only when there is a mistake. */
function placed(path: string, result: number | undefined): string {
  if (result === undefined) return path;
  return `results[${result}]${path === '' ? '' : `.${path}`}`;
}

/** A received message. Within this process it may be a value, which then has no text that a store refuses. */
type Payload = PartitionRequest['payload'];

function parse(payload: Payload): JsonValue {
  if (payload instanceof JsonMessage) return payload.value as JsonValue;
  const text =
    typeof payload === 'string'
      ? payload
      : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8');
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    throw new MalformedRequest('the message must be JSON');
  }
  // Done here and not only in the store, so that the state in memory equals the log.
  return mayHoldUnstorable(text) ? storableJson(value) : value;
}

function object(value: JsonValue | undefined, path: string, result?: number): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return fail(placed(path, result), 'an object');
  }
  return value;
}

/** Refuses fields that the message does not have. Otherwise a newer sender's field would be ignored silently. */
function onlyKnown(value: JsonObject, path: string, known: ReadonlySet<string>, result?: number): void {
  for (const key in value) {
    if (known.has(key)) continue;
    throw new MalformedRequest(`${placed(path === '' ? key : `${path}.${key}`, result)} is not a known field`);
  }
}

function text(value: JsonValue | undefined, path: string, result?: number): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : fail(placed(path, result), 'a string');
}

function id(value: JsonValue | undefined, path: string, result?: number): string {
  return typeof value === 'string' && UUID.test(value) ? value : fail(placed(path, result), 'a lower-case UUID');
}

function name(value: JsonValue | undefined, path: string, longest = 200, result?: number): string {
  if (typeof value !== 'string' || value === '' || value.length > longest || /\p{Cc}/u.test(value)) {
    return fail(placed(path, result), `a text of 1 to ${longest} characters without control characters`);
  }
  return value;
}

function flag(value: JsonValue | undefined, path: string, result?: number): boolean {
  if (value === undefined) return false;
  return typeof value === 'boolean' ? value : fail(placed(path, result), 'true or false');
}

function int(value: JsonValue | undefined, path: string, result?: number): number {
  if (value === undefined) return 0;
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= LARGEST_INT32
    ? value
    : fail(placed(path, result), 'a whole number from 0');
}

/** Epoch ms; fractions are dropped: the log keeps whole milliseconds. */
function time(value: JsonValue | undefined, path: string, result?: number): number {
  if (value === undefined) return 0;
  return typeof value === 'number' && value >= 0 && value <= LATEST_TIME_MS
    ? Math.floor(value)
    : fail(placed(path, result), 'epoch milliseconds');
}

function optional<K extends string, V>(key: K, value: V | '' | 0 | undefined): { [P in K]?: V } {
  return (value === undefined || value === '' || value === 0 ? {} : { [key]: value }) as { [P in K]?: V };
}

const PRINCIPAL = new Set(['tenantId', 'userId', 'role', 'keyId']);

function principal(value: JsonValue | undefined): Principal {
  const found = object(value, 'principal');
  onlyKnown(found, 'principal', PRINCIPAL);
  const role = ROLES.find((item) => item === found.role) ?? fail('principal.role', 'viewer, operator or admin');
  return {
    tenantId: name(found.tenantId, 'principal.tenantId', 40),
    userId: text(found.userId, 'principal.userId'),
    role,
    keyId: text(found.keyId, 'principal.keyId'),
  };
}

const START = new Set([
  'configId',
  'configVersion',
  'input',
  'traceId',
  'sessionId',
  'callbackUrl',
  'metadata',
  'requestHash',
  'traceparent',
  'startAt',
  'fork',
  'priority',
  'budget',
  'endTo',
  'parent',
  'after',
  'waiters',
]);
const DEPENDENCY = new Set(['executionId', 'on', 'process']);
const PARENT = new Set(['executionId', 'stepId', 'depth']);
const BUDGET = new Set(['maxTokens', 'maxCost']);
const FORK = new Set(['executionId', 'fromStepId']);

function limit(value: JsonValue | undefined, path: string): number | undefined {
  if (value === undefined || value === 0) return undefined;
  return typeof value === 'number' && value > 0 ? value : fail(path, 'a positive number');
}

function budget(value: JsonValue): Budget {
  const found = object(value, 'start.budget');
  onlyKnown(found, 'start.budget', BUDGET);
  return {
    ...optional('maxTokens', limit(found.maxTokens, 'start.budget.maxTokens')),
    ...optional('maxCost', limit(found.maxCost, 'start.budget.maxCost')),
  };
}

function list(value: JsonValue, path: string, most: number): readonly JsonValue[] {
  if (!Array.isArray(value)) return fail(path, 'a list');
  return value.length > most ? fail(path, `a list of at most ${most}`) : value;
}

function dependencies(value: JsonValue): Dependency[] {
  return list(value, 'start.after', LIMITS.dependencies).map((each, place) => {
    const path = `start.after.${place}`;
    const found = object(each, path);
    onlyKnown(found, path, DEPENDENCY);
    return {
      executionId: id(found.executionId, `${path}.executionId`),
      on: DEPENDENCY_ENDS.find((item) => item === found.on) ?? fail(`${path}.on`, DEPENDENCY_ENDS.join(', ')),
      ...optional('process', text(found.process, `${path}.process`)),
    };
  });
}

function parentLink(value: JsonValue): ParentLink {
  const found = object(value, 'start.parent');
  onlyKnown(found, 'start.parent', PARENT);
  return {
    executionId: id(found.executionId, 'start.parent.executionId'),
    stepId: name(found.stepId, 'start.parent.stepId'),
    depth: int(found.depth, 'start.parent.depth'),
  };
}

function start(value: JsonValue): NonNullable<CommandRequest['start']> {
  const found = object(value, 'start');
  onlyKnown(found, 'start', START);
  if (found.input !== undefined) within(found.input, 'start.input', LIMITS.payloadBytes);
  const fork = found.fork === undefined ? undefined : object(found.fork, 'start.fork');
  if (fork !== undefined) onlyKnown(fork, 'start.fork', FORK);
  const priority =
    found.priority === undefined
      ? undefined
      : (PRIORITIES.find((item) => item === found.priority) ?? fail('start.priority', PRIORITIES.join(', ')));
  return {
    configId: name(found.configId, 'start.configId'),
    configVersion: int(found.configVersion, 'start.configVersion'),
    traceId: name(found.traceId, 'start.traceId', 64),
    ...(found.input === undefined ? {} : { input: found.input }),
    ...optional('sessionId', text(found.sessionId, 'start.sessionId')),
    ...optional('callbackUrl', text(found.callbackUrl, 'start.callbackUrl')),
    ...(found.metadata === undefined ? {} : { metadata: object(found.metadata, 'start.metadata') }),
    ...optional('requestHash', text(found.requestHash, 'start.requestHash')),
    ...optional('traceparent', text(found.traceparent, 'start.traceparent')),
    ...optional('startAt', time(found.startAt, 'start.startAt')),
    ...(priority === undefined ? {} : { priority }),
    ...(found.budget === undefined ? {} : { budget: budget(found.budget) }),
    ...(found.endTo === undefined ? {} : { endTo: id(found.endTo, 'start.endTo') }),
    ...(found.parent === undefined ? {} : { parent: parentLink(found.parent) }),
    ...(found.after === undefined ? {} : { after: dependencies(found.after) }),
    ...(found.waiters === undefined
      ? {}
      : { waiters: list(found.waiters, 'start.waiters', LIMITS.waiters).map((each) => id(each, 'start.waiters')) }),
    ...(fork === undefined
      ? {}
      : {
          fork: {
            executionId: id(fork.executionId, 'start.fork.executionId'),
            fromStepId: name(fork.fromStepId, 'start.fork.fromStepId'),
          },
        }),
  };
}

const COMMAND = new Set<string>(['commandId', 'executionId', 'principal', ...COMMANDS]);

/** Decodes a CommandRequest. Throws `MalformedRequest`. */
export function decodeCommand(payload: Payload): CommandRequest {
  const found = object(parse(payload), '');
  onlyKnown(found, '', COMMAND);
  const given = COMMANDS.filter((command) => found[command] !== undefined);
  const [command] = given;
  if (command === undefined || given.length > 1) return fail('', `exactly one of ${COMMANDS.join(', ')}`);
  const base = {
    commandId: name(found.commandId, 'commandId', 100),
    executionId: id(found.executionId, 'executionId'),
    principal: principal(found.principal),
  };
  // Ids of the engine's own inputs have a colon there.
  if (base.commandId.charAt(1) === ':') return fail('commandId', 'a text whose second character is no colon');
  const body = object(found[command], command);
  const reason = optional('reason', text(body.reason, `${command}.reason`).slice(0, 2_000));
  switch (command) {
    case 'start':
      return { ...base, start: start(body) };
    case 'cancel':
      onlyKnown(body, command, new Set(['reason', 'compensate']));
      return { ...base, cancel: { ...reason, compensate: flag(body.compensate, 'cancel.compensate') } };
    case 'pause':
      onlyKnown(body, command, new Set(['reason', 'now']));
      return { ...base, pause: { ...reason, now: flag(body.now, 'pause.now') } };
    case 'terminate':
      onlyKnown(body, command, new Set(['reason']));
      return { ...base, terminate: reason };
    case 'skipStep':
      onlyKnown(body, command, new Set(['stepId', 'reason']));
      return { ...base, skipStep: { stepId: name(body.stepId, 'skipStep.stepId'), ...reason } };
    case 'decideApproval':
      onlyKnown(body, command, DECISION);
      if (body.data !== undefined) within(body.data, 'decideApproval.data', LIMITS.payloadBytes);
      return {
        ...base,
        decideApproval: {
          stepId: name(body.stepId, 'decideApproval.stepId'),
          approved: flag(body.approved, 'decideApproval.approved'),
          ...optional('comment', text(body.comment, 'decideApproval.comment').slice(0, 2_000)),
          ...(body.data === undefined ? {} : { data: body.data }),
        },
      };
    case 'signal':
      onlyKnown(body, command, SIGNAL);
      if (body.payload !== undefined) within(body.payload, 'signal.payload', LIMITS.payloadBytes);
      return {
        ...base,
        signal: {
          name: name(body.name, 'signal.name'),
          ...(body.payload === undefined ? {} : { payload: body.payload }),
        },
      };
    case 'schedule':
      return { ...base, schedule: scheduleCommand(body) };
    case 'resume':
      onlyKnown(body, command, new Set(['reason']));
      return { ...base, resume: reason };
    case 'retry':
      onlyKnown(body, command, new Set(['reason']));
      return { ...base, retry: reason };
    case 'reschedule':
      onlyKnown(body, command, new Set(['startAt', 'reason']));
      return { ...base, reschedule: { startAt: time(body.startAt ?? 0, 'reschedule.startAt'), ...reason } };
    case 'compensate':
      onlyKnown(body, command, new Set(['reason']));
      return { ...base, compensate: reason };
    case 'restore':
      onlyKnown(body, command, new Set(['reason']));
      return { ...base, restore: reason };
    case 'deleteExecution': {
      onlyKnown(body, command, DELETION);
      const ifVersion = int(body.ifVersion, 'deleteExecution.ifVersion');
      return {
        ...base,
        deleteExecution: {
          ...reason,
          ...(ifVersion === 0 ? {} : { ifVersion }),
          ...optional('policy', text(body.policy, 'deleteExecution.policy').slice(0, 100)),
          ...optional('archive', text(body.archive, 'deleteExecution.archive').slice(0, 200)),
        },
      };
    }
  }
}

const SCHEDULE_COMMANDS = ['create', 'update', 'pause', 'resume', 'trigger', 'backfill', 'delete'] as const;
const SCHEDULE = new Set<string>([...SCHEDULE_COMMANDS, 'expectedVersion']);

function scheduleDefinition(value: JsonValue | undefined, path: string): ScheduleDefinition {
  const [mistake] = scheduleMistakes(value);
  if (mistake !== undefined) throw new MalformedRequest(`${path}${mistake.path} ${mistake.message}`);
  return value as unknown as ScheduleDefinition;
}

function scheduleCommand(found: JsonObject): ScheduleCommand {
  onlyKnown(found, 'schedule', SCHEDULE);
  const given = SCHEDULE_COMMANDS.filter((command) => found[command] !== undefined);
  const [command] = given;
  if (command === undefined || given.length > 1) {
    return fail('schedule', `exactly one of ${SCHEDULE_COMMANDS.join(', ')}`);
  }
  const path = `schedule.${command}`;
  const body = object(found[command], path);
  const expectedVersion = int(found.expectedVersion, 'schedule.expectedVersion');
  const base = expectedVersion === 0 ? {} : { expectedVersion };
  switch (command) {
    case 'create':
    case 'update':
      onlyKnown(body, path, new Set(['definition']));
      return { ...base, [command]: { definition: scheduleDefinition(body.definition, `${path}.definition`) } };
    case 'pause':
    case 'resume':
      onlyKnown(body, path, new Set(['reason']));
      return { ...base, [command]: optional('reason', text(body.reason, `${path}.reason`).slice(0, 2_000)) };
    case 'trigger': {
      onlyKnown(body, path, new Set(['overlap']));
      const overlap = OVERLAP_POLICIES.find((item) => item === body.overlap);
      if (body.overlap !== undefined && overlap === undefined) fail(`${path}.overlap`, OVERLAP_POLICIES.join(', '));
      return { ...base, trigger: overlap === undefined ? {} : { overlap } };
    }
    case 'backfill': {
      onlyKnown(body, path, new Set(['fromAt', 'toAt', 'overlap']));
      const overlap = (['allow', 'buffer_all'] as const).find((item) => item === body.overlap);
      if (body.overlap !== undefined && overlap === undefined) fail(`${path}.overlap`, 'allow or buffer_all');
      const range = { fromAt: time(body.fromAt, `${path}.fromAt`), toAt: time(body.toAt, `${path}.toAt`) };
      return { ...base, backfill: { ...range, ...(overlap === undefined ? {} : { overlap }) } };
    }
    case 'delete':
      onlyKnown(body, path, new Set());
      return { ...base, delete: {} };
  }
}

const MESSAGE = new Set(['streamId', 'messageId', 'from', 'ended', 'parent', 'askEnd']);
const ENDED = new Set(['status', 'at', 'version', 'output', 'failure', 'tokenCount', 'estimatedCost', 'deleted']);
const PARENT_COMMAND = new Set(['command', 'order', 'now', 'compensate', 'reason', 'by']);
const PARENT_COMMANDS = ['pause', 'resume', 'cancel', 'terminate', 'retry', 'ask'] as const;

/** Decodes a StreamMessage. Throws `MalformedRequest`. */
export function decodeMessage(payload: Payload): StreamMessage {
  const found = object(parse(payload), '');
  onlyKnown(found, '', MESSAGE);
  const base = {
    streamId: id(found.streamId, 'streamId'),
    messageId: name(found.messageId, 'messageId', 100),
    from: id(found.from, 'from'),
  };
  if (found.parent !== undefined) return { ...base, parent: parentCommand(found.parent) };
  if (found.askEnd !== undefined) {
    const asked = object(found.askEnd, 'askEnd');
    onlyKnown(asked, 'askEnd', new Set(['tenantId']));
    return { ...base, askEnd: { tenantId: name(asked.tenantId, 'askEnd.tenantId', 40) } };
  }
  const ended = object(found.ended, 'ended');
  onlyKnown(ended, 'ended', ENDED);
  const status = (['completed', 'failed', 'cancelled'] as const).find((item) => item === ended.status);
  return {
    ...base,
    ended: {
      status: status ?? fail('ended.status', 'the status of an end'),
      at: time(ended.at, 'ended.at'),
      ...(ended.version === undefined ? {} : { version: int(ended.version, 'ended.version') }),
      ...(ended.output === undefined ? {} : { output: ended.output }),
      ...(ended.failure === undefined ? {} : { failure: failure(ended.failure, 'ended.failure') }),
      ...(ended.tokenCount === undefined ? {} : { tokenCount: int(ended.tokenCount, 'ended.tokenCount') }),
      ...optional('estimatedCost', limit(ended.estimatedCost, 'ended.estimatedCost')),
      ...(flag(ended.deleted, 'ended.deleted') ? { deleted: true } : {}),
    },
  };
}

function parentCommand(value: JsonValue): ParentCommand {
  const found = object(value, 'parent');
  onlyKnown(found, 'parent', PARENT_COMMAND);
  return {
    command:
      PARENT_COMMANDS.find((item) => item === found.command) ?? fail('parent.command', PARENT_COMMANDS.join(', ')),
    order: int(found.order, 'parent.order'),
    ...(flag(found.now, 'parent.now') ? { now: true } : {}),
    ...(flag(found.compensate, 'parent.compensate') ? { compensate: true } : {}),
    ...optional('reason', text(found.reason, 'parent.reason').slice(0, 2_000)),
    ...optional('by', text(found.by, 'parent.by')),
  };
}

/** An agent's failure details may be as large as an output. Of larger ones only the spending is kept. */
function details(value: JsonObject): JsonObject {
  const bytes = Buffer.byteLength(JSON.stringify(value));
  return bytes <= LIMITS.payloadBytes ? value : { omitted_bytes: bytes, ...spendingDetails(value).details };
}

const FAILURE = new Set(['code', 'message', 'retryable', 'details', 'trace']);

function failure(value: JsonValue, path: string): Failure {
  const found = object(value, path);
  onlyKnown(found, path, FAILURE);
  return {
    code: name(found.code, `${path}.code`),
    message: text(found.message, `${path}.message`).slice(0, 10_000),
    retryable: flag(found.retryable, `${path}.retryable`),
    ...(found.details === undefined ? {} : { details: details(object(found.details, `${path}.details`)) }),
    ...optional('trace', text(found.trace, `${path}.trace`).slice(0, 20_000)),
  };
}

/** Refuses a document whose JSON text is longer than `limit` bytes. The message names the limit. */
function within(value: JsonValue, path: string, limit: number): void {
  if (Buffer.byteLength(JSON.stringify(value)) > limit) fail(path, `at most ${limit} bytes of JSON`);
}

type Result = { -readonly [K in keyof AttemptResult]: AttemptResult[K] };

const RESULT = new Set([
  'executionId',
  'stepId',
  'attempt',
  'ok',
  'output',
  'failure',
  'startedAt',
  'finishedAt',
  'workerId',
  'agentVersion',
  'token',
]);

function attemptResult(value: JsonValue | undefined, place: number, checkSize: boolean): AttemptResult {
  const found = object(value, '', place);
  onlyKnown(found, '', RESULT, place);
  const ok = flag(found.ok, 'ok', place);
  if (ok === (found.failure !== undefined)) {
    return fail(placed('', place), ok ? 'without failure when ok is true' : 'with a failure when ok is not true');
  }
  const result: Result = {
    executionId: id(found.executionId, 'executionId', place),
    stepId: name(found.stepId, 'stepId', 200, place),
    attempt: int(found.attempt, 'attempt', place),
    ok,
    startedAt: time(found.startedAt, 'startedAt', place),
    finishedAt: time(found.finishedAt, 'finishedAt', place),
  };
  const workerId = text(found.workerId, 'workerId', place);
  if (workerId !== '') result.workerId = workerId;
  const agentVersion = text(found.agentVersion, 'agentVersion', place);
  if (agentVersion !== '') result.agentVersion = agentVersion.slice(0, 200);
  if (found.failure !== undefined) {
    result.failure = failure(found.failure, placed('failure', place));
  } else if (
    checkSize &&
    found.output !== undefined &&
    Buffer.byteLength(JSON.stringify(found.output)) > LIMITS.payloadBytes
  ) {
    // The runner would repeat a refused result for ever. So the attempt's outcome is that the output is too large.
    const message = `the output has more than ${LIMITS.payloadBytes} bytes of JSON`;
    result.ok = false;
    result.failure = { code: 'output_too_large', message, retryable: false, ...spendingDetails(found.output) };
  } else if (found.output !== undefined) {
    result.output = found.output;
  }
  return result;
}

const RESULTS = new Set(['results']);

/**
 * Decodes a ResultRequest. Throws `MalformedRequest`. An output over the limit becomes a failure that says so. `tokens` is
 * undefined for what a runner of this process hands over as a value: nobody else can, so it need not prove anything.
 */
export function decodeResults(payload: Payload): ResultRequest & { readonly tokens: readonly string[] | undefined } {
  const found = object(parse(payload), '');
  onlyKnown(found, '', RESULTS);
  const { results } = found;
  if (!Array.isArray(results)) return fail('results', 'a list');
  const ours = payload instanceof JsonMessage;
  // JSON text is never shorter than its value written anew, but for escapes; so a small request needs no measuring.
  // A runner of this process has measured it.
  const checkSize = !ours && Buffer.byteLength(payload) > LIMITS.payloadBytes;
  return {
    results: results.map((item, index) => attemptResult(item, index, checkSize)),
    // Separate, because only the check for tokens needs them.
    tokens: ours ? undefined : results.map((item, index) => text(object(item, '', index).token, 'token', index)),
  };
}

const CHECK = new Set(['executionId', 'stepId', 'attempt', 'token', 'incarnation', 'redelivered', 'alone']);

/** Decodes an AttemptCheckRequest. Throws `MalformedRequest`. */
export function decodeCheck(payload: Payload): AttemptCheckRequest {
  const found = object(parse(payload), '');
  onlyKnown(found, '', CHECK);
  return {
    executionId: id(found.executionId, 'executionId'),
    stepId: name(found.stepId, 'stepId'),
    attempt: int(found.attempt, 'attempt'),
    ...optional('token', text(found.token, 'token')),
    ...(found.incarnation === undefined ? {} : { incarnation: name(found.incarnation, 'incarnation') }),
    redelivered: found.redelivered === true,
    alone: found.alone === true,
  };
}

const HEARTBEAT = new Set(['executionId', 'stepId', 'attempt', 'progress', 'message', 'last', 'token']);

/** Decodes an AttemptHeartbeat. Throws `MalformedRequest`. */
export function decodeHeartbeat(payload: Payload): AttemptHeartbeat {
  const found = object(parse(payload), '');
  onlyKnown(found, '', HEARTBEAT);
  const { progress } = found;
  if (progress !== undefined && (typeof progress !== 'number' || progress < 0 || progress > 1)) {
    return fail('progress', 'a number from 0 to 1');
  }
  return {
    executionId: id(found.executionId, 'executionId'),
    stepId: name(found.stepId, 'stepId'),
    attempt: int(found.attempt, 'attempt'),
    ...optional('token', text(found.token, 'token')),
    ...(progress === undefined ? {} : { progress }),
    ...optional('message', text(found.message, 'message').slice(0, 2_000)),
    ...(flag(found.last, 'last') ? { last: true } : {}),
  };
}

const OUTPUT = new Set(['executionId', 'stepId', 'attempt', 'token', 'from', 'parts', 'run']);
const PART = new Set(['kind', 'text', 'id', 'name']);

/** Decodes an AttemptOutput. Throws `MalformedRequest`. */
export function decodeOutput(payload: Payload): AttemptOutput {
  const found = object(parse(payload), '');
  onlyKnown(found, '', OUTPUT);
  const { parts } = found;
  if (!Array.isArray(parts) || parts.length === 0 || parts.length > OUTPUT_LIMITS.messageParts) {
    return fail('parts', `a list of 1 to ${OUTPUT_LIMITS.messageParts} parts`);
  }
  const from = int(found.from, 'from');
  if (from < 1) return fail('from', 'a whole number from 1');
  return {
    executionId: id(found.executionId, 'executionId'),
    stepId: name(found.stepId, 'stepId'),
    attempt: int(found.attempt, 'attempt'),
    ...optional('token', text(found.token, 'token')),
    from,
    run: name(found.run, 'run', OUTPUT_LIMITS.id),
    parts: parts.map((part, place) => outputPart(part, `parts[${place}]`)),
  };
}

function outputPart(value: JsonValue, path: string): OutputPart {
  const found = object(value, path);
  onlyKnown(found, path, PART);
  const kind = text(found.kind, `${path}.kind`);
  if (!OUTPUT_KIND.test(kind) || kind === OUTPUT_START) {
    return fail(`${path}.kind`, 'a short name in lower case, such as text');
  }
  const body = text(found.text, `${path}.text`);
  if (Buffer.byteLength(body) > OUTPUT_LIMITS.partBytes) {
    return fail(`${path}.text`, `a text of at most ${OUTPUT_LIMITS.partBytes} bytes`);
  }
  return {
    kind,
    text: body,
    ...optional('id', text(found.id, `${path}.id`).slice(0, OUTPUT_LIMITS.id)),
    ...optional('name', text(found.name, `${path}.name`).slice(0, OUTPUT_LIMITS.name)),
  };
}
