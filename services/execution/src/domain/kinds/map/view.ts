import type { MapView } from '@batuta/contracts';
import { chunkSize, failedItemsOf, type MapState } from './map-state.js';

/** Failed items that the view of a step shows. */
const SHOWN = 100;

export function mapView(map: MapState, works: boolean): MapView {
  const running = works
    ? map.chunks.reduce((sum, { phase }, chunk) => sum + (phase === 'running' ? chunkSize(map, chunk) : 0), 0)
    : 0;
  return {
    total: map.total,
    done: map.completed,
    failed: map.failed,
    running,
    tolerated: map.tolerated,
    failedItems: failedItemsOf(map).slice(0, SHOWN),
  };
}
