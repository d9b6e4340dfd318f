/** Replaces a value that nobody may see. */
export const HIDDEN = '***';

/** If the end of a text cuts off a value, this many characters of it reveal too much. */
const LEAST_PART = 6;
/**
 * Lines with at least this many characters, of a value with several lines such as a private key, are hidden
 * individually.
 */
const LEAST_LINE = 16;
const ELLIPSIS = /(?:…|\.\.\.)$/;

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
   * may begin or end so. The walk begins only there, since most of most texts is like no form at all.
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
          // What the text ends with here that a form begins with is no longer than what was hashed.
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

type Place = [from: number, to: number];

const BASE = 0x01_00_01_93;
/** The base to the power of the characters of a hash. */
const OUTGOING = Array.from({ length: LEAST_PART }).reduce<number>((power) => Math.imul(power, BASE), 1);

function hashOf(text: string, from: number): number {
  let hash = 0;
  for (let at = from; at < from + LEAST_PART; at += 1) hash = (Math.imul(hash, BASE) + text.charCodeAt(at)) | 0;
  return hash;
}

/** Which hashes there may be: never wrong about one that was added, and rarely about another. */
class HashFilter {
  readonly #bits: Uint32Array;
  readonly #shift: number;

  /** `from`: where in each form the characters begin that are hashed. */
  constructor(forms: readonly string[], from: (form: string) => number) {
    const power = Math.min(26, Math.max(10, Math.ceil(Math.log2(Math.max(1, forms.length))) + 6));
    this.#bits = new Uint32Array(2 ** (power - 5));
    this.#shift = 32 - power;
    for (const form of forms) {
      const bit = this.#bitOf(hashOf(form, from(form)));
      this.#bits[bit >>> 5] = (this.#bits[bit >>> 5] ?? 0) | (1 << (bit & 31));
    }
  }

  mayHave(hash: number): boolean {
    const bit = this.#bitOf(hash);
    return ((this.#bits[bit >>> 5] ?? 0) & (1 << (bit & 31))) !== 0;
  }

  #bitOf(hash: number): number {
    return Math.imul(hash, 0x9e_37_79_b1) >>> this.#shift;
  }
}

const byUnits = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);
/** By code units: it is compared with what was turned around in the same way. */
const backwards = (text: string): string => text.split('').toReversed().join('');

const smallUnit = (unit: number): number => (unit >= 65 && unit <= 90 ? unit + 32 : unit);

const ROOT = 0;
const NONE = -1;

/**
 * Reads a text unit by unit and knows at each which forms end there and which may have begun, in a time that does not depend on how many
 * forms there are or how alike: an Aho-Corasick automaton. Its states are made when a text first leads there, as few texts lead to many.
 */
class FormWalk {
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

/** A part of what is held back that is hidden. `told`: what was shown ends in the mark for it. */
interface Covered {
  readonly from: number;
  readonly to: number;
  readonly told: boolean;
}

/** A text that comes in pieces. What may be the beginning of a value is held back until more comes. */
export class HiddenStream {
  readonly #values: Pick<HiddenValues, 'text'>;
  readonly #walk: FormWalk;
  #held = '';
  #state = ROOT;
  /** Places in what is held, in their order. */
  #covered: Covered[] = [];
  #isFirst = true;

