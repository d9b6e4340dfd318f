/**
 * Codes of refusals, which are part of the public contract (problem details `code`), each with its HTTP status and its
 * meaning. `mistake`: the code in the refusal's `errors` when the refusing part knows no place and no more specific
 * code.
 */
export const REFUSALS = {
  validation_failed: { status: 400, title: 'The request has mistakes', mistake: 'invalid' },
  malformed_json: { status: 400, title: 'The body is not JSON', mistake: 'malformed_json' },
  malformed_request: { status: 400, title: 'This is not a valid HTTP request', mistake: 'malformed_request' },
  too_deep: { status: 400, title: 'The JSON is nested too deep', mistake: 'too_deep' },
  forbidden_key: { status: 400, title: 'The JSON has a forbidden key', mistake: 'forbidden_key' },
  unauthenticated: { status: 401, title: 'A valid API key is needed' },
  forbidden: { status: 403, title: "The API key's role does not allow this" },
  not_an_approver: { status: 403, title: 'Only the approvers of the step may do this' },
  not_found: { status: 404, title: 'Not found' },
  step_not_found: { status: 404, title: 'The config has no such step' },
  signal_not_found: { status: 404, title: 'The config has no step for such a signal' },
  method_not_allowed: { status: 405, title: 'The method is not allowed here' },
  request_timeout: { status: 408, title: 'The request did not arrive in time' },
  conflict: { status: 409, title: 'The request conflicts with the present state' },
  name_taken: { status: 409, title: 'The name is taken' },
  pool_taken: { status: 409, title: 'The pool is used by another tenant' },
  already_exists: { status: 409, title: 'It exists already' },
  already_completed: { status: 409, title: 'The execution has completed' },
  already_failed: { status: 409, title: 'The execution has failed' },
  already_cancelled: { status: 409, title: 'The execution was cancelled' },
  already_started: { status: 409, title: 'It was started already' },
  already_paused: { status: 409, title: 'The execution is paused already' },
  already_compensated: { status: 409, title: 'The execution was undone' },
  already_decided: { status: 409, title: 'The step is decided already' },
  not_ended: { status: 409, title: 'The execution has not ended' },
  not_running: { status: 409, title: 'The execution is not running' },
  not_paused: { status: 409, title: 'The execution is not paused' },
  not_applicable: { status: 409, title: 'This does not apply now' },
  not_retryable: { status: 409, title: 'The execution cannot be retried now' },
  not_awaiting_approval: { status: 409, title: 'The step does not wait for a decision' },
  not_awaiting_signal: { status: 409, title: 'No step is left that waits for the signal' },
  not_monitored: { status: 409, title: 'The execution is kept out of live feeds' },
  compensating: { status: 409, title: 'The execution is being undone' },
  nothing_to_compensate: { status: 409, title: 'Nothing is left to undo' },
  step_already_finished: { status: 409, title: 'The step is finished already' },
  execution_restored: { status: 409, title: 'The execution was restored to be read' },
  archive_broken: { status: 409, title: 'The archive does not hold the execution as it was' },
  not_archived: { status: 409, title: 'The execution is not in the archive' },
  execution_deleted: { status: 410, title: 'The execution was deleted' },
  version_conflict: { status: 412, title: 'The version has changed' },
  payload_too_large: { status: 413, title: 'The request is too large', mistake: 'too_large' },
  uri_too_long: { status: 414, title: 'The URL is too long', mistake: 'too_long' },
  unsupported_media_type: { status: 415, title: 'The media type is not supported', mistake: 'not_allowed' },
  expectation_failed: { status: 417, title: 'The expectation cannot be met', mistake: 'not_allowed' },
  idempotency_mismatch: { status: 422, title: 'Used for another request already' },
  input_invalid: { status: 422, title: 'The input does not fit its JSON Schema', mistake: 'invalid' },
  upgrade_required: { status: 426, title: 'This is a WebSocket' },
  precondition_required: { status: 428, title: 'A precondition is required' },
  rate_limited: { status: 429, title: 'Too many requests' },
  limit_reached: { status: 429, title: 'The tenant has reached one of its limits' },
  headers_too_large: { status: 431, title: 'The line and headers of the request are too large', mistake: 'too_large' },
  internal: { status: 500, title: 'Something went wrong on our side' },
  unavailable: { status: 503, title: 'The service is not available right now' },
} as const satisfies Readonly<Record<string, RefusalMeaning>>;

