import { backwards, FormWalk, ROOT, smallUnit } from './form-walk.js';
import { smallFormsOf } from './forms.js';
import { BASE, HashFilter, OUTGOING } from './hash-filter.js';
import { HiddenStream } from './hidden-stream.js';
import { HIDDEN, LEAST_PART } from './marks.js';

const ELLIPSIS = /(?:…|\.\.\.)$/;

type Place = [from: number, to: number];

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * Removes values from texts and JSON: in their plain form, and as JSON, URLs, HTML, Base64, hexadecimal digits and
 * shells write them; inside a longer encoded text; and where a text was cut off inside a value. It cannot find values
 * that were changed in another way.
 */
export class HiddenValues {
  readonly #walk: FormWalk;
  /** The same forms backwards, for those of which a text begins with the end. */
  readonly #backwards: FormWalk;
  /** How forms begin. Undefined when one of them is too short to be found so. */
  readonly #beginnings: HashFilter | undefined;
  readonly #ends: HashFilter;
  readonly #isEmpty: boolean;

  constructor(values: Iterable<string>) {
    /** In small letters. */
    const forms = new Set<string>();
    for (const value of values) for (const form of smallFormsOf(value)) if (form !== '') forms.add(form);
    const all = [...forms];
    this.#isEmpty = all.length === 0;
    this.#walk = new FormWalk(all);
    this.#backwards = new FormWalk(all.map(backwards));
    const long = all.filter(({ length }) => length >= LEAST_PART);
    this.#beginnings = long.length < all.length ? undefined : new HashFilter(long, () => 0);
    this.#ends = new HashFilter(long, ({ length }) => length - LEAST_PART);
  }

  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** Returns the text without the values. */
  text(text: string): string {
    if (this.#isEmpty || text.length < LEAST_PART) return text;
    const found = this.#find(text);
    return found.length === 0 ? text : without(text, found);
  }

  /** Takes the values out of a text that comes in pieces, also where a value is divided. */
  stream(): HiddenStream {
    return new HiddenStream(this, this.#walk);
  }

  /** Returns the JSON without the values in texts, names of fields and numbers. Parts that contain none are shared. */
  json<T>(value: T): T {
    return this.#isEmpty ? value : (this.#json(value as Json) as T);
  }

  #json(value: Json): Json {
    if (typeof value === 'string') return this.text(value);
    if (typeof value === 'number') {
      const digits = String(value);
      return this.text(digits) === digits ? value : HIDDEN;
    }
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) {
      const items = value.map((item) => this.#json(item));
      return items.some((item, place) => item !== value[place]) ? items : value;
    }
    let changed = false;
    const fields = Object.entries(value).map(([name, field]): [string, Json] => {
      const entry: [string, Json] = [this.text(name), this.#json(field)];
      changed ||= entry[0] !== name || entry[1] !== field;
      return entry;
    });
    return changed ? Object.fromEntries(fields) : value;
  }

  /**
   * Where forms stand, whole or cut by an end of the text. A hash of each few characters in a row says whether a form
   * may begin or end so. The walk begins only there, because most characters of a text belong to no form.
   */
  #find(text: string): Place[] {
    const found: Place[] = [];
    const [walk, beginnings, ends] = [this.#walk, this.#beginnings, this.#ends];
    const { length } = text;
    const { longest } = this.#backwards;
    const end = length - (ELLIPSIS.exec(text)?.[0].length ?? 0);
    let state = ROOT;
    let isWalking = beginnings === undefined;
    let lastEnd = 0;
    let hash = 0;
    for (let at = 0; at < length; at += 1) {
      const unit = smallUnit(text.charCodeAt(at));
      hash = (Math.imul(hash, BASE) + unit) | 0;
      if (at >= LEAST_PART) {
        hash = (hash - Math.imul(smallUnit(text.charCodeAt(at - LEAST_PART)), OUTGOING)) | 0;
      }
      if (at >= LEAST_PART - 1) {
        if (at < longest && at < end && ends.mayHave(hash)) lastEnd = at + 1;
        if (!isWalking && beginnings?.mayHave(hash) === true) {
          // The beginning of a form that the text ends with here is at most as long as the hashed characters.
          state = ROOT;
          for (let from = at - LEAST_PART + 1; from < at; from += 1) {
            state = walk.next(state, smallUnit(text.charCodeAt(from)));
          }
          isWalking = true;
        }
      }
      if (!isWalking) continue;
      state = walk.next(state, unit);
      const match = walk.matchOf(state);
      if (match > 0) found.push([at + 1 - match, at + 1]);
      const begun = walk.lengthOf(state);
      if (at + 1 === end && begun >= LEAST_PART) found.push([end - begun, length]);
      isWalking = begun >= LEAST_PART || beginnings === undefined;
    }
    const cut = this.#lengthOfCut(text, lastEnd);
    if (cut >= LEAST_PART) found.push([0, cut]);
    return found;
  }

  /** How much of the text before this place is the end of a form whose beginning is cut off. */
  #lengthOfCut(text: string, before: number): number {
    let state = ROOT;
    for (let at = before - 1; at >= 0; at -= 1) {
      state = this.#backwards.next(state, smallUnit(text.charCodeAt(at)));
    }
    return this.#backwards.lengthOf(state);
  }
}

/** Hides these places in the text. Places that touch are hidden as one. */
function without(text: string, found: [from: number, to: number][]): string {
  found.sort(([one], [other]) => one - other);
  let shown = '';
  let end = 0;
  let hiddenTo = -1;
  for (const [from, to] of found) {
    // A place that begins within another one, such as the value within its quoted form, belongs to that one.
    if (from >= hiddenTo) shown += text.slice(end, from) + HIDDEN;
    hiddenTo = Math.max(hiddenTo, to);
    end = hiddenTo;
  }
  return shown + text.slice(end);
}
