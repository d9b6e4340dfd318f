import type { JsonObject, JsonValue } from '@batuta/contracts';
import { jsonBytes } from '../structures/json.js';

/** Results that a loop keeps for expressions and readers; the last one always. */
const RESULTS_KEPT = 100;
const RESULT_BYTES_KEPT = 262_144;

/** How far a step with a repeat has come. */
export interface LoopState {
  /** Iterations that are done. */
  readonly done: number;
  /** Those of them before the last retry of the execution: they do not count against the most that there may be. */
  readonly before: number;
  /** Epoch ms of the first attempt of the iteration under way; 0 before it. */
  readonly since: number;
  /** Of the latest iterations, oldest first. */
  readonly results: readonly JsonValue[];
  /** An iteration is done, and what follows is not decided. */
  readonly between: boolean;
  /** What the sandbox said of `until` then. */
  readonly verdict: { readonly value: JsonValue } | undefined;
}

export const BEGINNING: LoopState = {
  done: 0,
  before: 0,
  since: 0,
  results: [],
  between: false,
  verdict: undefined,
};

/** The results with one more, without the oldest that are too many or too large together. */
export function withResult(results: readonly JsonValue[], result: JsonValue): readonly JsonValue[] {
  const all = [...results.slice(1 - RESULTS_KEPT), result];
  let bytes = jsonBytes(result);
  let from = all.length - 1;
  while (from > 0) {
    bytes += jsonBytes(all[from - 1]);
    if (bytes > RESULT_BYTES_KEPT) break;
    from -= 1;
  }
  return from === 0 ? all : all.slice(from);
}

/** What expressions of the step see of it: the iteration under way, or the one just done. */
export function loopScope(loop: LoopState | undefined): JsonObject {
  const { done, between, results } = loop ?? BEGINNING;
  return { iteration: between ? done : done + 1, result: results.at(-1) ?? null, results: [...results] };
}

/** A retry of the execution goes on after the iterations that are done, with as many more as the step may have. */
export function loopAfterRetry(loop: LoopState | undefined): LoopState | undefined {
  return loop === undefined ? undefined : { ...loop, before: loop.done, since: 0, between: false, verdict: undefined };
}
