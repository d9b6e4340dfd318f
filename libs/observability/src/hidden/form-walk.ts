const byUnits = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);
/** By code units: it is compared with what was turned around in the same way. */
export const backwards = (text: string): string => text.split('').toReversed().join('');

/** A small letter for A to Z. */
export const smallUnit = (unit: number): number => (unit >= 65 && unit <= 90 ? unit + 32 : unit);

/** The state before the first unit. */
export const ROOT = 0;
const NONE = -1;

/**
 * Reads a text unit by unit, and knows at each unit which forms end there and which may have begun: an Aho-Corasick
 * automaton. Its time does not depend on the number of forms. A state is made when a text first leads to it, because few
 * texts lead to many states.
 */
export class FormWalk {
  readonly longest: number;
  readonly #sorted: readonly string[];
  readonly #ofRoot = new Map<number, number>();
  // Of each state: the sorted forms that begin with what it stands for, the unit that led there, its first child and next sibling, the
  // state of its longest end that is a state too, and the three lengths below.
  readonly #from = [0];
  readonly #to: number[];
  readonly #unit = [0];
  readonly #child = [NONE];
  readonly #sibling = [NONE];
  readonly #shorter = [ROOT];
  readonly #length = [0];
  readonly #match = [0];
  readonly #open = [0];

  constructor(forms: readonly string[]) {
    this.#sorted = forms.toSorted(byUnits);
    this.#to = [forms.length];
    this.longest = forms.reduce((longest, { length }) => Math.max(longest, length), 0);
  }

  /** The longest end of the text that some form begins with. */
  lengthOf(state: number): number {
    return this.#length[state] as number;
  }

  /** The longest form that the text ends with. */
  matchOf(state: number): number {
    return this.#match[state] as number;
  }

  /** The longest end of the text that some longer form begins with. */
  openOf(state: number): number {
    return this.#open[state] as number;
  }

  next(state: number, unit: number): number {
    for (let at = state; ; at = this.#shorter[at] as number) {
      const child = this.#childOf(at, unit);
      if (child !== NONE) return child;
      if (at === ROOT) return ROOT;
    }
  }

  #childOf(state: number, unit: number): number {
    if (state === ROOT) {
      let child = this.#ofRoot.get(unit);
      if (child === undefined) this.#ofRoot.set(unit, (child = this.#make(state, unit)));
      return child;
    }
    for (let at = this.#child[state] as number; at !== NONE; at = this.#sibling[at] as number) {
      if (this.#unit[at] === unit) return at;
    }
    const child = this.#make(state, unit);
    if (child !== NONE) {
      this.#sibling[child] = this.#child[state] as number;
      this.#child[state] = child;
    }
    return child;
  }

  #make(state: number, unit: number): number {
    const before = this.#length[state] as number;
    const from = this.#firstFrom(state, before, unit);
    const to = this.#firstFrom(state, before, unit + 1);
    if (from === to) return NONE;
    const shorter = state === ROOT ? ROOT : this.next(this.#shorter[state] as number, unit);
    const length = before + 1;
    const made = this.#from.length;
    this.#from.push(from);
    this.#to.push(to);
    this.#unit.push(unit);
    this.#child.push(NONE);
    this.#sibling.push(NONE);
    this.#shorter.push(shorter);
    this.#length.push(length);
    this.#match.push(this.#sorted[from]?.length === length ? length : this.matchOf(shorter));
    this.#open.push((this.#sorted[to - 1]?.length ?? 0) > length ? length : this.openOf(shorter));
    return made;
  }

  /** Which of the forms of a state is the first to go on with this unit or a greater one. */
  #firstFrom(state: number, place: number, unit: number): number {
    let [from, to] = [this.#from[state] as number, this.#to[state] as number];
    while (from < to) {
      const middle = (from + to) >>> 1;
      const form = this.#sorted[middle] as string;
      if (place >= form.length || form.charCodeAt(place) < unit) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
