import { isObject, jsonEntry, recordsIn } from './json-entry.js';
import { ParsedLine, plainLine } from './parsed-line.js';
import { textEntry } from './text-entry.js';
import { timestampAt } from './timestamp.js';

/** Objects that are wrapped in objects are unwrapped only this deep. */
const DEEPEST = 3;
// Kubernetes' container runtime interface: time, stream, F for a full line or P for a part of one.
const CRI = /^\S{20,40} (stdout|stderr) ([PF])(?::\S*)? ?/;
// web-1  | text (docker compose), [pod/web/app] text (kubectl logs --prefix)
const PREFIX = /^(?:([A-Za-z][\w.-]{0,60}) +\| ?|\[(pod\/[^\]\s]{1,200})\] )/;
const BEFORE_OBJECT = /^[\s:\]|-]{0,10}(?:[\w.-]{1,100}[\s:]{1,4})?(?=\{")/;
const LONGEST_SALVAGE = 16 * 1024;
const PAIR = /"([\w.@$-]{1,40})"\s*:\s*(?:"((?:[^"\\]|\\.){0,2000})"|(-?\d[\d.eE+-]{0,30})(?=[\s,}]))/g;

/** Parses one line. Never throws. */
export function parseLine(line: string, now: number, depth = 0): ParsedLine {
  const first = line.charCodeAt(0);
  if (first === 123) {
    const found = parseObject(line, now, depth);
    if (found !== undefined) return found;
  }
  if (first >= 48 && first <= 57 && line.startsWith(' std', line.indexOf(' '))) {
    const cri = CRI.exec(line);
    const time = cri === null ? undefined : timestampAt(line, 0, now);
    if (cri !== null && time !== undefined) {
      const text = line.slice(cri[0].length);
      const partial = cri[2] === 'P';
      const inner = partial || depth >= DEEPEST ? plainLine(text) : parseLine(text, now, depth + 1);
      const { at, zoned } = clockOf(time, inner);
      const { timed, level, levelIsDefault, message, body } = inner;
      const source = `${cri[1]} ${inner.source}`;
      return new ParsedLine(at, zoned, timed, level, levelIsDefault, message, body, source, partial, inner.more);
    }
  }
  if (depth < DEEPEST && ((first > 64 && first !== 91 && hasBar(line)) || line.startsWith('[pod/'))) {
    const prefix = PREFIX.exec(line);
    const found = prefix === null ? undefined : parsePrefixed(line, prefix, now, depth);
    if (found !== undefined) return found;
  }
  const entry = textEntry(line, now);
  const { body, source } = entry;
  if (depth >= DEEPEST) return entry;
  if (source !== '') {
    const inner = parseLine(body.startsWith('@cee: ') ? body.slice(6) : body, now, depth + 1);
    const host = entry.message.slice(0, Math.max(0, entry.message.length - body.trim().length));
    return wrapped(entry, inner, inner.timed, host + inner.message, source + inner.source);
  }
  if (!entry.timed || !body.trimEnd().endsWith('}')) return entry;
  const tag = BEFORE_OBJECT.exec(body);
  const inner = tag === null ? undefined : parseObject(body.slice(tag[0].length).trimEnd(), now, depth + 1);
  return inner === undefined ? entry : wrapped(entry, inner, inner.timed, inner.message, inner.source);
}

/** The envelope fills in what the line itself does not say. */
function wrapped(outer: ParsedLine, inner: ParsedLine, timed: boolean, message: string, source: string): ParsedLine {
  const { at, zoned } = clockOf(outer, inner);
  const ownLevel = outer.levelIsDefault ? undefined : outer.level;
  const level = ownLevel ?? inner.level ?? outer.level;
  const isDefault = ownLevel === undefined && (inner.level === undefined || inner.levelIsDefault);
  return new ParsedLine(at, zoned, timed, level, isDefault, message, inner.body, source, inner.partial, inner.more);
}

