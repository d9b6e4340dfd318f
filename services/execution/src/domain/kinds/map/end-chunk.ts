import { LIMITS, type EndMessage, type FailedItem } from '@batuta/contracts';
import type { Draft } from '../../draft.js';
import type { Unit } from '../../graph/compiled.js';
import { unitState } from '../../state/state.js';
import { isObject } from '../../structures/json.js';
import { outputTooLarge } from './failures.js';
import { chunkSize } from './map-state.js';

/** Records what a chunk came to. `stopped`: it ended before its items for a reason of its own, so the step fails with it. */
export function endChunk(draft: Draft, lane: Unit, end: EndMessage): 'done' | 'stopped' {
  const { state } = draft;
  const { child } = unitState(state, lane.index);
  const step = state.config.units[lane.caller];
  const map = step === undefined ? undefined : unitState(state, step.index).map;
  if (child?.chunk === undefined || step === undefined || map === undefined) return 'done';
  const report = isObject(end.output) ? end.output : {};
  const failed = Array.isArray(report.failed) ? report.failed.filter(isObject) : [];
  const completed = Number(report.completed ?? 0);
  const done =
    completed + failed.length === chunkSize(map, child.chunk) && end.deleted !== true && report.too_large !== true;
  const listed = failed.slice(0, Math.max(0, LIMITS.mapFailedItems - map.listed));
  draft.emit({
    type: 'MapChunkEnded',
    data: {
      chunk: child.chunk,
      completed,
      failed: failed.length,
      failedItems: listed.map(({ index, code, message }): FailedItem => ({
        code: typeof code === 'string' ? code : '',
        executionId: child.id,
        index: Number(index),
        message: typeof message === 'string' ? message : '',
      })),
      laneId: lane.id,
      ...(Array.isArray(report.results) ? { results: report.results } : {}),
      stepId: step.id,
      ...(done ? {} : { stopped: true }),
    },
  });
  if (report.too_large === true) {
    draft.failStep(step.index, outputTooLarge());
    return 'done';
  }
  const { map: after } = unitState(draft.state, step.index);
  return done || (after?.failed ?? 0) > map.tolerated ? 'done' : 'stopped';
}
