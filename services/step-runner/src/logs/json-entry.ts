import {
  azureLevel,
  googleLevel,
  levelOfNumber,
  levelOfText,
  openTelemetryLevel,
  pythonLevel,
  statusLevel,
  syslogLevel,
  windowsLevel,
} from './levels.js';
import type { KnownLevel } from './levels.js';
import { epochTime, timeOfText } from './timestamp.js';

/** The entry in an object of a JSON log. */
interface JsonEntry {
  readonly at: number | undefined;
  readonly zoned: boolean;
  readonly level: KnownLevel | undefined;
  /**
   * Whether `level` is only the format's default for entries without a level, as in journald and Docker's syslog
   * driver.
   */
  readonly levelIsDefault: boolean;
  readonly message: string;
  /** The program's own line, when a collector put it into this object. It may have its own time and level. */
  readonly inner: string | undefined;
  /** `stdout` or `stderr`, if a container's runtime reports it. */
  readonly stream: string;
  /** Docker cuts lines into pieces of 16 KiB, and only the last one ends with a line break. */
  readonly partial: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

/** Names of a field, the most specific first. */
type Names = ReadonlyMap<string, number>;

const TIME = names(
  'time @timestamp timestamp ts @t asctime datetime date eventTime EventTime t instant timeMillis timeUnixNano time_unix_nano',
  '_SOURCE_REALTIME_TIMESTAMP __REALTIME_TIMESTAMP Timestamp TimeGenerated TimeCreated timeGenerated timeCreated Time DateTime',
  'date_time log_time logged_at time_iso8601 time_local start_time StartUTC EdgeStartTimestamp requestReceivedTimestamp',
  'stageTimestamp event_time eventTimestamp timestampSeconds observedTimeUnixNano observed_timestamp receiveTimestamp _time',
  'created_at createdAt msec epoch unixtime ingestionTime',
);
const LEVEL = names(
  'log.level level severity lvl @l severityText severity_text SeverityText levelname level_name levelText LevelDisplayName',
  'error_severity loglevel log_level logLevel LogLevel Level Severity severityNumber severity_number SeverityNumber',
  'severityLevel SeverityLevel PRIORITY priority levelno level_value log_severity',
);
const MESSAGE = names(
  'msg message MESSAGE @m RenderedMessage short_message Message textPayload body event @mt MessageTemplate log line text',
  'full_message errorMessage description raw',
);
const CAUSE = names('err error exception @x Exception exc_info');
const STATUS = names(
  'status status_code statusCode response_code DownstreamStatus EdgeResponseStatus http_status sc-status response_status',
);
/** Fields that, besides the status, only the entry of a served request has. */
const REQUEST = names(
  'request request_method request_uri method uri path url remote_addr http_user_agent RequestMethod ClientRequestMethod verb',
);

function names(...lists: string[]): Names {
  return new Map(lists.flatMap((list) => list.split(' ')).map((name, rank) => [name, rank]));
}

/** Reads one object of a JSON log. Never throws. */
export function jsonEntry(object: Fields, now: number): JsonEntry {
  const fields = flattened(object);
  const kind = kindOf(fields);
  const { at, zoned } = timeOf(fields, now);
  const { level, isDefault } = levelOf(fields, kind);
  const text = messageOf(fields);
  const log = fields['log'];
  const isDocker = typeof log === 'string' && typeof fields['stream'] === 'string';
  return {
    at,
    zoned,
    level,
    levelIsDefault: isDefault,
    message: withCause(text, fields),
    inner: level === undefined || isDefault || isDocker ? text : undefined,
    stream: isDocker ? String(fields['stream']) : '',
    partial: isDocker && !log.endsWith('\n') && Buffer.byteLength(log) >= 16 * 1024 - 4,
  };
}

/**
 * The records of an object that contains many: OTLP's export, CloudTrail, Azure's diagnostics, CloudWatch's
 * subscriptions.
 */
export function recordsIn(object: Fields): Fields[] | undefined {
  for (const name of ['Records', 'records', 'logEvents'] as const) {
    const list = own(object, name);
    if (Array.isArray(list)) return list.filter(isObject);
  }
  const resources = own(object, 'resourceLogs') ?? own(object, 'resource_logs');
  if (!Array.isArray(resources)) return undefined;
  return resources.filter(isObject).flatMap((resource) => {
    const scopes =
      own(resource, 'scopeLogs') ?? own(resource, 'scope_logs') ?? own(resource, 'instrumentationLibraryLogs');
    return (Array.isArray(scopes) ? scopes : []).filter(isObject).flatMap((scope) => {
      const records = own(scope, 'logRecords') ?? own(scope, 'log_records');
      return Array.isArray(records) ? records.filter(isObject) : [];
    });
  });
}

type Kind = 'gelf' | 'journal' | 'mongo' | 'windows' | 'google' | 'serilog' | 'other';

function kindOf(fields: Fields): Kind {
  if (has(fields, 'short_message')) return 'gelf';
  if (has(fields, '__REALTIME_TIMESTAMP') || has(fields, '_SOURCE_REALTIME_TIMESTAMP') || has(fields, 'MESSAGE')) {
    return 'journal';
  }
  if (isObject(fields['t']) && typeof fields['s'] === 'string') return 'mongo';
  if (
    has(fields, 'ProviderName') ||
    has(fields, 'provider_name') ||
    has(fields, 'EventID') ||
    has(fields, 'levelText')
  ) {
    return 'windows';
  }
  if (has(fields, 'logName') || has(fields, 'insertId') || has(fields, 'jsonPayload')) return 'google';
  return has(fields, '@t') && (has(fields, '@m') || has(fields, '@mt')) ? 'serilog' : 'other';
}

/**
 * The fields of an object, together with those of nested objects in which some formats store time, level or message:
 * ECS's `log`, tracing's `fields`, Google's `jsonPayload`, loguru's `record`.
 */
function flattened(object: Fields): Fields {
  const nested = NESTED.filter((name) => isObject(own(object, name)));
  // Without a prototype, so that inherited names such as `toString` are not fields.
  if (nested.length === 0) return object;
  const all = Object.create(null) as Record<string, unknown>;
  for (const name of nested) Object.assign(all, own(object, name));
  return Object.assign(all, object);
}
const NESTED = ['log', 'fields', 'jsonPayload', 'record', 'syslog', 'httpRequest', 'responseStatus'] as const;

function timeOf(fields: Fields, now: number): { at: number | undefined; zoned: boolean } {
  let best: { at: number; zoned: boolean } | undefined;
  let bestRank = Infinity;
  for (const name in fields) {
    const rank = TIME.get(name);
    if (rank === undefined || rank >= bestRank || !Object.hasOwn(fields, name)) continue;
    const time = timeOfValue(fields[name], now);
    if (time === undefined) continue;
    best = time;
    bestRank = rank;
  }
  return best ?? { at: undefined, zoned: false };
}

function timeOfValue(value: unknown, now: number): { at: number; zoned: boolean } | undefined {
  if (typeof value === 'number') return zonedTime(epochTime(value));
  if (typeof value === 'string') {
    const found = timeOfText(value, now);
    return found?.at === undefined ? undefined : { at: found.at, zoned: found.zoned };
  }
  if (!isObject(value)) return undefined;
  // MongoDB's $date, log4j's instant, protobuf's Timestamp, loguru's time, PHP's DateTime.
  const seconds = own(value, 'epochSecond') ?? own(value, 'seconds');
  if (typeof seconds === 'number' || typeof seconds === 'string') {
    const nanoseconds = Number(own(value, 'nanoOfSecond') ?? own(value, 'nanos') ?? 0);
    const at = epochTime(Number(seconds));
    return at === undefined
      ? undefined
      : zonedTime(at + (Number.isFinite(nanoseconds) ? Math.floor(nanoseconds / 1e6) : 0));
  }
  const text = own(value, '$date') ?? own(value, 'timestamp') ?? own(value, 'repr') ?? own(value, 'date');
  return typeof text === 'number' || typeof text === 'string' ? timeOfValue(text, now) : undefined;
}

function zonedTime(at: number | undefined): { at: number; zoned: boolean } | undefined {
  return at === undefined ? undefined : { at, zoned: true };
}

function levelOf(fields: Fields, kind: Kind): { level: KnownLevel | undefined; isDefault: boolean } {
  let level: KnownLevel | undefined;
  let bestRank = Infinity;
  for (const name in fields) {
    const rank = LEVEL.get(name);
    if (rank === undefined || rank >= bestRank || !Object.hasOwn(fields, name)) continue;
    const found = levelOfValue(name, fields[name], kind);
    if (found === undefined) continue;
    level = found;
    bestRank = rank;
  }
  if (level === undefined && kind === 'mongo') level = levelOfText(String(fields['s']).charAt(0));
  if (level === undefined && kind === 'serilog') level = 'info';
  // journald uses priority 6 for everything that a service prints.
  if (level !== undefined) return { level, isDefault: kind === 'journal' && level === 'info' };
  return { level: otherLevel(fields), isDefault: false };
}

function levelOfValue(name: string, value: unknown, kind: Kind): KnownLevel | undefined {
  if (isObject(value)) return levelOfValue(name, own(value, 'name') ?? own(value, 'level'), kind);
  const number = typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : value;
  if (typeof number === 'string') return levelOfText(number);
  if (typeof number !== 'number') return undefined;
  if (name === 'severityNumber' || name === 'severity_number' || name === 'SeverityNumber') {
    return openTelemetryLevel(number);
  }
  if (name === 'PRIORITY' || name === 'priority' || kind === 'gelf') {
    return number <= 7 ? syslogLevel(number) : undefined;
  }
  if (name === 'levelno') return pythonLevel(number);
  if (name === 'severityLevel' || name === 'SeverityLevel') return azureLevel(number);
  if (kind === 'windows') return windowsLevel(number);
  return kind === 'google' ? googleLevel(number) : levelOfNumber(number);
}

/** The level of entries without a level field: Datadog's status, Kibana's tags, or the status of a served request. */
function otherLevel(fields: Fields): KnownLevel | undefined {
  for (const name of STATUS.keys()) {
    const status = own(fields, name);
    if (status === undefined) continue;
    if (typeof status === 'string' && !/^\d{3}$/.test(status)) return levelOfText(status);
    for (const request of REQUEST.keys()) if (has(fields, request)) return statusLevel(Number(status));
  }
  const code = own(fields, 'code');
  if (has(fields, 'verb') && typeof code === 'number') return statusLevel(code);
  if (typeof own(fields, 'eventSource') === 'string' && typeof own(fields, 'eventName') === 'string') {
    return has(fields, 'errorCode') ? 'error' : 'info';
  }
  const tags = own(fields, 'tags');
  if (!Array.isArray(tags)) return undefined;
  for (const tag of tags.slice(0, 20)) {
    const level =
      typeof tag === 'string' && /^(fatal|error|warning|warn|info|debug|trace)$/.test(tag)
        ? levelOfText(tag)
        : undefined;
    if (level !== undefined) return level;
  }
  return undefined;
}

function messageOf(fields: Fields): string | undefined {
  let best: string | undefined;
  let bestRank = Infinity;
  for (const name in fields) {
    const rank = MESSAGE.get(name);
    if (rank === undefined || rank >= bestRank || !Object.hasOwn(fields, name)) continue;
    const text = textOf(fields[name]);
    if (text === undefined || text === '') continue;
    best = text;
    bestRank = rank;
  }
  return best;
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  // journald writes a message that is not UTF-8 as a list of bytes.
  if (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((byte) => Number.isInteger(byte) && byte >= 0 && byte < 256)
  ) {
    return Buffer.from(value as number[]).toString('utf8');
  }
  if (!isObject(value)) return undefined;
  // OTLP's AnyValue.
  const text = own(value, 'stringValue') ?? own(value, 'string_value') ?? own(value, 'message');
  return typeof text === 'string' ? text : undefined;
}

function withCause(message: string | undefined, fields: Fields): string {
  let cause: string | undefined;
  for (const name of CAUSE.keys()) {
    const value = own(fields, name);
    cause = typeof value === 'string' ? value : isObject(value) ? textOfCause(value) : undefined;
    if (cause !== undefined && cause !== '') break;
  }
  cause ??= own(fields, 'error.message') === undefined ? undefined : String(own(fields, 'error.message'));
  if (cause === undefined && isObject(fields['attr'])) {
    const error = own(fields['attr'], 'error') ?? own(fields['attr'], 'err');
    cause = typeof error === 'string' ? error : isObject(error) ? textOfCause(error) : undefined;
  }
  return [message, cause === message ? undefined : cause?.split('\n', 1)[0]]
    .filter((part) => part !== undefined && part !== '')
    .join(': ');
}

function textOfCause(value: Fields): string | undefined {
  const text = own(value, 'message') ?? own(value, 'msg') ?? own(value, 'errmsg') ?? own(value, 'reason');
  return typeof text === 'string' ? text : undefined;
}

function has(fields: Fields, name: string): boolean {
  return Object.hasOwn(fields, name);
}

function own(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
