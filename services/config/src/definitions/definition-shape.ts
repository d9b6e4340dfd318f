import { DEFAULT_INPUTS, LIMITS, parseTime, PRIORITIES, STRATEGIES } from '@batuta/contracts';
import {
  all,
  anyJson,
  anyObject,
  flag,
  isRecord,
  list,
  mapOf,
  metadata,
  name,
  number,
  object,
  oneOf,
  text,
  token,
} from '../json/shape.js';
import type { Shape } from '../json/shape.js';

/** The largest number of milliseconds that the contract's int32 fields hold: 24.8 days. */
const MAX_INT32 = 2_147_483_647;
/** Ten years: an execution must end some day. */
const MAX_EXECUTION_MS = 10 * 365 * 24 * 3600 * 1000;
const MAX_EXPRESSION = 32 * 1024;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether a text has the form of a config's id; such a text cannot be a name, so `{id or name}` is never ambiguous. */
export function isUuid(value: string): boolean {
  return UUID.test(value);
}

const outputKey = name({ max: 128 });
const expression = text({ max: MAX_EXPRESSION });
const milliseconds = number({ min: 1, max: MAX_INT32, whole: true });
const pause = number({ min: 0, max: MAX_INT32, whole: true });
/** Between services 0 cannot be told from what is left out, so nobody may mean it. */
const share: Shape = all(number({ min: 0, max: 1 }), (value, path, report) => {
  if (value === 0) report.add(path, 'out_of_range', 'must be above 0; leave it out for the default');
});
/** A limit of zero would be one that the first token breaks: whoever means none leaves it out. */
function limit(rules: { readonly max: number; readonly whole?: boolean }): Shape {
  return all(number({ min: 0, ...rules }), (value, path, report) => {
    if (value === 0) report.add(path, 'out_of_range', 'must be above 0; leave it out for no limit');
  });
}
const budget: Shape = all(
  object({
    max_tokens: limit({ max: Number.MAX_SAFE_INTEGER, whole: true }),
    max_cost: limit({ max: Number.MAX_SAFE_INTEGER }),
  }),
  (value, path, report) => {
    if (isRecord(value) && (value['max_tokens'] ?? null) === null && (value['max_cost'] ?? null) === null) {
      report.add(path, 'required', 'must have max_tokens, max_cost or both');
    }
  },
);
const policy = oneOf(['abort', 'continue', 'fallback']);

const configName: Shape = all(name({ max: 255 }), (value, path, report) => {
  if (typeof value === 'string' && isUuid(value)) {
    report.add(path, 'bad_format', 'must not look like an id (a UUID)');
  }
});

const callbackUrl: Shape = all(text({ max: 2048 }), (value, path, report) => {
  if (typeof value !== 'string' || value === '') return;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    report.add(path, 'bad_format', 'must be an http:// or https:// URL');
  } else if (url.username !== '' || url.password !== '') {
    report.add(path, 'bad_format', 'must not hold a user name or password');
  }
});

const retry = object({
  max_attempts: number({ min: 1, max: 1000, whole: true }),
  backoff_ms: pause,
  backoff_coefficient: number({ min: 1, max: 100 }),
  max_backoff_ms: pause,
  jitter: oneOf(['full', 'none']),
  non_retryable: list(text({ max: 128 }), { max: 100 }),
  total_timeout_ms: milliseconds,
});

/** Longer ones are no message for a person; what an expression gives may be longer (LIMITS.approvalMessageBytes). */
const MAX_APPROVAL_MESSAGE = 4_096;

const approval = object({
  message: text({ max: MAX_APPROVAL_MESSAGE }),
  approvers: list(name({ max: 255 }), { min: 1, max: 1_000 }),
  timeout_ms: number({ min: 1, max: MAX_EXECUTION_MS, whole: true }),
  on_timeout: oneOf(['reject', 'approve']),
  schema: anyJson,
});

/** A time as it stands, or an expression that gives one. */
const time: Shape = all(text({ max: MAX_EXPRESSION }), (value, path, report) => {
  if (typeof value !== 'string' || value === '' || value.includes('{%') || parseTime(value) !== undefined) return;
  const form = 'a time with its zone such as "2026-03-01T09:00:00Z" (RFC 3339), or one expression "{% … %}"';
  report.add(path, 'bad_format', `must be ${form}`);
});

const wait: Shape = all(
  object({ duration_ms: number({ min: 1, max: MAX_EXECUTION_MS, whole: true }), until: time }),
  (value, path, report) => {
    if (!isRecord(value)) return;
    const given = ['duration_ms', 'until'].filter((field) => (value[field] ?? null) !== null);
    if (given.length === 0) report.add(path, 'required', 'must have duration_ms or until');
    if (given.length === 2) report.add(`${path}/until`, 'contradiction', 'a wait has duration_ms or until, not both');
  },
);

