import type { Violation } from '@batuta/contracts';

/** One token of a JSON Pointer, escaped (RFC 6901). */
export function pointerToken(key: string | number): string {
  return typeof key === 'number' ? String(key) : key.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** Violations kept of one document; the rest are counted. A reply with all of them must fit a message. */
const MAX_VIOLATIONS = 1000;

/** Collects every mistake of one document, in the order in which they are found. */
export class Report {
  readonly violations: Violation[] = [];
  #total = 0;

  add(path: string, code: string, message: string): void {
    this.#total += 1;
    if (this.violations.length < MAX_VIOLATIONS) this.violations.push({ path, message, code });
  }

  /** Mistakes found, kept or not. */
  get total(): number {
    return this.#total;
  }
}
