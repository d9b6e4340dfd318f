import { LIMITS, type JsonValue } from '@batuta/contracts';
import type { Draft } from '../../draft.js';
import type { Unit } from '../../graph/compiled.js';
import { compiledUnit } from '../../state/nodes.js';
import { unitState, type State } from '../../state/state.js';
import { jsonBytesBeyond } from '../../structures/json.js';
import { requestChunk } from '../orchestration/child.js';
import { failureOfMap, outputTooLarge, shownItem } from './failures.js';
import { failedItemsOf, type MapState } from './map-state.js';
import { mapOf } from './rules.js';

/** A chunk that nobody works on, and a lane without a chunk. */
function nextWork(
  state: State,
  step: Unit,
  map: MapState,
): { readonly lane: Unit; readonly chunk: number } | undefined {
  if (map.open === 0) return undefined;
  const free = step.places.filter((lane) => unitState(state, lane).phase === 'waiting');
  if (free.length === 0) return undefined;
  // A lane whose chunk was stopped and has not yet told its end continues with that chunk.
  for (const lane of free) {
    const { child } = unitState(state, lane);
    if (child?.chunk === undefined || child.ended !== undefined || child.map !== map.number) continue;
    if (map.chunks[child.chunk]?.phase === 'waiting') return { lane: compiledUnit(state, lane), chunk: child.chunk };
  }
  const chunk = map.chunks.findIndex(({ phase }) => phase === 'waiting');
  const lane =
    free.find((each) => isIdle(state, each)) ?? free.find((each) => unitState(state, each).child?.map !== map.number);
  return chunk === -1 || lane === undefined ? undefined : { lane: compiledUnit(state, lane), chunk };
}

/** A lane with a child of an earlier list that has not ended still tells it to stop, so it is used last. */
function isIdle(state: State, lane: number): boolean {
  const { child } = unitState(state, lane);
  return child === undefined || child.ended !== undefined;
}

/** Whether a step with a map would start another child now. */
export function wantsChunk(state: State): boolean {
  return state.config.mapUnits.some((index) => {
    const { phase, map } = unitState(state, index);
    return phase === 'awaiting' && map !== undefined && nextWork(state, compiledUnit(state, index), map) !== undefined;
  });
}

/** Does the next thing that follows for a step with a map: its end, or another child. Returns whether there was one. */
export function advanceMaps(draft: Draft, mayStart: boolean): boolean {
  const { state } = draft;
  for (const index of state.config.mapUnits) {
    const { phase, map, firstScheduledAt } = unitState(state, index);
    if (phase !== 'awaiting' || map === undefined) continue;
    const step = compiledUnit(state, index);
    const failure = failureOfMap(map);
    if (failure !== undefined) {
      draft.failStep(index, failure);
      return true;
    }
    if (map.open === 0) {
      complete(draft, step, map, firstScheduledAt);
      return true;
    }
    const next = mayStart ? nextWork(state, step, map) : undefined;
    if (next !== undefined) {
      requestChunk(draft, step, next.lane, next.chunk);
      return true;
    }
  }
  return false;
}

function complete(draft: Draft, step: Unit, map: MapState, startedAt: number): void {
  const output = outputOf(map, mapOf(step)?.results ?? 'list');
  if (jsonBytesBeyond(LIMITS.payloadBytes, output) !== undefined) {
    draft.failStep(step.index, outputTooLarge());
    return;
  }
  draft.emit({ type: 'StepCompleted', data: { attempt: 0, finishedAt: draft.at, output, startedAt, stepId: step.id } });
}

function outputOf(map: MapState, wanted: 'list' | 'report' | 'counts'): JsonValue {
  const { total, completed, failed } = map;
  const results = map.chunks.flatMap((chunk) => chunk.results ?? []);
  if (wanted === 'list') return results;
  const report = { total, completed, failed, failed_items: failedItemsOf(map).map(shownItem) };
  return wanted === 'counts' ? report : { ...report, results };
}
