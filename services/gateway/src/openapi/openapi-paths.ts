import { TENANT_ID, TOKEN } from '@batuta/contracts';
import type { OpenApiSchema } from './openapi-schema.js';

/** A path parameter, with an example value. */
export interface PathParameter {
  readonly description: string;
  readonly schema: OpenApiSchema;
  readonly example?: string;
}

const UUID: OpenApiSchema = { type: 'string', format: 'uuid' };
const NAME: OpenApiSchema = { type: 'string', minLength: 1, maxLength: 255 };
const TOKENS: OpenApiSchema = { type: 'string', pattern: TOKEN.source };
const VERSION: OpenApiSchema = { type: 'integer', minimum: 1 };

/**
 * By the beginning of the path and the parameter's name; the first match counts. A test refuses a parameter without an
 * entry.
 */
const PARAMETERS: readonly (readonly [RegExp, string, PathParameter])[] = [
  [
    /^\/api\/v1\/orchestrations\/configs\//,
    'id',
    { description: 'The config, by id or name.', schema: NAME, example: 'two-steps' },
  ],
  [/^\/api\/v1\/orchestrations\/executions\//, 'id', { description: 'The execution.', schema: UUID }],
  [
    /^\/api\/v1\/orchestrations\/executions\//,
    'name',
    { description: 'Name of the signal.', schema: TOKENS, example: 'payment' },
  ],
  [/^\/api\/v1\/orchestrations\/callbacks\/deliveries\//, 'id', { description: 'The delivery.', schema: UUID }],
  [/^\/api\/v1\/orchestrations\/callbacks\//, 'id', { description: 'The callback.', schema: UUID }],
  [/^\/api\/v1\/tasks\//, 'task_id', { description: 'The task, by the id that its sender gave.', schema: NAME }],
  [
    /^\/api\/v1\/workflows\//,
    'id',
    { description: 'The workflow, by id or name.', schema: NAME, example: 'greetings' },
  ],
  [/^\/api\/v1\/processes\//, 'id', { description: 'The process.', schema: NAME, example: 'prepare' }],
  [/^\/api\/v1\/(?:workflows|processes)\//, 'run_id', { description: 'The run.', schema: UUID }],
  [/^\/api\/v1\/schedules\//, 'id', { description: 'The schedule.', schema: UUID }],
  [/^\/api\/v1\/knowledge\/documents\//, 'id', { description: 'The document.', schema: UUID }],
  [/^\/api\/v1\/api-keys\//, 'id', { description: 'The API key.', schema: UUID }],
  [/^\/api\/v1\/pools\//, 'id', { description: 'The credentials.', schema: UUID }],
  [/^\/api\/v1\/pools\//, 'pool', { description: 'The pool.', schema: TOKENS, example: 'text' }],
  [/^\/api\/v1\/agents\//, 'name', { description: 'Name of the agent.', schema: TOKENS, example: 'word_count' }],
  [/^\/api\/v1\/models\//, 'name', { description: 'Name of the model.', schema: TOKENS, example: 'writer' }],
  [
    /^\/api\/v1\/retention-policies\//,
    'name',
    { description: 'Name of the policy.', schema: TOKENS, example: 'month' },
  ],
  [/^\/api\/v1\/secrets\//, 'name', { description: 'Name of the secret.', schema: TOKENS, example: 'TICKET_TOKEN' }],
  [/^\/api\/v1\/orchestrations\/configs\//, 'version', { description: 'The version of the config.', schema: VERSION }],
  [
    /^\/api\/v1\/tenants\//,
    'tenant',
    { description: 'The tenant.', schema: { type: 'string', pattern: TENANT_ID.source }, example: 'acme' },
  ],
  [/./, 'version', { description: 'The version of the event.', schema: VERSION }],
  [/./, 'config_id', { description: 'The config, by id or name.', schema: NAME, example: 'two-steps' }],
  [/./, 'step_id', { description: 'The step or consensus group.', schema: TOKENS, example: 'again' }],
  [
    /./,
    'trace_id',
    { description: 'Trace id of the execution.', schema: { type: 'string', pattern: '^[0-9a-fA-F]{32}$' } },
  ],
];

export const pathParameter = (path: string, name: string): PathParameter | undefined =>
  PARAMETERS.find(([pattern, parameter]) => parameter === name && pattern.test(path))?.[2];
