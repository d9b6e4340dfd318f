import type { Event } from '@batuta/contracts';
import { BEGINNING, type RouteState } from '../kinds/route/route-state.js';
import { compiledUnit, putUnit } from '../state/nodes.js';
import { unitState, type Next } from '../state/state.js';
import { addDeadline, STEP_DEADLINE } from '../state/timers.js';
import { begin, beginGroup } from './phases.js';

/** A route lets one of its places work: to be asked, or as the chosen candidate. */
export function routeCalls(
  next: Next,
  event: Event,
  ids: { readonly stepId: string; readonly placeId: string },
  change: Partial<RouteState>,
): void {
  begin(next, event.at);
  const index = next.config.unitIndex.get(ids.stepId);
  const place = next.config.unitIndex.get(ids.placeId);
  if (index === undefined || place === undefined) {
    return;
  }
  const unit = unitState(next, index);
  const { scheduleToCloseMs } = compiledUnit(next, index);
  // The first event of a route, or of an iteration of it.
  const begins = unit.route === undefined;
  putUnit(next, index, {
    ...unit,
    phase: 'calling',
    firstScheduledAt: unit.firstScheduledAt || event.at,
    scheduledAt: begins ? event.at : unit.scheduledAt,
    startedAt: begins ? event.at : unit.startedAt,
    retryAt: 0,
    ...(unit.loop?.since === 0 ? { loop: { ...unit.loop, since: event.at } } : {}),
    route: { ...(unit.route ?? BEGINNING), ...change },
  });
  if (unit.firstScheduledAt === 0 && scheduleToCloseMs > 0) {
    addDeadline(next, index, event.at + scheduleToCloseMs, STEP_DEADLINE);
  }
  const placed = unitState(next, place);
  putUnit(next, place, { ...placed, selected: true, call: { turn: 0, index: 0, input: null, since: placed.attempt } });
  beginGroup(next, index, event.at);
}
