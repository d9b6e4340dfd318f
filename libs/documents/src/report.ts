import type { Violation } from '@batuta/contracts';
import { Suggestions } from './suggestion.js';

/** Violations kept of one document; the rest are counted. A reply with all of them must fit a message. */
export const MAX_VIOLATIONS = 1000;

/** Collects every mistake of one document, in the order in which they are found. */
export class Report {
  readonly violations: Violation[];
  /** Names that somebody may have meant. */
  readonly suggestions = new Suggestions();
  #total: number;

  /**
   * `pathOf`: where the document as it was sent has what stands at a path of the one that is looked at. `known`: mistakes
   * found before, with paths of what was sent.
   */
  constructor(
    private readonly pathOf: (path: string) => string = (path) => path,
    known: readonly Violation[] = [],
  ) {
    this.violations = known.slice(0, MAX_VIOLATIONS);
    this.#total = known.length;
  }

  add(path: string, code: string, message: string): void {
    this.#total += 1;
    if (this.violations.length < MAX_VIOLATIONS) this.violations.push({ path: this.pathOf(path), message, code });
  }

  /** Counts mistakes that are not kept. */
  count(mistakes: number): void {
    this.#total += mistakes;
  }

  /** Mistakes found, kept or not. */
  get total(): number {
    return this.#total;
  }
}