export interface RefusalMeaning {
  readonly status: number;
  readonly title: string;
  readonly mistake?: MistakeCode;
}

export type RefusalCode = keyof typeof REFUSALS;
export const REFUSAL_CODES = Object.keys(REFUSALS) as readonly RefusalCode[];

/**
 * Codes of mistakes. A refusal's `errors` contain them with their places. The same mistake has the same code
 * everywhere: in a config, a body, a query, a header. With `input_invalid`, the codes are the keywords of the user's
 * own JSON Schema instead.
 */
export const MISTAKES = {
  required: 'what must be there is missing or null',
  unknown_field: 'a field that is not known here',
  unknown_parameter: 'a query parameter that is not known here',
  repeated_parameter: 'a query parameter or header that may be given only once',
  read_only: 'a field that only the platform sets',
  wrong_type: 'a value of another JSON type',
  bad_format: 'a text of another form',
  not_allowed: 'none of the values that are allowed',
  out_of_range: 'a number or time outside of its limits',
  too_short: 'a text with too few characters',
  too_long: 'a text with too many characters or bytes',
  too_few: 'a list or object with too few entries',
  too_many: 'a list or object with too many entries',
  too_large: 'JSON, a body or headers with too many bytes',
  too_deep: 'JSON that is nested too deep',
  invalid_character: 'a character that this text may not hold',
  reserved_name: 'a name that means something else',
  forbidden_key: 'a key that no JSON may have',
  malformed_json: 'not JSON, or not UTF-8',
  malformed_request: 'not HTTP',
  bad_cursor: 'not a cursor that this list has answered',
  contradiction: 'fields that exclude each other, or one without effect',
  bad_limit: 'a limit that contradicts another one',
  duplicate_id: 'an id that stands twice',
  duplicate_output_key: 'an output key that stands twice',
  duplicate_dependency: 'a dependency that stands twice',
  duplicate_approver: 'an approver that stands twice',
  unknown_dependency: 'a dependency on no step',
  self_dependency: 'a step that waits for itself',
  depends_on_fallback: 'a dependency on a fallback',
  depends_on_member: 'a dependency on a member of the same group',
  dependency_order: 'a dependency that is listed later',
  cycle: 'steps that wait for each other',
  fallback_cycle: 'steps that stand in for each other',
  unknown_step: 'no such step',
  unknown_member: 'no such member of the group',
  unknown_candidate: 'no such candidate of the route',
  empty_group: 'a consensus group without members',
  unknown_agent: 'no such agent',
  agent_not_global: 'an agent that other tenants do not have',
  unknown_model: 'no such model',
  unknown_config: 'no such config',
  config_not_global: 'a config that other tenants do not have',
  unknown_execution: 'no such execution',
  unknown_secret: 'a reference to no secret',
  secret_not_allowed: 'a reference to a secret where none is resolved',
  unknown_reference: 'an expression that names what is not there',
  not_a_dependency: 'an expression that names the output of no dependency',
  bad_expression: 'an expression that cannot be read',
  bad_template: 'a template that cannot be read',
  invalid_schema: 'not a JSON Schema',
  not_available: 'not set up on this platform',
  invalid: 'another mistake, which the message names',
} as const;
export type MistakeCode = keyof typeof MISTAKES;