const signal = object(
  {
    name: token,
    schema: anyJson,
    timeout_ms: number({ min: 1, max: MAX_EXECUTION_MS, whole: true }),
    on_timeout: oneOf(['fail', 'continue']),
    default: anyJson,
  },
  ['name'],
);

const tokens = number({ min: 1, max: 100_000_000, whole: true });

const llmTool = object(
  {
    name: token,
    agent: token,
    description: text({ max: 10_000 }),
    input_schema: anyObject,
    finish: flag,
    timeout_ms: milliseconds,
    retry,
    parallel: number({ min: 1, max: 8, whole: true }),
    max_result_bytes: number({ min: 100, max: 1_048_576, whole: true }),
  },
  ['name'],
);

const choice = object(
  {
    mode: oneOf(['first', 'all']),
    branches: list(object({ when: expression, steps: list(token, { min: 1, max: LIMITS.steps }) }, ['when', 'steps']), {
      min: 1,
      max: 100,
    }),
    default: list(token, { max: LIMITS.steps }),
  },
  ['branches', 'default'],
);

const llm = object(
  {
    model: token,
    system: text({ max: 1_000_000 }),
    prompt: anyJson,
    messages: anyJson,
    tools: list(llmTool, { max: 32 }),
    output_schema: anyObject,
    max_turns: number({ min: 1, max: 200, whole: true }),
    on_max_turns: oneOf(['fail', 'answer']),
    max_repairs: number({ min: 0, max: 10, whole: true }),
    max_output_tokens: tokens,
    temperature: number({ min: 0, max: 2 }),
    tool_choice: token,
  },
  ['model'],
);

/** In place of an agent. */
const OTHER_KINDS = ['approval', 'wait', 'signal', 'choice', 'llm'] as const;

const stepFields = object(
  {
    id: token,
    name: name({ max: 255 }),
    agent: token,
    timeout_ms: milliseconds,
    retry,
    dependencies: list(token, { max: LIMITS.steps }),
    output_key: outputKey,
    on_failure: policy,
    is_fallback: flag,
    fallback_for: token,
    fallback_when: list(oneOf(['error', 'timeout', 'no_consensus']), { max: 3 }),
    consensus_group: token,
    input: anyJson,
    when: expression,
    require: oneOf(['any', 'all']),
    compensate: object({ agent: token, input: anyJson, retry, timeout_ms: milliseconds }, ['agent']),
    schedule_to_start_ms: milliseconds,
    schedule_to_close_ms: milliseconds,
    heartbeat_ms: milliseconds,
    metadata,
    approval,
    wait,
    signal,
    choice,
    llm,
  },
  ['id', 'name'],
);

const step: Shape = all(stepFields, (value, path, report) => {
  if (!isRecord(value) || ['agent', ...OTHER_KINDS].some((kind) => (value[kind] ?? null) !== null)) return;
  report.add(`${path}/agent`, 'required', `agent is required, or one of ${OTHER_KINDS.join(', ')} in its place`);
});

const group = object(
  {
    id: token,
    mode: oneOf(['quorum', 'majority', 'weighted', 'unanimous', 'best', 'judge']),
    threshold: share,
    vote_key: expression,
    score: expression,
    weights: mapOf(number({ min: 0, max: 1_000_000 }), { max: LIMITS.steps }),
    judge: token,
    on_tie: oneOf(['fail', 'first', 'judge']),
    on_failure: policy,
    early_stop: flag,
    output_key: outputKey,
  },
  ['id'],
);

/** Types, known and required fields, lengths and ranges of a whole definition in the flat form. */
export const definitionShape: Shape = object(
  {
    name: configName,
    description: text({ max: 10_000, min: 0 }),
    strategy: oneOf(STRATEGIES),
    steps: list(step, { min: 1, max: LIMITS.steps }),
    settings: object({
      parallel_limit: number({ min: 0, max: LIMITS.steps, whole: true }),
      consensus_threshold: share,
      callback_url: callbackUrl,
      timeout_ms: number({ min: 1, max: MAX_EXECUTION_MS, whole: true }),
      priority: oneOf(PRIORITIES),
      budget,
      default_input: oneOf(DEFAULT_INPUTS),
      enable_monitoring: flag,
    }),
    metadata,
    is_global: flag,
    input_schema: anyJson,
    consensus_groups: list(group, { max: LIMITS.steps }),
    output: anyJson,
  },
  ['name', 'strategy', 'steps'],
);
