import { TOKEN } from '@batuta/contracts';
import type { OpenApiSchema } from './openapi-schema.js';

export const TEXT_255: OpenApiSchema = { minLength: 1, maxLength: 255 };
export const TOKENS: OpenApiSchema = { pattern: TOKEN.source };

export const UUID_SCHEMA: OpenApiSchema = { type: 'string', format: 'uuid' };
/** An id or a name. */
export const NAME_SCHEMA: OpenApiSchema = { type: 'string', minLength: 1, maxLength: 255 };
export const TOKENS_SCHEMA: OpenApiSchema = { type: 'string', pattern: TOKEN.source };
export const VERSION_SCHEMA: OpenApiSchema = { type: 'integer', minimum: 1 };
