import { booleanParameter, integerParameter } from './parameters.js';

const MAX_OFFSET = 1_000_000;

/**
 * Query parameters of a list that can also be read by offset, and that returns the total number of items on request.
 */
export const OFFSET = {
  offset: integerParameter(
    'Items to pass over, instead of `cursor`; the answer then has `total`, `limit` and `offset`. Items made meanwhile move the others; a cursor does not notice them.',
    0,
    MAX_OFFSET,
  ),
  with_total: booleanParameter('Says in `total` how many items match on all pages together.'),
} as const;
