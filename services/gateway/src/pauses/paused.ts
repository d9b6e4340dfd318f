import { operations, PauseSchema, toUserJson } from '@batuta/contracts';
import type { JsonObject, ListPausesReply, Pause, PauseKind, Principal } from '@batuta/contracts';
import type { Backend } from '../backend/backend.js';

/** A view does not wait longer for what is paused. */
const ANSWER_MS = 1_000;

/** What the caller sees as paused. Empty while the engine does not answer, because the views are useful without it. */
export async function pausesFor(backend: Backend, principal: Principal): Promise<readonly Pause[]> {
  try {
    const { pauses } = await backend.ask<ListPausesReply>(operations.pauses.list.subject, { principal }, ANSWER_MS);
    return pauses ?? [];
  } catch {
    return [];
  }
}

/** The field `paused` of a view, absent when it is not paused. */
export function pausedField(pauses: readonly Pause[], kind: PauseKind, name: string): JsonObject {
  const pause = pauses.find((each) => each.kind === kind && each.name === name);
  return pause === undefined ? {} : { paused: toUserJson(PauseSchema, pause) };
}
