import type { JsonObject, JsonValue, OnLimit } from '@batuta/contracts';
import type { CompiledConcurrency } from '../graph/compiled.js';
import type { State } from './state.js';

/**
 * Where an execution stands with its place under `settings.concurrency`. evaluating → evaluated → asking → waiting →
 * held. Plain keys begin with asking. An execution that was asked for and finds a free place goes from asking to held.
 */
export type PlaceState =
  | { readonly phase: 'evaluating' }
  | { readonly phase: 'evaluated'; readonly values: readonly JsonValue[] }
  | AskedPlace;

export interface AskedPlace {
  readonly phase: 'asking' | 'waiting' | 'held';
  readonly limiterId: string;
  readonly key: string;
  readonly limit: number;
  readonly onLimit: OnLimit;
  /** Version of the event that asked. */
  readonly asked: number;
  /** Since when it waits, or holds the place. */
  readonly since: number;
  /** Its place in the queue when it joined. 0 before the limiter has answered. */
  readonly position: number;
  /** How many held places then. */
  readonly held: number;
}

/** Its place, when it has asked for one. */
export function askedPlace({ place }: Pick<State, 'place'>): AskedPlace | undefined {
  return place === undefined || place.phase === 'evaluating' || place.phase === 'evaluated' ? undefined : place;
}

/** Whether the execution must have a place before it begins, and has none. */
export function waitsForPlace({
  config,
  place,
}: {
  readonly config: { readonly concurrency: CompiledConcurrency | undefined };
  readonly place: PlaceState | undefined;
}): boolean {
  return config.concurrency !== undefined && place?.phase !== 'held';
}

/** What the expression of a key sees. */
export function keyContext({ started }: State): JsonObject {
  return {
    input: started?.input ?? null,
    session_id: started?.sessionId ?? null,
    user_id: started?.userId ?? null,
  };
}
