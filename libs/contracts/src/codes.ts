/** Stable codes of refusals; part of the public contract (problem details `code`). */
export const REFUSAL_CODES = [
  'validation_failed',
  'malformed_json',
  'payload_too_large',
  'too_deep',
  'forbidden_key',
  'unauthenticated',
  'forbidden',
  'not_found',
  'method_not_allowed',
  'unsupported_media_type',
  'conflict',
  'name_taken',
  'version_conflict',
  'precondition_required',
  'idempotency_mismatch',
  'input_invalid',
  'already_completed',
  'already_failed',
  'already_cancelled',
  'already_exists',
  'not_running',
  'not_paused',
  'not_applicable',
  'already_started',
  'already_paused',
  'compensating',
  'already_compensated',
  'nothing_to_compensate',
  'step_not_found',
  'step_already_finished',
  'not_retryable',
  'not_awaiting_approval',
  'already_decided',
  'not_an_approver',
  'not_monitored',
  'rate_limited',
  'unavailable',
  'internal',
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

/** Stable codes of failures that the platform itself reports; agents add their own. */
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
  budgetExceeded: 'budget_exceeded',
} as const;

/** Agents that every step-runner of the pool `default` serves. */
export const BUILT_IN_AGENTS = [
  'status_handler',
  'log_analyzer',
  'rag_handler',
  'synthesizer',
  'http',
  'echo',
  'delay',
  'fail',
] as const;
export type BuiltInAgent = (typeof BUILT_IN_AGENTS)[number];
export const DEFAULT_POOL = 'default';
/** Tenant that the first start makes; its admins may make other tenants. */
export const DEFAULT_TENANT = 'default';

/** `settings.default_input`; the first is the default. */
export const DEFAULT_INPUTS = ['keyed', 'merged'] as const;
export type DefaultInput = (typeof DEFAULT_INPUTS)[number];

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
