import type { Violation } from '@batuta/contracts';
import { Suggestions } from './suggestion.js';

/**
 * How many mistakes of one document are listed; the others are only counted. A reply with all of them must fit into a
 * message.
 */
export const MAX_VIOLATIONS = 1000;

/** Collects the mistakes of one document, in the order in which they are found. */
export class Report {
  readonly #pathOf: (path: string) => string;
  readonly violations: Violation[];
  /** Suggestions for misspelt names. */
  readonly suggestions = new Suggestions();
  #total: number;

  /**
   * `pathOf`: converts a path in the checked document to one in the document that was sent. `known`: mistakes found
   * before, with paths in the document that was sent.
   */
  constructor(pathOf: (path: string) => string = (path) => path, known: readonly Violation[] = []) {
    this.#pathOf = pathOf;
    this.violations = known.slice(0, MAX_VIOLATIONS);
    this.#total = known.length;
  }

  add(path: string, code: string, message: string): void {
    this.#total += 1;
    if (this.violations.length < MAX_VIOLATIONS) this.violations.push({ path: this.#pathOf(path), message, code });
  }

  /** A report of a part of the document, whose paths `pathOf` converts to those of the whole. */
  within(pathOf: (path: string) => string): Report {
    const part = new Report();
    part.add = (path, code, message) => this.add(pathOf(path), code, message);
    part.count = (mistakes) => this.count(mistakes);
    return part;
  }

  /** Counts mistakes that are not listed. */
  count(mistakes: number): void {
    this.#total += mistakes;
  }

  /** The number of mistakes, listed or not. */
  get total(): number {
    return this.#total;
  }
}
