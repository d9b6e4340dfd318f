import { levelLetter, levelOfText, levelWord, statusLevel, syslogLevel, windowsLevel, worse } from './levels.js';
import type { KnownLevel } from './levels.js';
import { ParsedLine } from './parsed-line.js';
import { timestampAt } from './timestamp.js';
import type { Timestamp } from './timestamp.js';

const PRIORITY = /^<(\d{1,3})>(?:1 )?/;
// E1128 10:00:00.000000 (klog), E20261128 10:00:00.123456 (glog)
const GLOG = /^([IWEFD])(?:(\d{4}))?(\d\d)(\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)\s+/;
// W0000 00:00:1795860000.123456 (Abseil before it has its zone)
const ABSL = /^([IWEF])0000 00:00:(\d{10}\.\d+)\s+/;
// 1:M 28 Nov 2026 10:00:00.123 * text
const REDIS = /^(\d+:[XCSMR]) (?=\d)/;
const REDIS_MARK = /^ ?([.*#-]) /;
const REDIS_LEVELS: Readonly<Record<string, KnownLevel>> = { '.': 'debug', '-': 'info', '*': 'info', '#': 'warn' };
// E, [2026-11-28T10:00:00.123456 #1] ERROR -- : text
const RUBY = /^[DIWEFAU], \[(?=\d{4}-)/;
// [E 261128 10:00:00 web:2239] (tornado), [E 2026-11-28 10:00:00.123 ServerApp] (Jupyter)
const LETTER_FIRST = /^\[([DIWEC]) (?=\d{6} |\d{4}-)/;
// E/ActivityManager( 1234): text
const LOGCAT_BRIEF = /^([VDIWEF])\/([^(:]{1,60})(?:\(\s*\d+\))?: /;
// ####<Nov 28, 2026 10:00:00 AM UTC> <Error> (WebLogic)
const WEBLOGIC = /^#{4}(?=<)/;
// [GIN] 2026/11/28 - 10:00:00 | 500 |
const GIN = /^ ?\| ?(\d{3}) \|/;
// type=SYSCALL msg=audit(1795860000.123:456):
const AUDIT = /\baudit\((\d{10}\.\d{3}):\d+\)/;
// [Sat Nov 28 10:00:00 2026] GET / => generated 12 bytes in 3 msecs (HTTP/1.1 500) (uwsgi)
const UWSGI = /\[([A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})\].{1,2000}?\(HTTP\/[\d.]+ (\d{3})\)/;
// [28/Nov/2026:10:00:00 +0000], anywhere: hosts, users and names may come before it.
const COMMON_LOG_TIME = /\[(?=\d\d\/[A-Z][a-z]{2}\/\d{4}[: ]\d\d:)/;
// http-in static/srv1 10/0/30/69/109 200 2750 (HAProxy)
const PROXIED = /^ \S+ \S+\/\S+ -?\d/;
const HAPROXY = /^ \S+ \S+ -?\d+(?:\/[+-]?\d+){2,4} (-1|\d{3})? ?/;
// "GET / HTTP/1.1" 500 and " 502 (also after times, as load balancers write it)
const REQUEST_STATUS = /"[A-Z]{3,10} [^"\s]{1,4000} HTTP\/[\d.]+" (\d{3})(?![\d.])/;
const COMMON_STATUS = /^ "(?:[^"\\]|\\.){0,4000}" (\d{3})(?!\d)/;
// 1234 10.0.0.1 TCP_MISS/503 (Squid)
const SQUID = /^\s+\d+ \S+ (?:TCP|UDP|NONE|TAG|NAT)[A-Z_]*\/(\d{3}) /;
// app/my-lb/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.000 0.001 0.000 502 502 34 366 "GET (AWS load balancers)
const LOAD_BALANCER = /^ \S+ \S+:\d+ \S+ -?[\d.]+ -?[\d.]+ -?[\d.]+ (\d{3}|-) (?:\d{3}|-) \d+ \d+ "/;
// `-` or the SD-ELEMENTs of RFC 5424 come after host, program, process and message id.
const SYSLOG5424 = /^ ?(\S+ \S+) \S+ \S+ (?:-|(?:\[(?:[^\]"\\]|\\.|"(?:[^"\\]|\\.)*")*\])+)(?: |$)/;
// app[web.1]: (Heroku), app[7]: (without a host)
const TAG_ALONE = /^ ?([A-Za-z][\w.-]{0,100})\[[\w.-]{1,40}\]: ?/;
const SYSLOG_TAG = /^ ?(\S+ [\w./@():-]{1,100}?)(?:\[\d+\])?: ?/;
const LOGFMT_LEVEL =
  /(?:^|[\s,{])(?:level|lvl|severity|loglevel|log_level|levelname|log\.level)=(?:"([\w+-]{1,16})"|([\w+-]{1,16}))(?=[\s,}]|$)/;
const LOGFMT_TIME = /(?:^|\s)(?:time|ts|t|timestamp|date|datetime|@timestamp)=(")?(?=[\d\w@])/;
const HEROKU_LEVEL = /(?:^|: )at=(error|info|warn|warning|debug|critical)(?=\s)/;
const CSV_LEVEL = /,(DEBUG[1-5]?|INFO|NOTICE|WARNING|ERROR|LOG|FATAL|PANIC),/;
/** The export of Windows' event viewer: the level is the first value. */
const WINDOWS_CSV = /^(?:Information|Warning|Error|Critical|Verbose),(?=\d)/;
/** Seconds since the kernel's start. */
const UPTIME = /^\[ *\d+\.\d+\] /;
const HEAD = 300;
const PREFIX_TOKENS = 4;
const UNTIMED = { at: undefined, end: 0, zoned: false };

/** Parses a line of text. Never throws, and takes time in proportion to the line's length. */
export function textEntry(line: string, now: number): ParsedLine {
  let rest = line;
  let level: KnownLevel | undefined;
  let levelIsDefault = false;
  let isSyslog5424 = false;
  if (line.charCodeAt(0) === 60) {
    const priority = PRIORITY.exec(line);
    if (priority !== null) {
      const severity = Number(priority[1]) % 8;
      level = syslogLevel(severity);
      // notice and info are the defaults for programs that set no level.
      levelIsDefault = severity === 5 || severity === 6;
      isSyslog5424 = priority[0].endsWith('1 ');
      rest = line.slice(priority[0].length);
    }
  }
  if (line.charCodeAt(1) === 44 && RUBY.test(line)) rest = line.slice(3);
  const special = rest === line ? specialEntry(line, now) : undefined;
  if (special !== undefined) return special;
  const { before, time, after, isOpen } = timeIn(rest, now);
  const timed = time !== UNTIMED;
  const access = statusIn(before, after, rest);
  if (access !== undefined) {
    const status = statusLevel(access.status);
    const stated = access.isServer ? undefined : findLevel(before + after, timed)?.level;
    // A server that logs every request as information does not mean that its errors are information.
    const worst = stated === undefined || stated === 'info' ? worse(stated, status) : stated;
    return entry(time, timed, worst ?? level, false, joined(before, after, isOpen, timed));
  }
  const { start, source } = bodyStart(
    before,
    after,
    timed,
    isSyslog5424,
    level !== undefined || (timed && isCapital(rest)),
  );
  const text = joined(before, after, isOpen, timed);
  const body = start === 0 ? text : after.slice(start);
  // The text that a program passed to syslog is a line in its own format.
  const found = source === '' ? (findLevel(body, timed) ?? (timed ? csvLevel(after) : undefined)) : undefined;
  const message = found === undefined ? text : text.slice(0, found.start) + text.slice(found.end);
  if (found !== undefined && (level === undefined || levelIsDefault)) {
    level = found.level;
    levelIsDefault = false;
  }
  // In a container's log, only the indentation after the time shows that a line continues a stack trace.
  const own = source === '' ? after : body;
  return new ParsedLine(
    time.at,
    time.zoned,
    timed,
    level,
    levelIsDefault,
    message.trim(),
    own,
    source,
    false,
    undefined,
  );
}

function entry(
  time: Timestamp,
  timed: boolean,
  level: KnownLevel | undefined,
  levelIsDefault: boolean,
  text: string,
): ParsedLine {
  const message = text.trim();
  return new ParsedLine(time.at, time.zoned, timed, level, levelIsDefault, message, message, '', false, undefined);
}

/** Formats whose first characters contain time and level in a special form. */
function specialEntry(line: string, now: number): ParsedLine | undefined {
  const first = line.charCodeAt(0);
  const second = line.charCodeAt(1);
  if (second >= 48 && second <= 57 && 'IWEFD'.includes(line.charAt(0))) {
    const epoch = ABSL.exec(line);
    const early = epoch === null ? undefined : timestampAt(epoch[2] ?? '', 0, now);
    if (epoch !== null && early !== undefined) {
      return entry(early, true, levelLetter(epoch[1] ?? ''), false, line.slice(epoch[0].length));
    }
    const parts = GLOG.exec(line);
    if (parts === null) return undefined;
    const [whole, letter = '', year, month, day, clock] = parts;
    const stamp = year === undefined ? `${month}-${day} ${clock}` : `${year}-${month}-${day} ${clock}`;
    const time = timestampAt(stamp, 0, now);
    return time === undefined ? undefined : entry(time, true, levelLetter(letter), false, line.slice(whole.length));
  }
  if (second === 47) {
    const parts = LOGCAT_BRIEF.exec(line);
    if (parts !== null) return entry(UNTIMED, true, levelLetter(parts[1] ?? ''), false, line.slice(2));
  }
  if (first === 91) {
    const letter = LETTER_FIRST.exec(line);
    const time = letter === null ? undefined : timestampAt(line, letter[0].length, now);
    if (letter !== null && time !== undefined) {
      return entry(time, true, levelLetter(letter[1] ?? ''), false, line.slice(time.end).replace(']', ''));
    }
  }
  if (first >= 48 && first <= 57) {
    const redis = REDIS.exec(line);
    const time = redis === null ? undefined : timestampAt(line, redis[0].length, now);
    if (redis !== null && time !== undefined) {
      const mark = REDIS_MARK.exec(line.slice(time.end))?.[1];
      const rest = line.slice(time.end + (mark === undefined ? 0 : 2));
      return entry(
        time,
        true,
        mark === undefined ? undefined : REDIS_LEVELS[mark],
        false,
        `${redis[1]} ${rest.trim()}`,
      );
    }
  }
  return first === 60 && line.startsWith('<Event') ? windowsXml(line, now) : undefined;
}

function windowsXml(line: string, now: number): ParsedLine | undefined {
  const head = line.slice(0, 8_000);
  const level = /<Level>(\d)<\/Level>/.exec(head)?.[1];
  const time = /SystemTime=['"]([^'"]{10,40})['"]/.exec(head)?.[1];
  if (level === undefined || time === undefined) return undefined;
  const text =
    /<Message>([^<]{1,2000})/.exec(head)?.[1] ??
    [...head.matchAll(/<(?:Provider Name|Channel|EventID|Data)[^>]{0,200}>(?:([^<]{1,400}))?/g)]
      .map(([tag, content]) => content?.trim() || (/Name=['"]([^'"]+)/.exec(tag)?.[1] ?? ''))
      .join(' ');
  return entry(timestampAt(time, 0, now) ?? UNTIMED, true, windowsLevel(Number(level)), false, text);
}

interface TimeIn {
  readonly before: string;
  readonly time: Timestamp;
  readonly after: string;
  /** Whether a bracket was opened before the time and is closed later in `after`. */
  readonly isOpen: boolean;
}

/** The time at the start of a line, or after a few words. */
function timeIn(line: string, now: number): TimeIn {
  const start = WEBLOGIC.test(line) ? 4 : (WINDOWS_CSV.exec(line)?.[0].length ?? 0);
  const first = timeAt(line, start, now);
  if (first !== undefined) return first;
  const common = line.includes('[') ? line.slice(0, 600).search(COMMON_LOG_TIME) : -1;
  if (common !== -1) {
    const found = timeAt(line, common, now);
    if (found !== undefined) return found;
  }
  let at = 0;
  let words = 0;
  for (let token = 0; token < PREFIX_TOKENS; token++) {
    const end = tokenEnd(line, at);
    const text = line.slice(at, end);
    if (isPlainWord(text) && (++words > 1 || /[,.;!?]$/.test(text))) break;
    at = end;
    while (line.charCodeAt(at) === 32 || line.charCodeAt(at) === 9 || line.charCodeAt(at) === 44) at += 1;
    if (at >= line.length || at > HEAD) break;
    const found = timeAt(line, at, now);
    // A time of day alone, after other words, belongs to the message.
    if (found?.time.at !== undefined) return found;
  }
  return elsewhere(line, now);
}

/** Times inside a line, in formats that are recognised by their whole form. */
function elsewhere(line: string, now: number): TimeIn {
  const head = line.length > 4_000 ? line.slice(0, 4_000) : line;
  if (head.includes('=')) {
    const key = LOGFMT_TIME.exec(head);
    // Only if the line consists of such pairs.
    if (
      key !== null &&
      /^[\w.@-]+=/.test(head.slice(key.index).trimStart()) &&
      (key.index === 0 || head.includes('='))
    ) {
      const at = key.index + key[0].length;
      const time = timestampAt(line, at, now);
      const isQuoted = key[1] !== undefined;
      if (time !== undefined && (!isQuoted || line.charCodeAt(time.end) === 34)) {
        return {
          before: line.slice(0, key.index),
          time,
          after: line.slice(time.end + (isQuoted ? 1 : 0)),
          isOpen: false,
        };
      }
    }
    const audit = head.includes('audit(') ? AUDIT.exec(head) : null;
    const time = audit === null ? undefined : timestampAt(audit[1]?.concat(' ') ?? '', 0, now);
    if (time !== undefined) return { before: '', time, after: line, isOpen: false };
  }
  if (head.includes('(HTTP/')) {
    const uwsgi = UWSGI.exec(head);
    const time = uwsgi === null ? undefined : timestampAt(uwsgi[1] ?? '', 0, now);
    if (time !== undefined) return { before: '', time, after: line, isOpen: false };
  }
  return { before: '', time: UNTIMED, after: line, isOpen: false };
}

/** A time at `from`, with the bracket or quote around it. */
function timeAt(line: string, from: number, now: number): TimeIn | undefined {
  let at = from;
  const opening = line.charCodeAt(at);
  // [ ( < "
  const isOpened = opening === 91 || opening === 40 || opening === 60 || opening === 34;
  if (isOpened) at += 1;
  const time = timestampAt(line, at, now);
  if (time === undefined) return undefined;
  let end = time.end;
  // Before the process's own clock, MySQL's general log and others have no space after the time.
  const next = line.charCodeAt(end);
  if (isLetterOrDigit(next) || next === 95) return undefined;
  let isOpen = isOpened;
  if (isOpened && (next === 93 || next === 41 || next === 62 || next === 34)) {
    end += 1;
    isOpen = false;
  }
  return { before: line.slice(0, from), time, after: line.slice(end), isOpen };
}

function joined(before: string, after: string, isOpen: boolean, timed: boolean): string {
  if (!timed) return after;
  // The rest of the text in the same brackets as the time.
  const rest = isOpen ? after.replace(/[\])>]/, '') : after;
  if (before === '') return rest.replace(/^[\s:,|]+/, '');
  return before + rest.replace(/^[:,|]/, '');
}

/** RFC 3164 begins with the month's name. */
function isCapital(line: string): boolean {
  const first = line.charCodeAt(0);
  return first >= 65 && first <= 90;
}

/** Where the program's own text begins in a syslog line, and which program it is. */
function bodyStart(
  before: string,
  after: string,
  timed: boolean,
  is5424: boolean,
  isSyslog: boolean,
): { start: number; source: string } {
  const none = { start: 0, source: '' };
  if (before !== '') return none;
  if (is5424) {
    const parts = SYSLOG5424.exec(after);
    if (parts === null) return none;
    return { start: parts[0].length + (after.startsWith('\uFEFF', parts[0].length) ? 1 : 0), source: parts[1] ?? '' };
  }
  const tagged = timed && after.includes(']:') ? TAG_ALONE.exec(after) : null;
  if (tagged !== null) return { start: tagged[0].length, source: tagged[1] ?? '' };
  // With a time in ISO format, only a process id distinguishes syslog from a sentence with a colon.
  if (!isSyslog && !(after.includes(']:') && /^ \S{1,255} [\w./@():-]{1,100}\[\d+\]:/.test(after))) return none;
  const parts = SYSLOG_TAG.exec(after);
  return parts === null || levelWord(parts[1]?.split(' ')[1] ?? '') !== undefined
    ? none
    : { start: parts[0].length, source: parts[1] ?? '' };
}

/** The status of a request that a server or proxy logged. */
function statusIn(before: string, after: string, line: string): { status: number; isServer: boolean } | undefined {
  if (before !== '' || after !== line) {
    const found = statusAfterTime(after);
    if (found !== undefined) return found;
  }
  if (!line.includes('HTTP/')) return undefined;
  const head = line.length > 8_000 ? line.slice(0, 8_000) : line;
  const status = REQUEST_STATUS.exec(head)?.[1] ?? (head.includes('(HTTP/') ? UWSGI.exec(head)?.[2] : undefined);
  return status === undefined ? undefined : { status: Number(status), isServer: false };
}

/** The second character after the time shows which formats are possible. */
function statusAfterTime(after: string): { status: number; isServer: true } | undefined {
  const second = after.charCodeAt(1);
  // After the time of a web server's log, also for entries that are not requests.
  if (second === 34) return server(COMMON_STATUS.exec(after)?.[1]);
  if (second === 124) return server(GIN.exec(after)?.[1]);
  if (second === 32 || (second >= 48 && second <= 57)) {
    const found = server(SQUID.exec(after)?.[1]);
    if (found !== undefined) return found;
  }
  const proxied = PROXIED.test(after) ? HAPROXY.exec(after)?.[1] : undefined;
  if (proxied !== undefined) return server(proxied === '-1' ? '503' : proxied);
  return after.includes(' "') ? server(LOAD_BALANCER.exec(after)?.[1]) : undefined;
}

/** A line in a server's format, which has no field for a level. */
function server(status: string | undefined): { status: number; isServer: true } | undefined {
  return status === undefined ? undefined : { status: Number(status), isServer: true };
}

interface FoundLevel {
  readonly level: KnownLevel;
  readonly start: number;
  readonly end: number;
}

/**
 * The level at the start of a text. Only names, numbers and brackets may come before it, so that a word of the message
 * or of an address does not count. After two plain words, or a word with a full stop or comma, the message has begun.
 */
function findLevel(text: string, timed: boolean): FoundLevel | undefined {
  // In a line of keys and values, the level is the value of a key. Words in other values do not count.
  if (PAIRS_ONLY.test(text)) return pairLevel(text) ?? ciscoLevel(text);
  const limit = Math.min(text.length, HEAD);
  let at = 0;
  let words = 0;
  let previous = '';
  for (let count = 0; count < 14 && at < limit; count++) {
    while (at < limit && isSpace(text.charCodeAt(at))) at += 1;
    if (at >= limit) break;
    const end = tokenEnd(text, at);
    const token = text.slice(at, Math.min(end, at + 200));
    const isFirst = count === 0;
    const found = levelInToken(token, text, at, end, timed, isFirst, previous);
    if (found !== undefined) return found;
    if (isPlainWord(token)) {
      words += 1;
      if (words > 1 || /[,.;!?]$/.test(token)) break;
    } else if (/[^\]),]["'].*["'][,;]?$/.test(token) || /^[\w.@-]+="[^"]*$/.test(token)) {
      break;
    }
    previous = token;
    at = end;
  }
  return pairLevel(text) ?? ciscoLevel(text) ?? sentenceLevel(text, timed);
}

function levelInToken(
  token: string,
  text: string,
  at: number,
  end: number,
  timed: boolean,
  isFirst: boolean,
  previous: string,
): FoundLevel | undefined {
  const opening = token.charCodeAt(0);
  // [error] <Error> (WARN) {INFO} |ERROR| "ERROR"
  if (opening === 91 || opening === 60 || opening === 40 || opening === 123) {
    const level = levelInBrackets(token);
    return level === undefined ? undefined : { level, start: at, end };
  }
  const word = /^[*|"'#:=-]*([A-Za-z]{1,13}[1-5]?)/.exec(token);
  if (word === null) return undefined;
  const [lead, name = ''] = word;
  const after = token.charCodeAt(lead.length);
  if (name.length <= 2) {
    return timed ? letterLevel(name, text, at, end) : undefined;
  }
  // Most words of a log are in lower case. These are a level only with a mark or in the first place.
  if (Number.isNaN(after) && name.charCodeAt(1) > 90 && !(timed && isFirst)) return undefined;
  const known = levelWord(name);
  if (known === undefined) {
    // app.ERROR: (Monolog, Laravel), main|ERROR|logger (NLog), root:ERROR:text
    const part = /^[\w.-]{1,60}[.|:]([A-Z]{4,9})(?=[:|]|$)/.exec(token);
    const level = part === null ? undefined : levelWord(part[1] ?? '');
    if (part === null || level === undefined || !level.bare) return undefined;
    return { level: level.level, start: at, end: at + part[0].length + (token.charAt(part[0].length) === '' ? 0 : 1) };
  }
  const start = at;
  const wordEnd = at + lead.length;
  const isUpper = name === name.toUpperCase();
  const isAtEnd = Number.isNaN(after);
  switch (after) {
    case 58: {
      // ERROR: INFO:root: and error: if only names came before.
      if (name.toLowerCase() === name && !isFirst && /^[\w'-]+$/.test(previous) && !timed) return undefined;
      // "query:" and the like are words of a message, "QUERY:" is PostgreSQL's.
      if (!isUpper && !known.bare && known.level === 'info') return undefined;
      return { level: known.level, start, end: wordEnd + 1 };
    }
    case 91: // ERROR[123] (Asterisk), ERRO[0000] (logrus), error[E0425]: (Rust)
      if (!isUpper && !/^\[\w+\]:/.test(token.slice(lead.length))) return undefined;
      return { level: known.level, start, end: isUpper ? wordEnd : end };
    case 93: // 10:00:00 ERR] (Serilog)
    case 124: // |ERROR|
    case 41: // )
    case 62: // >
    case 34: // "
    case 42: // *
      return isUpper || after === 93 ? { level: known.level, start, end: wordEnd + 1 } : undefined;
    case 47: // ERROR/MainProcess] (Celery)
      return isUpper && known.bare ? { level: known.level, start, end } : undefined;
    case 44: // Error, (Windows' CSV)
      return isFirst && known.bare ? { level: known.level, start, end: wordEnd + 1 } : undefined;
    default:
      break;
  }
  if (!isAtEnd || !known.bare) return undefined;
  if (isUpper) {
    // "0 ERROR" counts errors that did not happen.
    return previous === '0' ? undefined : { level: known.level, start, end: wordEnd };
  }
  // `2026-11-28T10:00:00Z info hostd[123]`: in lower case, the next word must look like a name or a number.
  if (!timed || !isFirst) return undefined;
  const next = /^\s+(\S{1,80})/.exec(text.slice(wordEnd, wordEnd + 100));
  const isColumn = text.charCodeAt(wordEnd) === 9 || text.startsWith('  ', wordEnd);
  return next !== null && (isColumn || /[[\]{}():=./|]\S|^[[({"<-]/.test(next[1] ?? ''))
    ? { level: known.level, start, end: wordEnd }
    : undefined;
}

function levelInBrackets(token: string): KnownLevel | undefined {
  const inner = token.slice(1, /[\])>}]$/.test(token) ? -1 : undefined).trim();
  if (inner.length === 0 || inner.length > 60) return undefined;
  if (inner.length === 1) return levelLetter(inner);
  const direct = levelWord(inner);
  if (direct !== undefined) return direct.level;
  // [core:error] (Apache), [ERROR main] and [main ERROR], [level=error], [warn    ], [WARN |x]
  const part = /(?:^|[:=| ])([A-Za-z]{3,13}[1-5]?)(?=$|[ |:])/g;
  for (const [, word = ''] of inner.matchAll(part)) {
    const known = levelWord(word);
    const isColon = inner.endsWith(`:${word}`) || inner.endsWith(`=${word}`);
    if (known?.bare === true && (isColon || word === word.toUpperCase())) return known.level;
  }
  return undefined;
}

/**
 * `E NETWORK` (MongoDB), `1234 1234 E Tag:` (Android), `E CODE:` (WebSphere): the next word must be a name in that
 * form.
 */
function letterLevel(name: string, text: string, at: number, end: number): FoundLevel | undefined {
  if (!/^[FEWIDV]\d?$/.test(name)) return undefined;
  const level = levelLetter(name.charAt(0));
  return level !== undefined &&
    /^\s+(?:[A-Z_]{2,}\d{0,4}[IWEAS]?:?\s|-\s|[\w.$/@-]{1,80}\s*:)/.test(text.slice(end, end + 100))
    ? { level, start: at, end }
    : undefined;
}

const PAIRS_ONLY = /^\s*[A-Za-z_@][\w.@-]{0,60}=/;
const CISCO = /%[A-Z][A-Z0-9_]{1,30}-(?:[A-Z0-9_]{1,20}-)?([0-7])-[A-Z0-9_]{1,60}:/;

/** `%LINK-3-UPDOWN:`, with the severity of syslog between facility and name. */
function ciscoLevel(text: string): FoundLevel | undefined {
  if (!text.includes('%')) return undefined;
  const severity = CISCO.exec(text.slice(0, HEAD))?.[1];
  return severity === undefined ? undefined : { level: syslogLevel(Number(severity)), start: 0, end: 0 };
}

const PAIR_NAMES = ['level=', 'lvl=', 'severity=', 'levelname=', 'at='];

/** `level=error` in the first part of the line, at the start of a word, so not inside an address. */
function pairLevel(text: string): FoundLevel | undefined {
  if (!PAIR_NAMES.some((name) => text.includes(name))) return undefined;
  const head = text.length > 4_000 ? text.slice(0, 4_000) : text;
  const pair = LOGFMT_LEVEL.exec(head);
  if (pair !== null) {
    const level = levelOfText(pair[1] ?? pair[2] ?? '');
    if (level !== undefined) return { level, start: pair.index, end: pair.index + pair[0].length };
  }
  const heroku = HEROKU_LEVEL.exec(head);
  const level = heroku === null ? undefined : levelOfText(heroku[1] ?? '');
  return level === undefined ? undefined : { level, start: 0, end: 0 };
}

/** The column of the level in a line of comma-separated values, as in PostgreSQL. */
function csvLevel(after: string): FoundLevel | undefined {
  if (after.charCodeAt(0) !== 44) return undefined;
  const column = CSV_LEVEL.exec(after.length > 8_000 ? after.slice(0, 8_000) : after);
  const level = column === null ? undefined : levelOfText(column[1] ?? '');
  return level === undefined ? undefined : { level, start: 0, end: 0 };
}

/** A word of each of the sentences below. Most lines contain none of them and need no further test. */
const TROUBLE =
  /rror|xception|Failure|arning|WARN|ERR|panic|ncaught|nhandled|raceback|fault|timed out|memory|eprecated|otice|Strict|STOP|BUG:|Oops|\*\* \(/;
/** How programs report their own end, and other sentences about errors in lines without a level. */
const SENTENCES: readonly (readonly [RegExp, KnownLevel])[] = [
  [
    /^(?:panic: |fatal error: |Unhandled exception|Uncaught |thread '[^']*' panicked|\*\*\* (?:Error|Exception|STOP)|Kernel panic|Segmentation fault)/i,
    'fatal',
  ],
  [/^(?:PHP )?(?:Fatal error|Parse error|Recoverable fatal error|Catchable fatal error): /, 'fatal'],
  [/^PHP (?:Warning|Deprecated): /, 'warn'],
  [/^PHP (?:Notice|Strict Standards): /, 'info'],
  [/^(?:Traceback \(most recent call last\)|Exception in thread |Exception ignored in)/, 'error'],
  [/^(?:\[?[\w.$/]{0,200}(?:Error|Exception|Failure)\b[\w$]{0,40}(?:: |$| \{|\])|\*\* \([\w.]{1,80}\) )/, 'error'],
  [/^(?:[\w.]{0,100}Warning: |\(node:\d+\) (?:\[\w+\] )?\w{0,60}Warning: )/, 'warn'],
  [/^http: (?:panic serving|TLS handshake error) /, 'error'],
  [/^npm (?:ERR!|error\b)/, 'error'],
  [/^npm (?:WARN|warn)\b/, 'warn'],
  [/^(?:\S{1,200}:\d+:(?:\d+:)?|\S{1,60}:) (?:fatal )?error: /i, 'error'],
  [/^(?:\S{1,200}:\d+:(?:\d+:)?|\S{1,60}:) (?:\w{1,40})?warning: /i, 'warn'],
  [/^\S{1,200}:\d+:in [`'].{1,400}\([\w:]{1,80}(?:Error|Exception)\)$/, 'error'],
  [/^\S{0,40} ?Task timed out after /, 'error'],
  [/^Out of memory: Kill|^BUG: |^Oops: |^.{0,60}segfault at /, 'error'],
  [/^##\[error\]|^::error\b/, 'error'],
  [/^##\[warning\]|^::warning\b/, 'warn'],
  // SQL Server: spid51 Error: 18456, Severity: 14
  [/^\S{1,20}\s+Error: \d+, Severity: /, 'error'],
];

function sentenceLevel(text: string, timed: boolean): FoundLevel | undefined {
  const start = timed ? text.length - text.trimStart().length : 0;
  const head = text.slice(start, start + 500).replace(UPTIME, '');
  if (!TROUBLE.test(head.length > 200 ? head.slice(0, 200) : head)) return undefined;
  for (const [pattern, level] of SENTENCES) if (pattern.test(head)) return { level, start: 0, end: 0 };
  return undefined;
}

/** The end of a word, or of a text in brackets. */
function tokenEnd(text: string, from: number): number {
  const opening = text.charCodeAt(from);
  const closing = opening === 91 ? ']' : opening === 40 ? ')' : opening === 60 ? '>' : opening === 123 ? '}' : '';
  if (closing !== '') {
    const end = text.slice(from, from + 120).indexOf(closing);
    if (end !== -1) return from + end + 1;
  }
  let at = from;
  while (at < text.length && !isSpace(text.charCodeAt(at))) at += 1;
  return at;
}

/** A plain word, and not a number or a name with digits or marks. */
function isPlainWord(token: string): boolean {
  const isPunctuated = /[,.;!?]$/.test(token);
  const end = isPunctuated ? token.length - 1 : token.length;
  let hasMark = false;
  let at = token.charCodeAt(0) === 34 || token.charCodeAt(0) === 39 ? 1 : 0;
  if (at >= end) return false;
  for (; at < end; at++) {
    const code = token.charCodeAt(at);
    if ((code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code > 127 || code === 39) continue;
    if ((code >= 48 && code <= 57) || code === 45 || code === 95) hasMark = true;
    else return false;
  }
  return !hasMark || (isPunctuated && token.charCodeAt(end) !== 46);
}

function isSpace(code: number): boolean {
  return code === 32 || code === 9;
}

function isLetterOrDigit(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
}
