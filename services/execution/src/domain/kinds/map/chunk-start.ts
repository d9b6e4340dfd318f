import { uuidV5, type JsonObject, type JsonValue, type OrchestrationDefinition } from '@batuta/contracts';
import { referredTo, unitContext } from '../../expressions/evaluations.js';
import type { Unit } from '../../graph/compiled.js';
import { unitState, type State } from '../../state/state.js';
import { isObject } from '../../structures/json.js';
import { chunkSize } from './map-state.js';
import { laneConcurrency, mapOf, type MapRules } from './rules.js';

/** The config of a chunk: one step for each of its items. It exists only within the engine. */
export interface ChunkConfig {
  /** The step with the map. */
  readonly stepId: string;
  readonly configId: string;
  readonly version: number;
  readonly definition: OrchestrationDefinition & { readonly chunk_items: number };
}

/** Texts of a step that may refer to the scope. Other texts, such as names, are no expressions. */
function expressionsOf(value: JsonValue | undefined, found: string[] = []): string[] {
  if (typeof value === 'string') {
    if (value.includes('{%')) found.push(value.replaceAll('{%', '').replaceAll('%}', ''));
  } else if (Array.isArray(value)) {
    for (const each of value) expressionsOf(each, found);
  } else if (isObject(value)) {
    for (const [field, each] of Object.entries(value)) {
      // These need no marks.
      if (field === 'when' && typeof each === 'string' && !each.includes('{%')) found.push(each);
      else expressionsOf(each, found);
    }
  }
  return found;
}

/** What the expressions of the items' step refer to, besides the item. */
export function sharedScope(state: State, unit: Unit, { definition }: MapRules): JsonObject {
  const sources = expressionsOf(definition.step as unknown as JsonObject);
  const { input, outputs, execution } = unitContext(state, unit);
  const named = referredTo(sources, { input: input ?? null, outputs: outputs ?? {} });
  return { ...named, execution: execution ?? {} };
}

/** The step of a lane. */
export function stepOfLane(state: State, lane: Unit): Unit | undefined {
  return state.config.units[lane.caller];
}

/** What a chunk is started with: its part of all items, and what their expressions see besides them. */
export function chunkInput(state: State, lane: Unit, items: JsonValue | undefined): JsonValue {
  const unit = stepOfLane(state, lane);
  const rules = unit === undefined ? undefined : mapOf(unit);
  const { child } = unitState(state, lane.index);
  const map = unit === undefined ? undefined : unitState(state, unit.index).map;
  if (unit === undefined || rules === undefined || map === undefined || child?.chunk === undefined) {
    return null;
  }
  const first = map.starts[child.chunk] ?? 0;
  return {
    ...sharedScope(state, unit, rules),
    first,
    items: Array.isArray(items) ? items.slice(first, first + chunkSize(map, child.chunk)) : [],
    results: rules.results !== 'counts',
    tolerated: map.tolerated,
  };
}

/** The config of the chunk that a lane is to work on. */
export function chunkConfig(state: State, lane: Unit): ChunkConfig | undefined {
  const unit = stepOfLane(state, lane);
  const rules = unit === undefined ? undefined : mapOf(unit);
  const { child } = unitState(state, lane.index);
  const map = unit === undefined ? undefined : unitState(state, unit.index).map;
  const { started, config } = state;
  if (
    unit === undefined ||
    rules === undefined ||
    map === undefined ||
    child?.chunk === undefined ||
    started === undefined
  ) {
    return undefined;
  }
  const items = chunkSize(map, child.chunk);
  const concurrency = laneConcurrency(rules, map.chunks.length, unit.places.indexOf(lane.index));
  const { enable_monitoring: monitored } = config.definition.settings ?? {};
  const settings = {
    parallel_limit: concurrency,
    ...(monitored === undefined ? {} : { enable_monitoring: monitored }),
    ...(config.definition.settings?.timeout_ms === undefined
      ? {}
      : { timeout_ms: config.definition.settings.timeout_ms }),
  };
  return {
    stepId: unit.id,
    // The copy belongs to the tenant, also of a global config: it goes when the tenant is erased.
    configId: uuidV5(
      started.configId,
      `${started.tenantId}/${started.configVersion}/${unit.id}/${items}/${concurrency}`,
    ),
    version: started.configVersion,
    definition: {
      name: `${config.definition.name}/${unit.id}`.slice(0, 255),
      strategy: 'parallel',
      chunk_items: items,
      steps: [{ ...rules.definition.step, id: unit.id, name: rules.definition.step.name ?? unit.name }],
      settings,
    },
  };
}
