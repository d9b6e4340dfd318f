import type { FailedItem, JsonValue } from '@batuta/contracts';

/** The items that one child works on. */
export interface ChunkState {
  /** waiting: nobody works on it. running: a lane has a child for it. ended: every item has its outcome. */
  readonly phase: 'waiting' | 'running' | 'ended';
  /** Number of its newest child. 0 for none. */
  readonly child: number;
  readonly completed: number;
  readonly failed: number;
  readonly failedItems: readonly FailedItem[];
  /** Undefined when there are none, or when the step does not keep them. */
  readonly results: readonly JsonValue[] | undefined;
  readonly resultBytes: number;
  /** The spending of its children when the parent last heard of it. */
  readonly counted: { readonly tokens: number; readonly cost: number };
}

/** How far a step with a map has come. There are at most some hundred chunks, whatever the number of items. */
export interface MapState {
  /** 1 for the first list of the step. */
  readonly number: number;
  readonly itemsKey: string;
  readonly total: number;
  readonly tolerated: number;
  /** The first item of each chunk. */
  readonly starts: readonly number[];
  readonly chunks: readonly ChunkState[];
  /** Sums over all chunks. */
  readonly completed: number;
  readonly failed: number;
  readonly listed: number;
  readonly resultBytes: number;
  /** Chunks that have not ended. */
  readonly open: number;
}

export const NEW_CHUNK: ChunkState = {
  phase: 'waiting',
  child: 0,
  completed: 0,
  failed: 0,
  failedItems: [],
  results: undefined,
  resultBytes: 0,
  counted: { tokens: 0, cost: 0 },
};

/** How many items a chunk has. */
export function chunkSize({ starts, total }: Pick<MapState, 'starts' | 'total'>, chunk: number): number {
  return (starts[chunk + 1] ?? total) - (starts[chunk] ?? total);
}

/** The map with another state of one chunk. Sums are kept correct. */
export function withChunk(map: MapState, chunk: number, after: ChunkState): MapState {
  const before = map.chunks[chunk] ?? NEW_CHUNK;
  return {
    ...map,
    chunks: map.chunks.with(chunk, after),
    completed: map.completed + after.completed - before.completed,
    failed: map.failed + after.failed - before.failed,
    listed: map.listed + after.failedItems.length - before.failedItems.length,
    resultBytes: map.resultBytes + after.resultBytes - before.resultBytes,
    open: map.open + (before.phase === 'ended' ? 1 : 0) - (after.phase === 'ended' ? 1 : 0),
  };
}

/** The map in another run over the same list: chunks in which every item was successful are kept. */
export function mapAgain(map: MapState): MapState {
  let again = map;
  for (const [chunk, state] of map.chunks.entries()) {
    if (state.phase !== 'ended' || state.failed > 0) {
      const { child, counted } = state;
      again = withChunk(again, chunk, { ...NEW_CHUNK, child, counted });
    }
  }
  return again;
}

/** A step that was done runs again, so it works on its whole list again. */
export function anew(map: MapState): MapState {
  return { ...map, itemsKey: '' };
}

/** The step has its output, so that the state need not keep the results too. */
export function withoutResults(map: MapState): MapState {
  return { ...map, chunks: map.chunks.map((chunk) => ({ ...chunk, results: undefined })) };
}

export function failedItemsOf(map: MapState): FailedItem[] {
  return map.chunks.flatMap(({ failedItems }) => failedItems);
}
