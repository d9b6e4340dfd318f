import { FAILURE_CODES, LIMITS, type JsonValue } from '@batuta/contracts';
import type { Draft } from '../../draft.js';
import type { Unit } from '../../graph/compiled.js';
import { unitState } from '../../state/state.js';
import { canonicalJson, jsonBytes } from '../../structures/json.js';
import { textName } from '../../structures/random.js';
import type { StepKind } from '../kind.js';
import { chunksOf } from './chunks.js';
import { sharedScope } from './chunk-start.js';
import { compileMap, mapMapping, toleratedOf, type MapRules } from './rules.js';
import { mapView } from './view.js';

/** For the other fields of a chunk's input. */
const FIELDS_BYTES = 1_024;

/** The step has its list. Children work on it, which `advanceMaps` requests. */
function start(draft: Draft, unit: Unit, rules: MapRules, items: JsonValue): void {
  const { state } = draft;
  const fail = (code: string, message: string): void => draft.failStep(unit.index, { code, message, retryable: false });
  if (!Array.isArray(items)) {
    return fail(FAILURE_CODES.itemsInvalid, `items must be a list and is ${nameOf(items)}; ${HINT}`);
  }
  if (items.length > rules.maxItems) {
    const message = `the list has ${items.length} items, and at most ${rules.maxItems} are allowed (max_items)`;
    return fail(FAILURE_CODES.itemsInvalid, message);
  }
  if ((state.started?.parent?.depth ?? 0) >= LIMITS.executionDepth) {
    const message = `executions are nested ${LIMITS.executionDepth} deep, which is the limit: does a map or a config contain itself?`;
    return fail(FAILURE_CODES.nestedTooDeep, message);
  }
  const shared = jsonBytes(sharedScope(state, unit, rules)) + FIELDS_BYTES;
  const chunks = chunksOf(items, LIMITS.payloadBytes - shared);
  if ('tooLarge' in chunks) {
    const message = `item ${chunks.tooLarge} has ${chunks.bytes} bytes and the other values that its step refers to have ${shared}; the limit of both is ${LIMITS.payloadBytes}`;
    return fail(FAILURE_CODES.inputTooLarge, message);
  }
  const itemsKey = textName(canonicalJson(items));
  const before = unitState(state, unit.index).map;
  const resumed = before?.itemsKey === itemsKey;
  draft.emit({
    type: 'MapStarted',
    data: {
      itemsKey,
      number: resumed ? before.number : (before?.number ?? 0) + 1,
      ...(resumed ? { resumed } : {}),
      starts: resumed ? [...before.starts] : chunks.starts,
      stepId: unit.id,
      tolerated: toleratedOf(rules, items.length),
      total: items.length,
    },
  });
}

const HINT =
  'an expression that selects from a list gives the value itself when it finds one, and nothing when it finds none: put it into brackets, as in {% [input.orders[paid]] %}';

function nameOf(value: JsonValue): string {
  return value === null ? 'null' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** Each item of a list is worked on by itself, in children that have some of the items each. */
export const mapKind: StepKind<MapRules> = {
  compile: compileMap,
  mapping: mapMapping,
  takesSlot: true,
  start,
  finished: undefined,
  awaitsUntil: ({ map }) => (map === undefined ? undefined : 0),
  due: () => undefined,
  view: (_state, { map, phase }) => (map === undefined ? {} : { map: mapView(map, phase === 'awaiting') }),
  failures: {
    [FAILURE_CODES.itemsInvalid]: { happened: 'could not begin', is: 'error' },
    [FAILURE_CODES.itemsFailed]: { happened: 'failed', is: 'error' },
  },
};
