import { LIMITS, TENANT_ID, TOKEN } from '@batuta/contracts';
import type { OpenApiSchema } from './openapi-schema.js';

const TEXT_255: OpenApiSchema = { minLength: 1, maxLength: 255 };
const TOKENS: OpenApiSchema = { pattern: TOKEN.source };
const EXPRESSION: OpenApiSchema = { minLength: 1, maxLength: 32 * 1024 };
const MILLISECONDS: OpenApiSchema = { minimum: 1, maximum: 2_147_483_647 };
const PAUSE: OpenApiSchema = { minimum: 0, maximum: 2_147_483_647 };
/** Ten years: an execution must end some day. */
const LIFETIME: OpenApiSchema = { type: 'integer', minimum: 1, maximum: 10 * 365 * 24 * 3600 * 1000 };
const SHARE: OpenApiSchema = { exclusiveMinimum: 0, maximum: 1 };
const FAILURE_POLICIES: OpenApiSchema = { enum: ['abort', 'continue', 'fallback'] };
const OUTPUT_KEY: OpenApiSchema = { minLength: 1, maxLength: 128 };

/**
 * The rules that the services apply to users' input, by `<Schema>.<field>`. tools/documented-rules.unit.spec.ts
 * compares the rules of configs with those of the config service.
 */
export const FIELD_RULES: Readonly<Record<string, OpenApiSchema>> = {
  'OrchestrationDefinition.name': TEXT_255,
  'OrchestrationDefinition.description': { maxLength: 10_000 },
  'OrchestrationDefinition.steps': { minItems: 1, maxItems: LIMITS.steps },
  'OrchestrationDefinition.consensus_groups': { maxItems: LIMITS.steps },
  'NestedDefinition.name': TEXT_255,
  'NestedDefinition.description': { maxLength: 10_000 },
  'Step.id': TOKENS,
  'Step.name': TEXT_255,
  'Step.agent': TOKENS,
  'Step.timeout_ms': MILLISECONDS,
  'Step.dependencies': { maxItems: LIMITS.steps, items: TOKENS },
  'Step.output_key': OUTPUT_KEY,
  'Step.fallback_for': TOKENS,
  'Step.fallback_when': { maxItems: 3, items: { enum: ['error', 'timeout', 'no_consensus'] } },
  'Step.consensus_group': TOKENS,
  'Step.when': EXPRESSION,
  'Step.schedule_to_start_ms': MILLISECONDS,
  'Step.schedule_to_close_ms': MILLISECONDS,
  'Step.heartbeat_ms': MILLISECONDS,
  'Retry.max_attempts': { minimum: 1, maximum: 1000 },
  'Retry.backoff_ms': PAUSE,
  'Retry.backoff_coefficient': { minimum: 1, maximum: 100 },
  'Retry.max_backoff_ms': PAUSE,
  'Retry.non_retryable': { maxItems: 100, items: { minLength: 1, maxLength: 128 } },
  'Retry.total_timeout_ms': MILLISECONDS,
  'Compensation.agent': TOKENS,
  'Compensation.timeout_ms': MILLISECONDS,
  'Approval.message': { minLength: 1, maxLength: 4_096 },
  'Approval.approvers': { minItems: 1, maxItems: 1_000, items: TEXT_255 },
  'Approval.timeout_ms': LIFETIME,
  'Wait.duration_ms': LIFETIME,
  'Orchestration.config': TEXT_255,
  'Orchestration.config_version': { minimum: 1, maximum: 2_147_483_647 },
  'Repeat.until': EXPRESSION,
  'Repeat.max_iterations': { minimum: 1, maximum: LIMITS.iterations },
  'Repeat.delay_ms': PAUSE,
  'Signal.name': TOKENS,
  'Signal.timeout_ms': LIFETIME,
  'Choice.default': { maxItems: LIMITS.steps, items: TOKENS },
  'ChoiceBranch.when': EXPRESSION,
  'ChoiceBranch.steps': { minItems: 1, maxItems: LIMITS.steps, items: TOKENS },
  'Llm.model': TOKENS,
  'Llm.system': { type: 'string', minLength: 1, maxLength: 1_000_000 },
  'Llm.tools': { maxItems: 32 },
  'Llm.output_schema': { type: 'object', additionalProperties: true },
  'Llm.max_turns': { minimum: 1, maximum: 200 },
  'Llm.on_max_turns': { enum: ['fail', 'answer'] },
  'Llm.max_repairs': { minimum: 0, maximum: 10 },
  'Llm.max_output_tokens': { minimum: 1, maximum: 100_000_000 },
  'Llm.temperature': { minimum: 0, maximum: 2 },
  'Llm.tool_choice': TOKENS,
  'LlmTool.name': TOKENS,
  'LlmTool.agent': TOKENS,
  'LlmTool.description': { minLength: 1, maxLength: 10_000 },
  'LlmTool.input_schema': { type: 'object', additionalProperties: true },
  'LlmTool.timeout_ms': MILLISECONDS,
  'LlmTool.parallel': { minimum: 1, maximum: 8 },
  'LlmTool.max_result_bytes': { minimum: 100, maximum: 1_048_576 },
  'Settings.parallel_limit': { minimum: 0, maximum: LIMITS.steps },
  'Settings.consensus_threshold': SHARE,
  'Settings.callback_url': { format: 'uri', maxLength: 2048 },
  'Settings.timeout_ms': LIFETIME,
  'Settings.on_failure': FAILURE_POLICIES,
  'Budget.max_tokens': { type: 'integer', minimum: 1 },
  'Budget.max_cost': { exclusiveMinimum: 0 },
  'ConsensusGroup.id': TOKENS,
  'ConsensusGroup.mode': { enum: ['quorum', 'majority', 'weighted', 'unanimous', 'best', 'judge'] },
  'ConsensusGroup.threshold': SHARE,
  'ConsensusGroup.vote_key': EXPRESSION,
  'ConsensusGroup.score': EXPRESSION,
  'ConsensusGroup.judge': TOKENS,
  'ConsensusGroup.on_tie': { enum: ['fail', 'first', 'judge'] },
  'ConsensusGroup.on_failure': FAILURE_POLICIES,
  'ConsensusGroup.output_key': OUTPUT_KEY,
  'ApiKeyBody.user_id': TEXT_255,
  'ApiKeyBody.name': TEXT_255,
  'ApiKeyBody.tenant_id': { pattern: TENANT_ID.source },
  'ExecuteBody.session_id': TEXT_255,
  'ForkBody.session_id': TEXT_255,
  'ForkBody.from_step_id': TOKENS,
  'PoolCredentialsBody.name': TEXT_255,
  'DocumentBody.source': { minLength: 1 },
  'DocumentBody.content': { minLength: 1 },
  'AckBody.ids': { minItems: 1 },
};