/** The program's time is closer to the event, but without a zone it may be local time. */
function clockOf(outer: Clock, inner: Clock): Clock {
  return inner.at !== undefined && (inner.zoned || outer.at === undefined) ? inner : outer;
}

interface Clock {
  readonly at: number | undefined;
  readonly zoned: boolean;
}

function hasBar(line: string): boolean {
  const head = line.length > 80 ? line.slice(0, 80) : line;
  return head.includes(' | ');
}

function parsePrefixed(line: string, prefix: RegExpExecArray, now: number, depth: number): ParsedLine | undefined {
  const [whole, service, pod] = prefix;
  const inner = parseLine(line.slice(whole.length), now, depth + 1);
  // Otherwise it is a table or a sentence with a bar.
  const isLog = pod !== undefined || inner.timed || inner.level !== undefined || /^\s/.test(inner.body);
  if (!isLog) return undefined;
  const { at, zoned, timed, level, levelIsDefault, message, body, partial, more } = inner;
  const source = `${service ?? pod ?? ''} ${inner.source}`;
  return new ParsedLine(at, zoned, timed, level, levelIsDefault, message, body, source, partial, more);
}

function parseObject(line: string, now: number, depth: number): ParsedLine | undefined {
  let value: unknown;
  try {
    // In an array with one element on each line, every element except the last is followed by a comma.
    value = JSON.parse(line.endsWith(',') ? line.slice(0, -1) : line);
  } catch {
    return salvaged(line, now);
  }
  return isObject(value) ? objectEntry(value, line, now, depth) : undefined;
}

/** The entry of an object, or its entries if it contains a list of them. `text` is used when it has no message. */
export function objectEntry(
  value: Readonly<Record<string, unknown>>,
  text: string,
  now: number,
  depth = 0,
): ParsedLine {
  const records = recordsIn(value);
  if (records !== undefined && records.length > 0 && depth < DEEPEST) {
    const [first, ...more] = records.map((record) => objectEntry(record, text, now, depth + 1));
    if (first !== undefined) {
      const { at, zoned, level, levelIsDefault, message, body, source } = first;
      return new ParsedLine(at, zoned, true, level, levelIsDefault, message, body, source, false, more);
    }
  }
  const { at, zoned, level, levelIsDefault, message, inner: innerLine, stream, partial } = jsonEntry(value, now);
  const own = message === '' ? text : message;
  const line = innerLine?.replace(/[\r\n]+$/, '');
  if (line === undefined || partial || depth >= DEEPEST) {
    const body = line ?? own;
    return new ParsedLine(at, zoned, !partial, level, levelIsDefault, body, body, stream, partial, undefined);
  }
  const inner = parseLine(line, now, depth + 1);
  const outer = new ParsedLine(at, zoned, true, level, levelIsDefault, own, own, stream, false, undefined);
  // A line in Docker's envelope can be the rest of another line. An entry with its own envelope cannot.
  const timed = stream === '' || inner.timed;
  const cause = stream === '' ? message.slice(innerLine?.length) : '';
  return wrapped(outer, inner, timed, inner.message + cause, stream + inner.source);
}

/** The fields of a cut or damaged object, as far as they can be read. */
function salvaged(line: string, now: number): ParsedLine | undefined {
  const fields = Object.create(null) as Record<string, unknown>;
  for (const [, name = '', text, number] of line.slice(0, LONGEST_SALVAGE).matchAll(PAIR)) {
    if (Object.hasOwn(fields, name)) continue;
    fields[name] = text === undefined ? Number(number) : unescaped(text);
  }
  const entry = jsonEntry(fields, now);
  if (entry.at === undefined && entry.level === undefined) return undefined;
  const { at, zoned, level, levelIsDefault, message } = entry;
  const text = message === '' ? line : message;
  return new ParsedLine(at, zoned, true, level, levelIsDefault, text, text, '', false, undefined);
}

function unescaped(text: string): string {
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return text;
  }
}
