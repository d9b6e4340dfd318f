import { TOKEN } from '@batuta/contracts';
import type { OpenApiSchema } from './openapi-schema.js';

export const TEXT_255: OpenApiSchema = { minLength: 1, maxLength: 255 };
export const TOKENS: OpenApiSchema = { pattern: TOKEN.source };
export const EXPRESSION: OpenApiSchema = { minLength: 1, maxLength: 32 * 1024 };
export const MILLISECONDS: OpenApiSchema = { minimum: 1, maximum: 2_147_483_647 };
export const PAUSE: OpenApiSchema = { minimum: 0, maximum: 2_147_483_647 };
/** Ten years: an execution must end some day. */
export const LIFETIME: OpenApiSchema = { type: 'integer', minimum: 1, maximum: 10 * 365 * 24 * 3600 * 1000 };
export const SHARE: OpenApiSchema = { exclusiveMinimum: 0, maximum: 1 };
export const FAILURE_POLICIES: OpenApiSchema = { enum: ['abort', 'continue', 'fallback'] };
export const OUTPUT_KEY: OpenApiSchema = { minLength: 1, maxLength: 128 };

export const UUID_SCHEMA: OpenApiSchema = { type: 'string', format: 'uuid' };
/** An id or a name. */
export const NAME_SCHEMA: OpenApiSchema = { type: 'string', minLength: 1, maxLength: 255 };
export const TOKENS_SCHEMA: OpenApiSchema = { type: 'string', pattern: TOKEN.source };
export const VERSION_SCHEMA: OpenApiSchema = { type: 'integer', minimum: 1 };
