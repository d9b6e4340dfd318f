/** Replaces a value that nobody may see. */
export const HIDDEN = '***';

/** If the end of a text cuts off a value, this many characters of it reveal too much. */
const LEAST_PART = 6;
/**
 * Lines with at least this many characters, of a value with several lines such as a private key, are hidden
 * individually.
 */
const LEAST_LINE = 16;
const MOST_PLACES = 32;
const LONGEST_IN_PARTS = 2_000;
const ELLIPSIS = /(?:…|\.\.\.)$/;

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * Removes values from texts and JSON: in their plain form, and as JSON, URLs, HTML, Base64, hexadecimal digits and
 * shells write them; inside a longer encoded text; and where a text was cut off inside a value. It cannot find values
 * that were changed in another way.
 */
export class HiddenValues {
  /** In lower case, the longest first. */
  readonly #forms: readonly string[];
  /** The forms as they appear in JSON text. */
  readonly #inJson: readonly string[];
  /** Sequences of a few characters from all positions of the shorter forms. */
  readonly #parts = new Set<string>();
  /** The very long forms. */
  readonly #long: readonly string[];

  constructor(values: Iterable<string>) {
    const forms = new Set<string>();
    for (const value of values) for (const form of formsOf(value)) forms.add(small(form));
    this.#forms = [...forms].toSorted((one, other) => other.length - one.length);
    this.#inJson = [...new Set(this.#forms.flatMap((form) => [form, small(inJson(form))]))];
    this.#long = this.#forms.filter((form) => form.length > LONGEST_IN_PARTS);
    for (const form of this.#forms) {
      if (form.length > LONGEST_IN_PARTS) continue;
      for (let at = 0; at + LEAST_PART <= form.length; at += 1) this.#parts.add(form.slice(at, at + LEAST_PART));
    }
  }

  get isEmpty(): boolean {
    return this.#forms.length === 0;
  }

  /** Returns the text without the values. */
  text(text: string): string {
    if (this.#forms.length === 0 || text.length < LEAST_PART) return text;
    const lower = small(text);
    const found: [from: number, to: number][] = [];
    for (const form of this.#forms) {
      if (form.length > lower.length) continue;
      for (let at = lower.indexOf(form); at >= 0; at = lower.indexOf(form, at + form.length)) {
        found.push([at, at + form.length]);
      }
    }
    return this.#withoutParts(found.length === 0 ? text : without(text, found));
  }

  /** Returns the JSON without the values in texts, names of fields and numbers. Parts that contain none are shared. */
  json<T>(value: T): T {
    if (this.#forms.length === 0) return value;
    // Most outputs contain no value. One search through the whole output costs less than a search through each of its
    // texts.
    const whole = small(JSON.stringify(value) ?? '');
    const mayHold = this.#inJson.some((form) => whole.includes(form));
    return this.#json(value as Json, mayHold ? (text) => this.text(text) : (text) => this.#withoutParts(text)) as T;
  }

  #json(value: Json, shown: (text: string) => string): Json {
    if (typeof value === 'string') return shown(value);
    if (typeof value === 'number') {
      const digits = String(value);
      return shown(digits) === digits ? value : HIDDEN;
    }
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) {
      const items = value.map((item) => this.#json(item, shown));
      return items.some((item, place) => item !== value[place]) ? items : value;
    }
    let changed = false;
    const fields = Object.entries(value).map(([name, field]): [string, Json] => {
      const entry: [string, Json] = [shown(name), this.#json(field, shown)];
      changed ||= entry[0] !== name || entry[1] !== field;
      return entry;
    });
    return changed ? Object.fromEntries(fields) : value;
  }

  /**
   * Removes the beginning of a value at the end of the text, and the end of a value at its beginning, because the text
   * may have been cut.
   */
  #withoutParts(text: string): string {
    if (text.length < LEAST_PART) return text;
    const end = text.replace(ELLIPSIS, '');
    const [head, tail] = [small(end.slice(0, LEAST_PART)), small(end.slice(-LEAST_PART))];
    if (!this.#isPart(head) && !this.#isPart(tail)) return text;
    const lower = small(end);
    let cutFront = 0;
    let cutBack = 0;
    for (const form of this.#forms) {
      for (const at of placesOf(tail, form)) {
        const length = at + LEAST_PART;
        if (length > cutBack && lower.endsWith(form.slice(0, length))) cutBack = length;
      }
      for (const at of placesOf(head, form)) {
        const length = form.length - at;
        if (length > cutFront && lower.startsWith(form.slice(at))) cutFront = length;
      }
    }
    if (cutBack === 0 && cutFront === 0) return text;
    if (cutFront + cutBack >= end.length) return HIDDEN;
    const back = cutBack === 0 ? text.slice(cutFront) : end.slice(cutFront, -cutBack) + HIDDEN;
    return cutFront === 0 ? back : HIDDEN + back;
  }

  #isPart(text: string): boolean {
    return this.#parts.has(text) || this.#long.some((form) => form.includes(text));
  }
}

/** Lower case for A to Z only, so that the number of characters stays the same. */
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

/** The places of a part in a form. Their number is limited, because a repetitive value may have very many. */
function* placesOf(part: string, form: string): Iterable<number> {
  let left = MOST_PLACES;
  for (let at = form.indexOf(part); at >= 0 && left > 0; at = form.indexOf(part, at + 1)) {
    yield at;
    left -= 1;
  }
}

/** The forms in which texts may contain a value. */
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

/** Values that no log line and no span of this process may contain now, with the number of users of each. */
const inUse = new Map<string, number>();
let hidden: HiddenValues | undefined;

/** Keeps values out of log lines and spans of this process until the returned function is called. */
export function hideEverywhere(values: Iterable<string>): () => void {
  const own = [...new Set(values)];
  for (const value of own) {
    const users = inUse.get(value) ?? 0;
    inUse.set(value, users + 1);
    if (users === 0) hidden = undefined;
  }
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    for (const value of own) {
      const users = (inUse.get(value) ?? 0) - 1;
      if (users > 0) inUse.set(value, users);
      else {
        inUse.delete(value);
        hidden = undefined;
      }
    }
  };
}

/** The values to keep out of log lines and spans now; undefined when there are none. */
export function hiddenNow(): HiddenValues | undefined {
  if (inUse.size === 0) return undefined;
  hidden ??= new HiddenValues(inUse.keys());
  return hidden;
}