  constructor(values: Pick<HiddenValues, 'text'>, walk: FormWalk) {
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

/** Small letters for A to Z: what has as many characters as before. */
function small(text: string): string {
  return text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
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

const smallFormsOf = (value: string): readonly string[] => inUse.get(value)?.forms ?? [...formsOf(value)].map(small);

/** A value as texts may hold it. */
function formsOf(value: string): Set<string> {
  const forms = new Set<string>();
  const lines = value.split(/[\r\n]+/).map((line) => line.trim());
  for (const line of lines.length > 1 ? lines.filter((each) => each.length >= LEAST_LINE) : []) {
    for (const form of [line, inJson(line), inUrl(line)]) forms.add(form);
  }
  for (const one of new Set([value, value.trim(), value.toUpperCase(), value.toLowerCase()])) {
    for (const form of writtenForms(one)) {
      forms.add(form);
      // Encoded texts may be encoded again in JSON and in URLs.
      forms.add(inJson(form));
      forms.add(inUrl(form));
    }
  }
  return forms;
}

function* writtenForms(value: string): Iterable<string> {
  const bytes = Buffer.from(value, 'utf8');
  yield value;
  yield inJson(value);
  yield inJson(inJson(value));
  yield inAsciiJson(value);
  yield inJson(value).replaceAll('/', String.raw`\/`);
  yield inUrl(value);
  yield encodeURI(value.toWellFormed());
  yield new URLSearchParams({ '': value }).toString().slice(1);
  // Every byte in percent-encoding, as some servers show unreadable data.
  yield [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
  for (const [quote, apostrophe] of HTML_QUOTES) {
    const escaped = inHtml(value).replaceAll('"', quote).replaceAll("'", apostrophe);
    yield escaped;
    yield escaped.replaceAll('&gt;', '>');
  }
  yield bytes.toString('hex');
  yield bytes.toString('latin1');
  yield bytes.toString('base64');
  yield bytes.toString('base64url');
  yield* insideBase64(bytes, 'base64');
  yield* insideBase64(bytes, 'base64url');
  // A value may be Base64 itself, as in a Basic authorization. Its decoded form is hidden too.
  const decoded = Buffer.from(value, 'base64');
  const text = decoded.toString('utf8');
  if (
    text.length >= 8 &&
    /^[\x20-\x7e]+$/.test(text) &&
    decoded.toString('base64').replace(/=+$/, '') === value.replace(/=+$/, '')
  ) {
    yield text;
    yield inJson(text);
    yield inUrl(text);
  }
}

/** The digits of a value inside longer Base64, for each of the three offsets at which it can begin. */
function* insideBase64(bytes: Buffer, encoding: 'base64' | 'base64url'): Iterable<string> {
  for (const before of [0, 1, 2]) {
    const digits = Buffer.concat([Buffer.alloc(before), bytes]).toString(encoding);
    // The digits at both ends contain bits of the neighbouring bytes.
    const own = digits.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
    if (own.length >= 8) yield own;
  }
}

const inJson = (text: string): string => JSON.stringify(text).slice(1, -1);
const inAsciiJson = (text: string): string =>
  inJson(text).replaceAll(/[^\x20-\x7e]/g, (unit) => String.raw`\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
const inUrl = (text: string): string => encodeURIComponent(text.toWellFormed());
const inHtml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
/** How different programs write double and single quotation marks in HTML. */
const HTML_QUOTES = [
  ['"', "'"],
  ['&quot;', '&#39;'],
  ['&quot;', '&apos;'],
  ['&quot;', '&#x27;'],
  ['&#34;', '&#39;'],
  ['&#x22;', '&#x27;'],
] as const;

interface InUse {
  users: number;
  readonly forms: readonly string[];
}

/** Values that no log line and no span of this process may hold now, with how many hold on to each. */
const inUse = new Map<string, InUse>();
/** What hides them. It may hide some that nobody holds on to any more. */
interface Hiding {
  readonly sets: readonly HiddenValues[];
  readonly values: Set<string>;
  readonly all: Pick<HiddenValues, 'text' | 'json'>;
}
let hiding: Hiding | undefined;
/** Values that nothing hides yet. */
const fresh = new Set<string>();
/** What came since the last time that all were put together, each in a set of its own. */
const MOST_SETS = 8;

/** Keeps values out of log lines and spans of this process until the returned function is called. */
export function hideEverywhere(values: Iterable<string>): () => void {
  const own = [...new Set(values)];
  for (const value of own) {
    const used = inUse.get(value);
    if (used !== undefined) {
      used.users += 1;
    } else {
      inUse.set(value, { users: 1, forms: smallFormsOf(value) });
      if (hiding?.values.has(value) !== true) fresh.add(value);
    }
  }
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    for (const value of own) {
      const used = inUse.get(value);
      if (used === undefined) continue;
      used.users -= 1;
      if (used.users > 0) continue;
      inUse.delete(value);
      fresh.delete(value);
    }
    if (inUse.size === 0) hiding = undefined;
  };
}

/**
 * What is to be kept out of log lines and spans now; undefined when that is nothing. Attempts come and go many times a second, so what is
 * new is added, and all are put together anew only now and then.
 */
export function hiddenNow(): Pick<HiddenValues, 'text' | 'json'> | undefined {
  if (inUse.size === 0) return undefined;
  if (hiding !== undefined && fresh.size === 0) return hiding.all;
  const isStale = hiding === undefined || hiding.values.size > 2 * inUse.size + 16;
  if (hiding === undefined || isStale || hiding.sets.length >= MOST_SETS) {
    hiding = hidingOf([new HiddenValues(inUse.keys())], new Set(inUse.keys()));
  } else {
    for (const value of fresh) hiding.values.add(value);
    hiding = hidingOf([...hiding.sets, new HiddenValues(fresh)], hiding.values);
  }
  fresh.clear();
  return hiding.all;
}

const hidingOf = (sets: readonly HiddenValues[], values: Set<string>): Hiding => ({
  sets,
  values,
  all: {
    text: (text) => sets.reduce((shown, set) => set.text(shown), text),
    json: (value) => sets.reduce((shown, set) => set.json(shown), value),
  },
});
