import type { Event } from '@batuta/contracts';
import { closeChild } from '../../fold/children.js';
import { compiledUnit, putUnit } from '../../state/nodes.js';
import { unitState, type Next, type State } from '../../state/state.js';
import { initialUnit } from '../../state/unit-state.js';
import { NEW_CHUNK, withChunk, type ChunkState, type MapState } from './map-state.js';

/** The map that a lane works for. */
export function mapOfLane(state: State, lane: number): MapState | undefined {
  const { caller } = compiledUnit(state, lane);
  return caller === -1 ? undefined : unitState(state, caller).map;
}

/** Changes the chunk that a lane works on. */
export function putChunk(next: Next, lane: number, chunk: number, change: (before: ChunkState) => ChunkState): void {
  const { caller } = compiledUnit(next, lane);
  const unit = unitState(next, caller);
  if (unit.map !== undefined) {
    putUnit(next, caller, { ...unit, map: withChunk(unit.map, chunk, change(unit.map.chunks[chunk] ?? NEW_CHUNK)) });
  }
}

/** A lane without work. It keeps its child, which may still have to be told something. */
export function freeLane(next: Next, lane: number): void {
  const { child, tokenCount, cost } = unitState(next, lane);
  putUnit(next, lane, { ...initialUnit(0, false), child, tokenCount, cost });
}

/** A step with a map is over, so its children are not wanted any more. */
export function leaveLanes(next: Next, step: number, event: Event): void {
  const { places, work } = compiledUnit(next, step);
  if (work.kind !== 'map') return;
  for (const lane of places) {
    closeChild(next, lane, event);
    freeLane(next, lane);
  }
}
