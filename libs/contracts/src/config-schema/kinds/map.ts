import { MAP_RESULTS, ON_PARENT_CLOSE } from '../../codes.js';
import type { ItemStep, MapDefinition } from '../../config.js';
import { DEFAULT_STEP_TIMEOUT_MS, LIMITS } from '../../limits.js';
import { expressionIn } from '../../mapping.js';
import { milliseconds } from '../limits.js';
import { anyJson, objectOf, RULE, use, whole, word } from '../schema.js';
import type { DocumentSchema } from '../schema.js';
import { REPEATS_NOT } from './kind.js';
import type { KindField } from './kind.js';

/** What may work on an item. A step of another kind is put into a config, and the items are given to that. */
const WORKERS = ['agent', 'orchestration', 'llm', 'map'] as const;
const SHARE = /^(?:100|\d{1,2}(?:\.\d{1,3})?)%$/;

const toleratedFailures: DocumentSchema = {
  description: 'How many items may fail: a number, or a share of the items such as "5%".',
  type: ['integer', 'string'],
  minimum: 0,
  maximum: LIMITS.mapItems,
  pattern: SHARE.source,
  default: 0,
  [RULE]: (value) =>
    typeof value !== 'string' || SHARE.test(value)
      ? undefined
      : { code: 'bad_format', message: 'must be a number of items, or a share of them from "0%" to "100%"' },
};

const items: DocumentSchema = {
  ...anyJson('The list: one expression `{% … %}`, or a list whose texts may be expressions.'),
  [RULE]: (value) =>
    Array.isArray(value) || (typeof value === 'string' && expressionIn(value) !== undefined)
      ? undefined
      : { code: 'bad_format', message: 'must be a list, or one expression such as "{% input.list %}"' },
};

const itemFields = objectOf<Required<ItemStep>>(
  'What is done with one item. Expressions also see `item` and `index`.',
  {
    name: use('Name', '1 to 255 characters, for people; default the name of the step.'),
    agent: use('Token', 'A built-in agent or one of the tenant’s; required unless another field stands in its place.'),
    orchestration: use('Orchestration', 'In place of an agent: an execution of another config for each item.'),
    llm: use('Llm', 'In place of an agent: a model is asked about each item.'),
    map: use('Map', 'In place of an agent: each item is a list again.'),
    input: anyJson('Mapping of the input; texts `{% … %}` are JSONata. Default: the item.'),
    when: use('Expression', 'JSONata: an item is skipped, and its result is null, unless it is true.'),
    timeout_ms: milliseconds(
      'Milliseconds that one attempt may take, from the agent’s start.',
      DEFAULT_STEP_TIMEOUT_MS,
    ),
    retry: use('Retry', 'Whether and when a failed attempt is tried again, for each item by itself.'),
    schedule_to_start_ms: milliseconds('Milliseconds that an attempt may wait for a worker.'),
    schedule_to_close_ms: milliseconds('Milliseconds for all attempts of one item with their waits.'),
    heartbeat_ms: milliseconds('Milliseconds between two signs of life of the agent.'),
  },
);

const itemStep: DocumentSchema = {
  ...itemFields,
  anyOf: WORKERS.map((kind) => ({ required: [kind] })),
  [RULE]: (value) =>
    WORKERS.some((kind) => Object.hasOwn(value as object, kind))
      ? undefined
      : {
          code: 'required',
          message: `agent is required, or one of ${WORKERS.slice(1).join(', ')} in its place`,
          path: '/agent',
        },
};

const map = objectOf<Required<MapDefinition>>(
  'Each item of a list is worked on by itself.',
  {
    items,
    step: use('ItemStep', 'What is done with each item.'),
    max_concurrency: whole('Items that are worked on at once.', 1, LIMITS.mapConcurrency, LIMITS.mapConcurrency),
    tolerated_failures: toleratedFailures,
    max_items: whole('The longest list; the step fails with a longer one.', 1, LIMITS.mapItems, LIMITS.mapItems),
    results: word(
      '`list`: the outputs in the order of the items; `report`: also counts and failed items; `counts`: the same without the outputs.',
      MAP_RESULTS,
      MAP_RESULTS[0],
    ),
    on_parent_close: word(
      'What becomes of items in work when the step ends before them.',
      ON_PARENT_CLOSE,
      ON_PARENT_CLOSE[0],
    ),
  },
  ['items', 'step'],
);

export const mapDefinitions = { Map: map, ItemStep: itemStep } as const;

export const mapField: KindField = {
  description: 'In place of an agent: each item of a list is worked on by itself.',
  called: 'a map',
  mappings: ['items'],
  without: {
    input: 'each item gets map.step.input',
    timeout_ms: 'each item has map.step.timeout_ms, and the whole settings.timeout_ms',
    retry: 'each item has map.step.retry, and a retry of this execution works on failed items again',
    heartbeat_ms: 'each item has map.step.heartbeat_ms',
    schedule_to_start_ms: 'each item has map.step.schedule_to_start_ms',
    schedule_to_close_ms: 'each item has map.step.schedule_to_close_ms',
    repeat: REPEATS_NOT,
  },
};
