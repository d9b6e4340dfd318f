export { CONFIG_SCHEMA, FLAT_CONFIG_SCHEMA } from './config-schema.js';
export { milliseconds as millisecondsSchema } from './limits.js';
export {
  anyObject as anyObjectSchema,
  flag as flagSchema,
  HINT,
  ifThen,
  list as listSchema,
  objectOf,
  RULE,
  text as textSchema,
  whole as wholeSchema,
  word as wordSchema,
} from './schema.js';
export type { DocumentSchema, ValueMistake, ValueRule } from './schema.js';
export { retry as RETRY_SCHEMA } from './step.js';
export { isUuid, METADATA_SCHEMA, nameSchema, TOKEN_SCHEMA } from './texts.js';
export { KIND_FIELDS, KIND_NAMES } from './kinds/index.js';
