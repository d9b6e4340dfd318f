import type { Outline } from '../outline.js';

/** The names that a dependency may have. */
export function* nodeNames(outline: Outline): Iterable<string> {
  yield* outline.stepOf.keys();
  yield* outline.groupOf.keys();
}
