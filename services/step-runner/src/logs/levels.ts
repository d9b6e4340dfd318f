export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'unknown'] as const;
export type LogLineLevel = (typeof LOG_LEVELS)[number];
export type KnownLevel = Exclude<LogLineLevel, 'unknown'>;

/** Words that, in capitals and without any mark, are a level in some format: `2026-11-28 10:00:00 ERROR text`. */
const BARE: Readonly<Record<KnownLevel, string>> = {
  fatal: 'fatal fata ftl panic pani dpanic emerg emergency alert critical crit crt',
  error: 'error err erro eror severe',
  warn: 'warn warning wrn',
  info: 'info inf notice success information audit',
  debug: 'debug dbg dbug debu debug1 debug2 debug3 debug4 debug5 verbose vrb fine finer config',
  trace: 'trace trc trce finest',
};
/** Words that are a level only with a mark: in brackets, before a colon, or as the value of a field. */
const MARKED: Readonly<Record<KnownLevel, string>> = {
  fatal: '',
  error: 'fail failure failed',
  warn: '',
  // PostgreSQL's continuation lines of a message, MySQL's notes, and Windows' word for information.
  info: 'note log statement detail hint context query location informational system ok',
  debug: '',
  trace: 'silly spam',
};

interface LevelWord {
  readonly level: KnownLevel;
  readonly bare: boolean;
}

/** By the word in capitals, in lower case and with a first capital, so that no line must be converted. */
const WORDS = new Map<string, LevelWord>();
for (const [words, bare] of [
  [MARKED, false],
  [BARE, true],
] as const) {
  for (const [level, names] of Object.entries(words) as [KnownLevel, string][]) {
    for (const name of names.split(' ').filter((name) => name !== '')) {
      for (const form of [name, name.toUpperCase(), name.charAt(0).toUpperCase() + name.slice(1)]) {
        WORDS.set(form, { level, bare });
      }
    }
  }
}
const LONGEST_WORD = Math.max(...[...WORDS.keys()].map((word) => word.length));

/** The level of a word in one of the usual spellings, and whether it needs no mark. */
export function levelWord(word: string): LevelWord | undefined {
  return word.length > LONGEST_WORD || word.length < 3 ? undefined : WORDS.get(word);
}

const LETTERS: ReadonlyMap<string, KnownLevel> = new Map<string, KnownLevel>([
  ['F', 'fatal'],
  ['C', 'fatal'],
  ['A', 'fatal'],
  ['E', 'error'],
  ['W', 'warn'],
  ['I', 'info'],
  ['N', 'info'],
  ['D', 'debug'],
  ['V', 'debug'],
  ['T', 'trace'],
]);

/** The level of a single letter, as in glog, Android, MongoDB and tornado. */
export function levelLetter(letter: string): KnownLevel | undefined {
  return LETTERS.get(letter);
}

/** The level in the text of a field: `ERROR`, `error+2` (Go's slog), `LogLevel.Error`, `severity_error`, `E`. */
export function levelOfText(text: string): KnownLevel | undefined {
  if (text.length > 40) return undefined;
  const trimmed = text.trim();
  const direct = levelWord(trimmed);
  if (direct !== undefined) return direct.level;
  if (trimmed.length === 1) return LETTERS.get(trimmed.toUpperCase());
  const word = /^(?:\w*[._])??([a-z]{3,}[1-5]?)(?:[+-]\d+)?$/i.exec(trimmed)?.[1];
  return word === undefined ? undefined : levelWord(word.toLowerCase())?.level;
}

/** RFC 5424, 6.2.1: 0 emergency to 7 debug. */
export function syslogLevel(severity: number): KnownLevel {
  if (severity <= 2) return 'fatal';
  if (severity === 3) return 'error';
  if (severity === 4) return 'warn';
  return severity >= 7 ? 'debug' : 'info';
}

/** OpenTelemetry's log data model: 1 to 4 trace, 5 to 8 debug, … 21 to 24 fatal; 0 is unspecified. */
export function openTelemetryLevel(number: number): KnownLevel | undefined {
  if (number < 1 || number > 24) return undefined;
  return (['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const)[Math.floor((number - 1) / 4)];
}

/** Windows' events: 1 critical, 2 error, 3 warning, 4 information, 5 verbose; 0 is "log always". */
export function windowsLevel(number: number): KnownLevel | undefined {
  return (['info', 'fatal', 'error', 'warn', 'info', 'debug'] as const)[number];
}

/** Azure's Application Insights and .NET's diagnostics: 0 verbose to 4 critical. */
export function azureLevel(number: number): KnownLevel | undefined {
  return (['debug', 'info', 'warn', 'error', 'fatal'] as const)[number];
}

/** Python's `levelno`: 10 debug, 20 info, 30 warning, 40 error, 50 critical. */
export function pythonLevel(number: number): KnownLevel {
  if (number >= 50) return 'fatal';
  if (number >= 40) return 'error';
  if (number >= 30) return 'warn';
  if (number >= 20) return 'info';
  return number >= 10 ? 'debug' : 'trace';
}

/**
 * The level of a number whose size shows its scale: 0 to 7 is syslog's, 10 to 60 is pino's and bunyan's, 100 to 800 is
 * Monolog's, thousands are log4j's.
 */
export function levelOfNumber(number: number): KnownLevel | undefined {
  if (!(number >= 0)) return undefined;
  if (number <= 7) return Number.isInteger(number) ? syslogLevel(number) : undefined;
  if (number < 10) return undefined;
  if (number < 100) {
    if (number >= 60) return 'fatal';
    return number < 20 ? 'trace' : pythonLevel(number - 10);
  }
  if (number < 1_000) {
    if (number >= 500) return 'fatal';
    if (number >= 400) return 'error';
    if (number >= 300) return 'warn';
    return number >= 200 ? 'info' : 'debug';
  }
  if (number >= 50_000) return 'fatal';
  if (number >= 40_000) return 'error';
  if (number >= 30_000) return 'warn';
  if (number >= 20_000) return 'info';
  return number >= 10_000 ? 'debug' : 'trace';
}

/** Google Cloud's LogSeverity: 100 debug, 200 info, 300 notice, 400 warning, 500 error, 600 and above critical. */
export function googleLevel(number: number): KnownLevel | undefined {
  if (number >= 600) return 'fatal';
  if (number >= 500) return 'error';
  if (number >= 400) return 'warn';
  if (number >= 200) return 'info';
  return number >= 100 ? 'debug' : undefined;
}

/** The level of a server's answer: 5xx is an error of the server, 4xx a warning. */
export function statusLevel(status: number): KnownLevel | undefined {
  if (!(status >= 100 && status < 600)) return undefined;
  if (status >= 500) return 'error';
  return status >= 400 ? 'warn' : 'info';
}

/** The worse of two levels. */
export function worse(a: KnownLevel | undefined, b: KnownLevel | undefined): KnownLevel | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return LOG_LEVELS.indexOf(a) <= LOG_LEVELS.indexOf(b) ? a : b;
}
