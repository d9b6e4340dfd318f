import { FLAT_CONFIG_SCHEMA } from '@batuta/contracts';
import { documentCheck } from '@batuta/documents';

/** Types, known and required fields, lengths and ranges of a whole definition in the flat form. */
export const definitionShape = documentCheck(FLAT_CONFIG_SCHEMA);
