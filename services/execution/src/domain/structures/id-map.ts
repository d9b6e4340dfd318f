/**
 * A persistent map by id: a trie over the digits of the id. Ids are UUIDs, so their first digits are spread evenly. Get,
 * set and remove cost O(log n) and do not change existing maps. `undefined` is the empty map.
 */
export type IdMap<T> = Branch<T> | Leaf<T> | undefined;

interface Leaf<T> {
  readonly size: 1;
  readonly id: string;
  readonly value: T;
}

interface Branch<T> {
  readonly size: number;
  readonly children: readonly IdMap<T>[];
}

const WIDTH = 16;

/** Up to this depth a character is one digit, which is exact for UUIDs. */
const SHORT = 48;

/** The digit that chooses the branch at a depth. Deeper down each character has four digits, so that no two ids are alike. */
function digit(id: string, depth: number): number {
  if (depth < SHORT) return parseInt(id[depth] ?? '0', WIDTH) || id.charCodeAt(depth) % WIDTH || 0;
  const deeper = depth - SHORT;
  const code = (id.charCodeAt(deeper >> 2) || 0) + (deeper >> 2 < id.length ? 1 : 0);
  return (code >> (4 * (deeper & 3))) & (WIDTH - 1);
}

function isLeaf<T>(map: Branch<T> | Leaf<T>): map is Leaf<T> {
  return 'id' in map;
}

export function idMapSize(map: IdMap<unknown>): number {
  return map?.size ?? 0;
}

export function idMapGet<T>(map: IdMap<T>, id: string): T | undefined {
  let node = map;
  for (let depth = 0; node !== undefined; depth++) {
    if (isLeaf(node)) return node.id === id ? node.value : undefined;
    node = node.children[digit(id, depth)];
  }
  return undefined;
}

function branchOf<T>(children: readonly IdMap<T>[]): IdMap<T> {
  let size = 0;
  let only: IdMap<T>;
  for (const child of children) {
    if (child === undefined) continue;
    size += child.size;
    only = child;
  }
  // A single entry needs no branch, so that the shape follows from the content alone.
  return size === 1 ? only : size === 0 ? undefined : { size, children };
}

function put<T>(map: IdMap<T>, leaf: Leaf<T>, depth: number): IdMap<T> {
  if (map === undefined) return leaf;
  if (isLeaf(map)) {
    if (map.id === leaf.id) return leaf;
    const children = Array.from<IdMap<T>>({ length: WIDTH });
    children[digit(map.id, depth)] = map;
    return put({ size: 1, children }, leaf, depth);
  }
  const at = digit(leaf.id, depth);
  const children = [...map.children];
  children[at] = put(children[at], leaf, depth + 1);
  return branchOf(children);
}

export function idMapSet<T>(map: IdMap<T>, id: string, value: T): IdMap<T> {
  return put(map, { size: 1, id, value }, 0);
}

export function idMapDelete<T>(map: IdMap<T>, id: string, depth = 0): IdMap<T> {
  if (map === undefined) return undefined;
  if (isLeaf(map)) return map.id === id ? undefined : map;
  const at = digit(id, depth);
  const child = map.children[at];
  const rest = idMapDelete(child, id, depth + 1);
  if (rest === child) return map;
  const children = [...map.children];
  children[at] = rest;
  return branchOf(children);
}

/** All values, in the order of the digits. */
export function idMapValues<T>(map: IdMap<T>): T[] {
  if (map === undefined) return [];
  return isLeaf(map) ? [map.value] : map.children.flatMap((child) => idMapValues(child));
}
