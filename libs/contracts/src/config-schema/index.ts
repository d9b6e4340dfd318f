export { CONFIG_SCHEMA, FLAT_CONFIG_SCHEMA } from './config-schema.js';
export { HINT, ifThen, objectOf, RULE } from './schema.js';
export type { DocumentSchema, ValueMistake, ValueRule } from './schema.js';
export { isUuid, METADATA_SCHEMA, nameSchema, TOKEN_SCHEMA } from './texts.js';
export { KIND_FIELDS, KIND_NAMES } from './kinds/index.js';
