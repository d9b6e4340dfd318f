import type { JsonValue } from '@batuta/contracts';
import type { CompiledConfig } from '../graph/compiled.js';
import { heapInsert, type Heap } from '../structures/heap.js';
import { initialState, listItems, type List, type State } from './state.js';
import { Vector } from '../structures/vector.js';

/**
 * Raise it with every change to the state's computation or shape. Snapshots of another version are dropped and made
 * again from the events.
 */
export const REDUCER_VERSION = 17;

type Entry = readonly [key: number, item: number, tag: number];

const HEAPS = ['ready', 'readyApprovals', 'retries', 'toolRetries', 'deadlines'] as const;
const LISTS = ['votesToEvaluate', 'decidable', 'undoable', 'undone', 'commands', 'controls', 'keptSignals'] as const;

function heapEntries(heap: Heap | undefined): Entry[] {
  const entries: Entry[] = [];
  const open = heap === undefined ? [] : [heap];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    entries.push([node.key, node.item, node.tag]);
    for (const child of [node.left, node.right]) {
      if (child !== undefined) {
        open.push(child);
      }
    }
  }
  // In order of time and position, so that equal states give equal texts, independent of the history of their heaps.
  return entries.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
}

function heapFrom(entries: readonly Entry[]): Heap | undefined {
  return entries.reduce<Heap | undefined>((heap, [key, item, tag]) => heapInsert(heap, key, item, tag), undefined);
}

function listFrom<T>(items: readonly T[]): List<T> | undefined {
  return items.reduceRight<List<T> | undefined>((tail, head) => ({ head, tail }), undefined);
}

/** Items of a vector that differ from the initial ones of the config, by index. */
function changes<T>(vector: Vector<T>, initial: Vector<T>): [number, T][] {
  const from = initial.toArray();
  return vector.toArray().flatMap((item, index): [number, T][] => (item === from[index] ? [] : [[index, item]]));
}

interface Encoded {
  readonly reducer: number;
  readonly state: Readonly<Record<string, unknown>>;
  readonly units: readonly [number, object][];
  readonly groups: readonly [number, object][];
  readonly heaps: Readonly<Record<string, readonly Entry[]>>;
  readonly lists: Readonly<Record<string, readonly unknown[]>>;
}

/** The state as JSON, without its config. It represents the events up to `state.version`, and contains nothing else. */
export function encodeSnapshot(state: State): JsonValue {
  const { config, units, groups, ...rest } = state;
  const plain: Record<string, unknown> = { ...rest };
  for (const name of [...HEAPS, ...LISTS]) {
    delete plain[name];
  }
  const encoded: Encoded = {
    reducer: REDUCER_VERSION,
    state: plain,
    units: changes(units, config.initialUnits),
    groups: changes(groups, config.initialGroups),
    heaps: Object.fromEntries(HEAPS.map((name) => [name, heapEntries(state[name])])),
    lists: Object.fromEntries(LISTS.map((name) => [name, listItems<unknown>(state[name])])),
  };
  return encoded as unknown as JsonValue;
}

/** The state in a snapshot of `encodeSnapshot`. Undefined when another version made it. */
export function decodeSnapshot(config: CompiledConfig, snapshot: JsonValue): State | undefined {
  const encoded = snapshot as unknown as Partial<Encoded> | null;
  if (typeof encoded !== 'object' || encoded?.reducer !== REDUCER_VERSION) {
    return undefined;
  }
  const { state, units = [], groups = [], heaps = {}, lists = {} } = encoded;
  const initial = initialState(config);
  return {
    ...absent(initial),
    ...state,
    config,
    units: units.reduce(
      (vector, [index, unit]) => vector.set(index, { ...absent(vector.get(index)), ...unit } as never),
      initial.units,
    ),
    groups: groups.reduce(
      (vector, [index, group]) => vector.set(index, { ...absent(vector.get(index)), ...group } as never),
      initial.groups,
    ),
    ...Object.fromEntries(HEAPS.map((name) => [name, heapFrom(heaps[name] ?? [])])),
    ...Object.fromEntries(LISTS.map((name) => [name, listFrom(lists[name] ?? [])])),
  } as State;
}

/** JSON omits undefined fields. These must be set to undefined again, whatever their initial value. */
function absent(initial: object | undefined): object {
  return Object.fromEntries(Object.keys(initial ?? {}).map((key) => [key, undefined]));
}
