import { levelOfText, levelWord, syslogLevel } from './levels.js';
import type { KnownLevel, LogLineLevel } from './levels.js';
import { objectEntry, parseLine } from './log-line.js';
import { ParsedLine } from './parsed-line.js';
import { timeOfText } from './timestamp.js';
import { W3cFields } from './w3c-fields.js';

/** One entry of a log: a line, or several lines with a stack trace or a long message. */
export interface LogEntry {
  /** The number of its first line. */
  readonly line: number;
  /** Epoch milliseconds; a time without a zone counts as UTC. */
  readonly at: number | undefined;
  readonly level: LogLineLevel;
  readonly message: string;
}

interface Open {
  readonly line: number;
  at: number | undefined;
  readonly timed: boolean;
  level: KnownLevel | undefined;
  message: string;
  /** The language whose stack trace is being read. */
  trace: 'python' | 'go' | undefined;
  /** What the next line is expected to contain when it has no time: the text after a time or a header. */
  awaits: 'text' | undefined;
  /** Formats that write one field in each line below the entry's first line. */
  readonly fields: 'windows' | 'journal' | undefined;
}

/** Lines that are collected until their entry is complete. */
interface Block {
  readonly kind: 'json' | 'xml' | 'journal';
  readonly line: number;
  readonly indent: number;
  readonly lines: string[];
  size: number;
}

const LONGEST_TEXT = 256 * 1024;
const MOST_SOURCES = 64;
/** How much further text an entry's message keeps. */
const LONGEST_MESSAGE = 4_000;

const ESCAPES =
  // eslint-disable-next-line no-control-regex -- ESC begins what it looks for
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]{0,200}(?:\u0007|\u001b\\)|[@-Z\\-_])|#033\[[\d;]*m/g;
// eslint-disable-next-line no-control-regex -- what a crash leaves in a file that was being written
const NULS = /\u0000+/g;

