import { ROOT, smallUnit } from './form-walk.js';
import type { FormWalk } from './form-walk.js';
import { HIDDEN, LEAST_PART } from './marks.js';

/** A part of what is held back that is hidden. `told`: what was shown ends in the mark for it. */
interface Covered {
  readonly from: number;
  readonly to: number;
  readonly told: boolean;
}

/** What hides values in whole texts. */
interface WholeTexts {
  text(text: string): string;
}

/** A text that comes in pieces. What may be the beginning of a value is held back until more comes. */
export class HiddenStream {
  readonly #values: WholeTexts;
  readonly #walk: FormWalk;
  #held = '';
  #state = ROOT;
  /** Places in what is held, in their order. */
  #covered: Covered[] = [];
  #isFirst = true;

  constructor(values: WholeTexts, walk: FormWalk) {
    this.#values = values;
    this.#walk = walk;
  }

  /** What can be shown now. */
  push(piece: string): string {
    const walk = this.#walk;
    if (walk.longest === 0 || piece === '') return piece;
    const before = this.#held.length;
    for (let at = 0; at < piece.length; at += 1) {
      const unit = piece.charCodeAt(at);
      const begun = walk.lengthOf(this.#state);
      if (begun >= LEAST_PART) {
        // A value that was cut short.
        const ellipsis = piece.startsWith('…', at) ? 1 : piece.startsWith('...', at) ? 3 : 0;
        if (ellipsis > 0) this.#cover(before + at - begun, before + at + ellipsis);
      }
      this.#state = walk.next(this.#state, smallUnit(unit));
      const match = walk.matchOf(this.#state);
      if (match > 0) this.#cover(before + at + 1 - match, before + at + 1);
    }
    const text = this.#held + piece;
    return this.#release(text, text.length - walk.openOf(this.#state));
  }

  /** The rest: nothing more comes. */
  end(): string {
    const rest = this.#held;
    // All of it is the beginning of a value.
    if (rest.length >= LEAST_PART && this.#covered[0]?.from !== 0) {
      this.#covered = [{ from: 0, to: rest.length, told: false }];
    } else if (rest.length >= LEAST_PART) {
      this.#cover(0, rest.length);
    }
    const shown = this.#release(rest, rest.length);
    this.#state = ROOT;
    this.#isFirst = true;
    return shown;
  }

  #cover(from: number, to: number): void {
    let all: Covered = { from: Math.max(0, from), to, told: false };
    for (let last = this.#covered.at(-1); last !== undefined && last.to > all.from; last = this.#covered.at(-1)) {
      all = { from: Math.min(last.from, all.from), to: Math.max(last.to, all.to), told: last.told || all.told };
      this.#covered.pop();
    }
    this.#covered.push(all);
  }

  /** Shows the text up to a place and holds back the rest. */
  #release(text: string, upTo: number): string {
    this.#held = text.slice(upTo);
    if (upTo === 0) return '';
    let shown = '';
    let at = 0;
    const left: Covered[] = [];
    for (const { from, to, told } of this.#covered) {
      if (from < upTo) {
        shown += this.#plain(text.slice(at, from)) + (told ? '' : HIDDEN);
        at = Math.min(to, upTo);
      }
      if (to > upTo) left.push({ from: Math.max(0, from - upTo), to: to - upTo, told: told || from < upTo });
    }
    this.#covered = left;
    return shown + this.#plain(text.slice(at, upTo));
  }

  /** The first of all may be the end of a value. */
  #plain(text: string): string {
    if (!this.#isFirst) return text;
    this.#isFirst = false;
    return text === '' ? '' : this.#values.text(text);
  }
}
