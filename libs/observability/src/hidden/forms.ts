/**
 * Lines with at least this many characters, of a value with several lines such as a private key, are hidden
 * individually.
 */
const LEAST_LINE = 16;

/** Forms of values that many texts are searched for, in small letters. */
const kept = new Map<string, readonly string[]>();

/** A value as texts may hold it, in small letters. */
export const smallFormsOf = (value: string): readonly string[] => kept.get(value) ?? [...formsOf(value)].map(small);

/** Makes the forms of a value once, until they are dropped. */
export function keepForms(value: string): void {
  kept.set(value, smallFormsOf(value));
}

export function dropForms(value: string): void {
  kept.delete(value);
}

/** Small letters for A to Z. The text keeps its length. */
function small(text: string): string {
  return text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

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