const INDENTED_ENTRY = /^\s{1,40}(?:[[(]?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d|\{"|(?<=^ )(?:INFO|WARN) )/;
const FRAME = /^\s+(?:at (?:async )?[\w.$<>/[\]]+|File ".*", line \d|\.\.\. \d+ (?:more|common)|[\w$]+\.go:\d)/;
const CONTINUATION =
  /^(?:Caused by: |Suppressed: |Wrapped by: |\.\.\. \d+ (?:more|common frames)|at (?:async )?[\w.$<>/[\]]+ ?\(|--- End of |During handling of the above exception|The above exception was the direct cause|Stack trace:$|\[stacktrace\]|#\d+ |\{main\}|thrown in |goroutine \d+[^[]{0,40}\[|\[signal |created by |exit status \d+$|stack backtrace:|note: (?:run with|Some details)|Node\.js v\d|[}\])]+[;,"]?$|[\^~]+$|# [A-Z][\w@]+: )/;
const EXCEPTION = /^(?:[\w$]+\.)*[A-Z][\w$]*(?:Exception|Error|Throwable|Failure|Fault|Interrupt|Exit)(?:: |:?$)/;
const QUALIFIED_EXCEPTION = /^(?:[\w$]+\.)+[A-Z][\w$]*(?:Exception|Error|Throwable|Failure|Fault)(?:: |:?$)/;
const TRACEBACK = /^\s*(?:\+ )?(?:Exception Group )?Traceback \(most recent call last\):/;
const PYTHON_END = /^[A-Za-z_][\w.]{0,200}(?:: |:?$)/;
const GO_CALL = /^(?:[\w./*()\-{}[\]$·]{1,300}\(.*\)|\.\.\.[\w ]*)$/;
/** A header of .NET's console logger: `fail: Company.Service[17]`, with the message on the next line. */
const DOTNET_HEAD = /^(?:info|warn|fail|crit|dbug|trce): \S.{0,300}\[\d+\]$/;
/** The first line of java.util.logging: class and method. Level and message are on the next line. */
const JUL_HEAD = /^[\w.$]{1,300} [\w<>$]{1,200}$/;
const JUL_MESSAGE = /^(?:SEVERE|WARNING|INFO|CONFIG|FINE|FINER|FINEST): /;
const EVENT_FIELD = /^\s+(Date|Level|Source|Description|PRIORITY|MESSAGE|_SOURCE_REALTIME_TIMESTAMP)[:=] ?(.*)$/;

/**
 * Makes entries from lines. The rest of a stack trace or of a statement belongs to the entry before it, also when a
 * container's runtime adds a time to each line. Parts of a line that a runtime split are joined. Memory is bounded.
 */
export class LogEntries {
  readonly #onEntry: (entry: LogEntry) => void;
  lines = 0;
  /** Lines that belong to the entry of an earlier line. */
  continuations = 0;
  readonly #now: number;
  /** The newest entry of each source, as long as lines can be added to it. */
  readonly #open = new Map<string, Open>();
  readonly #parts = new Map<string, { line: number; text: string }>();
  readonly #w3c = new W3cFields();
  #block: Block | undefined;

  constructor(onEntry: (entry: LogEntry) => void, now: number = Date.now()) {
    this.#onEntry = onEntry;
    this.#now = now;
  }

  add(raw: string): void {
    this.lines += 1;
    const line = cleaned(raw);
    if (this.#block !== undefined && this.#addToBlock(line)) return;
    const first = line.charCodeAt(0);
    // Empty.
    if (first !== first) return;
    if (first <= 32) {
      if (line.trim() === '') return;
      // Fast path: the indentation shows most lines of a stack trace, without parsing them.
      const open = this.#open.get('');
      if (
        open !== undefined &&
        !INDENTED_ENTRY.test(line) &&
        !(line.trimEnd() === `${line.slice(0, line.search(/\S/))}{`)
      ) {
        this.#continue(open, line);
        return;
      }
    }
    if (this.#startBlock(line, first)) return;
    if (first === 35 && this.#w3c.read(line)) return;
    const served = this.#w3c.entryOf(line, this.#now);
    if (served !== undefined) {
      this.#addEntry(served, this.lines);
      return;
    }
    this.#addParsed(parseLine(first <= 32 ? line.trimStart() : line, this.#now), line);
  }

  /** Emits the open entries. No line may follow. */
  end(): void {
    this.#endBlock();
    for (const { line, text } of this.#parts.values()) this.#addEntry(parseLine(text, this.#now), line);
    this.#parts.clear();
    for (const open of this.#open.values()) this.#give(open);
    this.#open.clear();
  }

  #addParsed(parsed: ParsedLine, line: string): void {
    const { source } = parsed;
    if (parsed.partial) {
      const part = this.#parts.get(source);
      if (part === undefined) {
        if (this.#parts.size < MOST_SOURCES) this.#parts.set(source, { line: this.lines, text: parsed.body });
      } else {
        this.continuations += 1;
        if (part.text.length < LONGEST_TEXT) part.text += parsed.body;
      }
      return;
    }
    if (this.#parts.size > 0) {
      const part = this.#partOf(source);
      if (part !== undefined) {
        this.continuations += 1;
        // The last part has an envelope too, and its inner text completes the line.
        const text = `${part.text}${innerText(line)}`;
        const whole = parseLine(text.slice(0, LONGEST_TEXT), this.#now);
        const at = whole.at !== undefined && whole.zoned ? whole.at : (parsed.at ?? whole.at);
        const { zoned, timed, level, levelIsDefault, message, body, more } = whole;
        this.#addEntry(
          new ParsedLine(at, zoned, timed, level, levelIsDefault, message, body, source, false, more),
          part.line,
        );
        return;
      }
    }
    const open = this.#open.get(source);
    if (open !== undefined && belongsTo(parsed, open)) {
      this.#continue(open, parsed.body);
      return;
    }
    if (open !== undefined && !parsed.timed && this.#completes(parsed, open)) return;
    this.#addEntry(parsed, this.lines);
    for (const further of parsed.more ?? []) this.#addEntry(further, this.lines);
  }

  #partOf(source: string): { line: number; text: string } | undefined {
    for (const [key, part] of this.#parts) {
      if (source !== key && !source.startsWith(key)) continue;
      this.#parts.delete(key);
      return part;
    }
    return undefined;
  }

  /** Whether a line without a time is the one that the open entry expects. */
  #completes(parsed: ParsedLine, open: Open): boolean {
    const isJul = open.level === undefined && JUL_HEAD.test(open.message) && JUL_MESSAGE.test(parsed.body);
    if (open.awaits === undefined && !isJul) return false;
    this.continuations += 1;
    open.awaits = undefined;
    open.level ??= parsed.level;
    open.message = `${open.message} ${parsed.message}`.trim();
    return true;
  }

  #addEntry(parsed: ParsedLine, line: number): void {
    const { at, timed, level, message, source } = parsed;
    const before = this.#open.get(source);
    if (before !== undefined) {
      this.#give(before);
      this.#open.delete(source);
    } else if (this.#open.size >= MOST_SOURCES) {
      for (const [oldest, entry] of this.#open) {
        this.#give(entry);
        this.#open.delete(oldest);
        break;
      }
    }
    const isDotnet = level !== undefined && parsed.body.charCodeAt(4) === 58 && DOTNET_HEAD.test(parsed.body);
    const isPanic = level === 'fatal' && message.startsWith("thread '") && message.endsWith(':');
    const isEvent = level === undefined && message.startsWith('Event[');
    this.#open.set(source, {
      line,
      at,
      timed,
      level,
      message,
      trace: traceBegunBy(parsed),
      awaits: (timed && message === '') || isDotnet || isPanic ? 'text' : undefined,
      fields:
        isEvent && /^Event\[\d+\]:?$/.test(message) ? 'windows' : message.startsWith('[s=') ? 'journal' : undefined,
    });
  }

  /** Adds a line to an open entry. */
  #continue(open: Open, line: string): void {
    this.continuations += 1;
    const text = line.trim();
    if (open.awaits === 'text') {
      open.awaits = undefined;
      open.message = `${open.message} ${text.slice(0, LONGEST_MESSAGE)}`.trim();
    } else if (open.fields !== undefined) {
      this.#readField(open, line);
    }
    if (TRACEBACK.test(text)) {
      open.trace = 'python';
      open.level ??= 'error';
    } else if (text.startsWith('goroutine ')) {
      open.trace = 'go';
    } else if (EXCEPTION.test(text) || text.startsWith('Caused by: ')) {
      open.level ??= 'error';
    }
    // The last line of Python's stack trace has the error.
    if (open.trace === 'python' && !/^\s/.test(line) && PYTHON_END.test(text) && !CONTINUATION.test(text)) {
      open.trace = undefined;
      if (TRACEBACK.test(open.message)) open.message = text.slice(0, LONGEST_MESSAGE);
    }
  }

  #readField(open: Open, line: string): void {
    const field = EVENT_FIELD.exec(line.slice(0, LONGEST_MESSAGE));
    if (field === null) return;
    const [, name, value = ''] = field;
    if (name === 'Date') open.at = timeOfText(value, this.#now)?.at;
    else if (name === 'Level') open.level = levelOfText(value);
    else if (name === 'PRIORITY') open.level = /^[0-7]$/.test(value) ? syslogLevel(Number(value)) : undefined;
    else if (name === 'Source') open.message = `${value}:`;
    else if (name === 'MESSAGE') open.message = value;
    else if (name === 'Description' && value.trim() !== '') open.message += ` ${value}`;
    else if (name === 'Description') open.awaits = 'text';
  }

  #give({ line, at, level, message }: Open): void {
    this.#onEntry({ line, at, level: level ?? 'unknown', message });
  }

  #startBlock(line: string, first: number): boolean {
    let kind: Block['kind'];
    if (first === 95 && line.startsWith('__CURSOR=')) {
      kind = 'journal';
    } else if (first === 60 && line.startsWith('<Event') && !line.includes('</Event>') && !line.startsWith('<Events')) {
      kind = 'xml';
    } else if ((first === 123 || first <= 32) && line.trim() === '{') {
      kind = 'json';
    } else {
      return false;
    }
    const indent = line.search(/\S/);
    this.#block = { kind, line: this.lines, indent, lines: [line], size: line.length };
    return true;
  }

  /** Adds a line to the open block. Returns false when the line does not belong to it; the block has ended then. */
  #addToBlock(line: string): boolean {
    const block = this.#block;
    if (block === undefined) return false;
    const isBlank = line.trim() === '';
    if (block.kind === 'journal') {
      if (isBlank) {
        this.#endBlock();
        return true;
      }
      if (line.startsWith('__CURSOR=')) {
        this.#endBlock();
        return false;
      }
    } else if (block.kind === 'json' && !isBlank) {
      const indent = line.search(/\S/);
      if (indent < block.indent || (indent === block.indent && !/^\s*[}\]{]/.test(line))) {
        this.#endBlock();
        return false;
      }
    }
    this.continuations += 1;
    if (block.size < LONGEST_TEXT) block.lines.push(line);
    block.size += line.length + 1;
    const isEnd =
      block.kind === 'json'
        ? line.search(/\S/) === block.indent && /^\s*\}/.test(line)
        : block.kind === 'xml' && line.includes('</Event>');
    if (isEnd) this.#endBlock();
    return true;
  }

  #endBlock(): void {
    const block = this.#block;
    if (block === undefined) return;
    this.#block = undefined;
    if (block.kind === 'journal') {
      this.#addEntry(objectEntry(journalFields(block.lines), block.lines.join(' '), this.#now), block.line);
      return;
    }
    const text = block.lines.join(block.kind === 'json' ? '\n' : ' ').trim();
    const parsed = parseLine(text, this.#now);
    this.#addEntry(parsed, block.line);
    for (const further of parsed.more ?? []) this.#addEntry(further, block.line);
  }
}

/** Whether a line without its own time belongs to the entry before it. */
function belongsTo(parsed: ParsedLine, open: Open): boolean {
  const { body, timed } = parsed;
  // A runtime may put a time before each line of a stack trace.
  if (timed) {
    return FRAME.test(body.startsWith(' ') ? body.slice(1) : body) || /^ ?(?:Caused by: |\.\.\. \d+ more)/.test(body);
  }
  if (/^\s/.test(body)) return !INDENTED_ENTRY.test(body);
  if (CONTINUATION.test(body)) return true;
  if (open.trace === 'python') return PYTHON_END.test(body) && levelOfHead(body) === undefined;
  if (open.trace === 'go') return GO_CALL.test(body);
  if (!open.timed) return false;
  if (QUALIFIED_EXCEPTION.test(body)) return true;
  // After an entry without a problem, the report of an exception is more likely an entry of its own.
  const isTrouble =
    open.level === undefined || open.level === 'error' || open.level === 'fatal' || open.level === 'warn';
  return isTrouble && (TRACEBACK.test(body) || EXCEPTION.test(body));
}

function traceBegunBy({ level, message, body }: ParsedLine): Open['trace'] {
  if (level === 'error') return TRACEBACK.test(message) ? 'python' : undefined;
  return level === 'fatal' && /^(?:panic|fatal error): /.test(body) ? 'go' : undefined;
}

function levelOfHead(body: string): KnownLevel | undefined {
  const word = /^[A-Za-z]{3,11}(?=:)/.exec(body)?.[0];
  return word === undefined || word === 'Error' ? undefined : levelWord(word)?.level;
}

function cleaned(raw: string): string {
  let line = raw;
  if (line.charCodeAt(0) === 0xfeff) line = line.slice(1);
  if (line.includes('\u001b') || line.includes('#033[')) line = line.replace(ESCAPES, '');
  if (line.includes('\u0000')) line = line.replace(NULS, '');
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}

/** The program's text in the last part of a split line. */
function innerText(line: string): string {
  if (line.startsWith('{')) {
    try {
      const { log } = JSON.parse(line) as { log?: unknown };
      return typeof log === 'string' ? log.replace(/[\r\n]+$/, '') : '';
    } catch {
      return '';
    }
  }
  return line.replace(/^\S+ std(?:out|err) [PF](?::\S*)? ?/, '');
}

/** The fields of systemd's journal export format: `NAME=value`, or a name, eight bytes of length and the value. */
function journalFields(lines: readonly string[]): Record<string, string> {
  const fields = Object.create(null) as Record<string, string>;
  let pendingName: string | undefined;
  for (const line of lines) {
    const equals = /^[A-Z0-9_]{1,64}=/.exec(line);
    if (equals !== null) {
      fields[line.slice(0, equals[0].length - 1)] = line.slice(equals[0].length);
      pendingName = undefined;
    } else if (/^[A-Z0-9_]{1,64}$/.test(line)) {
      pendingName = line;
    } else if (pendingName !== undefined) {
      // The length is little-endian. The bytes after the first are NULs, which are removed by now.
      fields[pendingName] ??= line.slice(1);
    }
  }
  return fields;
}
