import { LIMITER_LIMITS } from '@batuta/contracts';
import type { LimiterDomainEvent, LimiterStreamEvent } from '@batuta/contracts';
import type { Outcome, Rejection } from '../commands/command.js';
import type { LimiterCommandInput } from './command.js';
import { evolveLimiter } from './evolve.js';
import { heldOf, placeOf, placesOf, waitersOf, waitingOf } from './state.js';
import type { LimiterState, Place } from './state.js';

export type LimiterDecision =
  | { readonly accepted: readonly LimiterDomainEvent[]; readonly outcome: Outcome; readonly next: LimiterState }
  | { readonly rejected: Rejection };

type Acquire = Extract<LimiterCommandInput, { type: 'AcquirePlace' }>;

class LimiterDraft {
  readonly events: LimiterDomainEvent[] = [];

  constructor(
    readonly command: LimiterCommandInput,
    public state: LimiterState,
  ) {}

  emit(event: LimiterDomainEvent): void {
    this.events.push(event);
    const { command, state } = this;
    this.state = evolveLimiter(state, {
      executionId: command.type === 'AcquirePlace' ? command.limiterId : state.limiterId,
      version: state.version + 1,
      at: command.at,
      commandId: command.id,
      partition: 0,
      position: 0,
      type: event.type,
      data: event.data,
    } as LimiterStreamEvent);
  }
}

/** An execution asks for a place. The same question again changes nothing. */
function acquire(draft: LimiterDraft, { holder, acquire: asked }: Acquire): Outcome | Rejection {
  const { tenantId, order, configId, configName, configVersion, key, limit, onLimit, priority } = asked;
  if (draft.state.version === 0) {
    draft.emit({ type: 'LimiterOpened', data: { configId, configName, configVersion, key, limit, tenantId } });
  }
  if (draft.state.tenantId !== tenantId) return 'unknown';
  const known = placeOf(draft.state, holder);
  if (known !== undefined && known.order >= order) return 'recorded';
  if (configVersion > draft.state.configVersion) {
    draft.emit({ type: 'LimiterChanged', data: { configName, configVersion, limit } });
  }
  if (known !== undefined) {
    // A later run of the execution asks. What the earlier run says about its end may still be in transit.
    draft.emit({ type: 'PlaceReleased', data: { cause: 'asked_again', holder, order: known.order } });
    advance(draft);
  }
  const waiting = waitingOf(draft.state);
  if (waiting === 0 && heldOf(draft.state) < draft.state.limit) {
    draft.emit({ type: 'PlaceGranted', data: { holder, order, priority } });
    return 'recorded';
  }
  if (onLimit === 'reject' || onLimit === 'cancel_newest') {
    return { code: 'limit_reached', message: 'All places are held.' };
  }
  if (waiting >= LIMITER_LIMITS.waiters) {
    return { code: 'not_applicable', message: `${LIMITER_LIMITS.waiters} executions wait already.` };
  }
  draft.emit({ type: 'PlaceQueued', data: { holder, order, priority } });
  if (onLimit === 'cancel_oldest') evictFor(draft, holder);
  return 'recorded';
}

/** The oldest have to end, until those that are left fit the limit. */
function evictFor(draft: LimiterDraft, by: string): void {
  const { state } = draft;
  const held = [...placesOf(state.holders, state.granted)].filter(({ evictedBy }) => evictedBy === undefined);
  const waiting = [...waitersOf(state)].filter(({ holder }) => holder !== by).sort((a, b) => a.seq - b.seq);
  const many = held.length + waiting.length + 1 - state.limit;
  for (const { holder, order } of [...held, ...waiting].slice(0, Math.max(0, many))) {
    draft.emit({ type: 'PlaceEvicted', data: { by, holder, order } });
  }
}

/** An execution gives back what it asked for with this order or an earlier one. */
function release(
  draft: LimiterDraft,
  { holder, order, cause }: { readonly holder: string; readonly order: number; readonly cause: 'released' | 'lost' },
): Outcome {
  const place = placeOf(draft.state, holder);
  if (place === undefined || place.order > order) return 'stale';
  draft.emit({ type: 'PlaceReleased', data: { cause, holder, order: place.order } });
  return 'recorded';
}

/** Free places go to those that wait. */
function advance(draft: LimiterDraft): void {
  while (heldOf(draft.state) < draft.state.limit) {
    const next: Place | void = waitersOf(draft.state).next().value;
    if (next === undefined) return;
    const { holder, order, priority } = next;
    draft.emit({ type: 'PlaceGranted', data: { holder, order, priority } });
  }
}

function handle(draft: LimiterDraft, command: LimiterCommandInput): Outcome | Rejection {
  const { state } = draft;
  switch (command.type) {
    case 'AcquirePlace':
      return acquire(draft, command);
    case 'ReleasePlace':
      if (state.tenantId !== command.tenantId) return 'unknown';
      return release(draft, { ...command, cause: 'released' });
    case 'LosePlace':
      return release(draft, { ...command, cause: 'lost' });
    case 'WakeLimiter':
      if (state.checkAt === 0 || state.checkAt > command.at) return 'stale';
      draft.emit({ type: 'HoldersChecked', data: { held: heldOf(state) } });
      return 'done';
    default:
      return command satisfies never;
  }
}

/** Decides a command to a limiter: total, synchronous and pure. */
export function decideLimiter(command: LimiterCommandInput, state: LimiterState): LimiterDecision {
  const draft = new LimiterDraft(command, state);
  const result = handle(draft, command);
  if (typeof result !== 'string') return { rejected: result };
  advance(draft);
  return { accepted: draft.events, outcome: result, next: draft.state };
}