/** Stable codes of failures that the platform itself reports. Agents add their own codes. */
export const FAILURE_CODES = {
  timeout: 'timeout',
  runnerLost: 'runner_lost',
  agentError: 'agent_error',
  agentUnknown: 'agent_unknown',
  inputTooLarge: 'input_too_large',
  outputTooLarge: 'output_too_large',
  outputInvalid: 'output_invalid',
  inputInvalid: 'input_invalid',
  scheduleToStart: 'schedule_to_start_timeout',
  executionTimeout: 'execution_timeout',
  heartbeatTimeout: 'heartbeat_timeout',
  dependencyFailed: 'dependency_failed',
  allFallbacksFailed: 'all_fallbacks_failed',
  noConsensus: 'no_consensus',
  expressionFailed: 'expression_failed',
  scheduleToClose: 'schedule_to_close_timeout',
  stalled: 'stalled',
  conditionFalse: 'condition_false',
  approvalRejected: 'approval_rejected',
  approvalTimeout: 'approval_timeout',
  waitInvalid: 'wait_invalid',
  signalTimeout: 'signal_timeout',
  childFailed: 'child_failed',
  childCancelled: 'child_cancelled',
  childDeleted: 'child_deleted',
  childRefused: 'child_refused',
  nestedTooDeep: 'nested_too_deep',
  budgetExceeded: 'budget_exceeded',
  secretMissing: 'secret_missing',
  modelUnknown: 'model_unknown',
  modelKeyRefused: 'model_key_refused',
  modelRefused: 'model_refused',
  modelQuota: 'model_quota',
  modelRateLimited: 'model_rate_limited',
  modelUnavailable: 'model_unavailable',
  modelUnreachable: 'model_unreachable',
  modelAnswerInvalid: 'model_answer_invalid',
  modelStalled: 'model_stalled',
  contextTooLong: 'context_too_long',
  maxTurns: 'max_turns_reached',
  maxIterations: 'max_iterations_reached',
  itemsInvalid: 'items_invalid',
  itemsFailed: 'items_failed',
  budgetTooSmall: 'budget_too_small',
  routeUndecided: 'route_undecided',
  concurrencyLimit: 'concurrency_limit',
  concurrencyKey: 'concurrency_key_invalid',
} as const;

export const DEFAULT_POOL = 'default';
/** The tenant that the first start creates. Its admins may create other tenants. */
export const DEFAULT_TENANT = 'default';

/** Values of `settings.default_input`. The first is the default. */
export const DEFAULT_INPUTS = ['keyed', 'merged'] as const;
export type DefaultInput = (typeof DEFAULT_INPUTS)[number];

/** How much of a conversation another one is handed. */
export const HAND_OVER = ['none', 'last', 'dialogue', 'all'] as const;
export type HandOver = (typeof HAND_OVER)[number];

/** What a step with a map gives. The first value is the default. */
export const MAP_RESULTS = ['list', 'report', 'counts'] as const;
export type MapResults = (typeof MAP_RESULTS)[number];
/** How a route chooses among its candidates. The first is the default. */
export const ROUTE_MODES = ['rules', 'semantic', 'model', 'hybrid'] as const;
export type RouteMode = (typeof ROUTE_MODES)[number];
/** Who is asked when a route does not decide by rules. */
export const ROUTE_ASKED_BY = ['semantic', 'model'] as const;
export type RouteAskedBy = (typeof ROUTE_ASKED_BY)[number];
/** What a decision of a route follows from. */
export const ROUTE_DECIDED_BY = ['rules', 'semantic', 'model', 'fallback'] as const;
export type RouteDecidedBy = (typeof ROUTE_DECIDED_BY)[number];

/** What happens to a child when its step ends first. The first value is the default. */
export const ON_PARENT_CLOSE = ['cancel', 'terminate', 'abandon'] as const;
export type OnParentClose = (typeof ON_PARENT_CLOSE)[number];

/** How an execution has to end that another one waits for; the first is the default. */
export const DEPENDENCY_ENDS = ['success', 'failed', 'finished'] as const;
export type DependencyOn = (typeof DEPENDENCY_ENDS)[number];

/** What happens to an execution that finds no place under `settings.concurrency`. The first value is the default. */
export const ON_LIMIT = ['queue', 'reject', 'cancel_oldest', 'cancel_newest'] as const;
export type OnLimit = (typeof ON_LIMIT)[number];

export const STRATEGIES = ['sequential', 'parallel', 'consensus', 'fallback'] as const;
export type Strategy = (typeof STRATEGIES)[number];
export const EXECUTION_STATUSES = [
  'pending',
  'running',
  'paused',
  'completed',
  'failed',
  'cancelled',
  'compensation',
] as const;
export type ExecutionStatus = (typeof EXECUTION_STATUSES)[number];
export const STEP_STATUSES = ['pending', 'running', 'completed', 'failed', 'skipped', 'paused'] as const;
export type StepStatus = (typeof STEP_STATUSES)[number];
export const ROLES = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];
