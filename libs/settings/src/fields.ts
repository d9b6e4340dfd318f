import { Secret } from './secret.js';

/**
 * The result of reading one variable: its value, or a phrase that says what was expected. The phrase never contains the
 * value.
 */
type FieldReading<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly expected: string };

/** One setting: its variable, and how its text becomes a value. */
export interface Field<T> {
  readonly env: string;
  read(raw: string | undefined): FieldReading<T>;
}

interface Named {
  /** Name of the environment variable, for example `BATUTA_HTTP_PORT`. */
  readonly env: string;
}

/** A field without a default is required. An empty or blank variable counts as not set. */
interface Required extends Named {
  readonly default?: undefined;
  readonly optional?: false | undefined;
}
interface Defaulted<T> extends Named {
  readonly default: T;
  readonly optional?: false | undefined;
}
interface Optional extends Named {
  readonly default?: undefined;
  readonly optional: true;
}
type Presence<T> = Required | Defaulted<T> | Optional;
type Value<T, P> = P extends { readonly optional: true } ? T | undefined : T;

function field<T, P extends Presence<T>>(
  presence: P,
  description: string,
  parse: (raw: string) => T | undefined,
): Field<Value<T, P>> {
  return {
    env: presence.env,
    read(raw) {
      if (raw === undefined || raw.trim() === '') {
        if (presence.default !== undefined) {
          return { ok: true, value: presence.default as Value<T, P> };
        }
        return presence.optional === true
          ? { ok: true, value: undefined as Value<T, P> }
          : { ok: false, expected: `is required: ${description}` };
      }
      const value = parse(raw);
      return value === undefined
        ? { ok: false, expected: `must be ${description}` }
        : { ok: true, value: value as Value<T, P> };
    },
  };
}

interface TextRules {
  readonly pattern?: RegExp | undefined;
  /** The meaning of the pattern for error messages, for example "a lower-case name". */
  readonly describe?: string | undefined;
}

/** Text without the spaces at its ends. `pattern` must match its significant part. */
export function text<const P extends Presence<string>>(options: P & TextRules): Field<Value<string, P>> {
  const { pattern, describe } = options;
  const description = describe ?? (pattern === undefined ? 'a text' : `a text that matches ${pattern.source}`);
  return field<string, P>(options, description, (raw) => {
    const value = raw.trim();
    return pattern === undefined || matches(pattern, value) ? value : undefined;
  });
}

/** A text that must not be printed. The value is a `Secret`, which is revealed only by `reveal()`. */
export function secret<const P extends Presence<Secret>>(
  options: P & { readonly minLength?: number | undefined },
): Field<Value<Secret, P>> {
  const minLength = options.minLength ?? 1;
  return field<Secret, P>(options, `a secret of at least ${minLength} characters`, (raw) =>
    raw.length >= minLength ? new Secret(raw) : undefined,
  );
}

interface Range {
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

function range(options: Range, unit: (value: number) => string = String): string {
  const { min, max } = options;
  if (min !== undefined && max !== undefined) return ` from ${unit(min)} to ${unit(max)}`;
  if (min !== undefined) return ` of at least ${unit(min)}`;
  return max === undefined ? '' : ` of at most ${unit(max)}`;
}

function within(value: number | undefined, { min, max }: Range): number | undefined {
  if (value === undefined || !Number.isSafeInteger(value)) return undefined;
  return (min === undefined || value >= min) && (max === undefined || value <= max) ? value : undefined;
}

/** A whole number from `min` to `max`. */
export function integer<const P extends Presence<number>>(options: P & Range): Field<Value<number, P>> {
  return field<number, P>(options, `a whole number${range(options)}`, (raw) =>
    /^\s*[+-]?\d+\s*$/.test(raw) ? within(Number(raw), options) : undefined,
  );
}

const MILLISECONDS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const BYTES = {
  b: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
} as const;

function quantity(raw: string, units: Readonly<Record<string, number>>): number | undefined {
  const found = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(raw.trim());
  if (found === null) return undefined;
  const unit = (found[2] ?? '').toLowerCase();
  const factor = unit === '' ? 1 : Object.hasOwn(units, unit) ? units[unit] : undefined;
  return factor === undefined ? undefined : Number(found[1]) * factor;
}

/** A duration in milliseconds. The text is a number of milliseconds or has a unit: `250`, `1.5s`, `2m`, `1h`, `30d`. */
export function milliseconds<const P extends Presence<number>>(options: P & Range): Field<Value<number, P>> {
  const description = `a duration${range(options, (value) => `${value}ms`)}, such as 500ms, 5s, 2m, 1h or 30d`;
  return field<number, P>(options, description, (raw) => within(quantity(raw, MILLISECONDS), options));
}

/** A size in bytes. The text is a number of bytes or has a unit: `512`, `64KiB`, `8MiB`, `10MB`, `1GiB`. */
export function bytes<const P extends Presence<number>>(options: P & Range): Field<Value<number, P>> {
  const description = `a size${range(options, (value) => `${value} bytes`)}, such as 512, 64KiB, 8MiB or 10MB`;
  return field<number, P>(options, description, (raw) => within(quantity(raw, BYTES), options));
}

const BOOLEANS: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  1: true,
  false: false,
  no: false,
  off: false,
  0: false,
};

/** `true`, `yes`, `on`, `1`, or `false`, `no`, `off`, `0`. */
export function boolean<const P extends Presence<boolean>>(options: P): Field<Value<boolean, P>> {
  return field<boolean, P>(options, 'true or false', (raw) => {
    const key = raw.trim().toLowerCase();
    return Object.hasOwn(BOOLEANS, key) ? BOOLEANS[key] : undefined;
  });
}

/** An absolute URL with one of `protocols` (without the colon: `['http', 'https']`), as text. */
export function url<const P extends Presence<string>>(
  options: P & { readonly protocols: readonly string[] },
): Field<Value<string, P>> {
  const description = `a URL that begins with ${options.protocols.map((name) => `${name}://`).join(' or ')}`;
  return field<string, P>(options, description, (raw) => {
    const value = raw.trim();
    const parsed = URL.canParse(value) ? new URL(value) : undefined;
    return parsed !== undefined && options.protocols.includes(parsed.protocol.slice(0, -1)) ? value : undefined;
  });
}

/** Values separated by commas, without surrounding spaces and without empty values. */
export function list<const P extends Presence<readonly string[]>>(
  options: P & TextRules,
): Field<Value<readonly string[], P>> {
  const { pattern, describe } = options;
  const description = `a list of ${describe ?? (pattern === undefined ? 'texts' : `texts that match ${pattern.source}`)}, separated by commas`;
  return field<readonly string[], P>(options, description, (raw) => {
    const values = raw
      .split(',')
      .map((value) => value.trim())
      .filter((value) => value !== '');
    return values.every((value) => pattern === undefined || matches(pattern, value))
      ? Object.freeze(values)
      : undefined;
  });
}

/** One of the given words, in exactly this spelling. */
export function oneOf<const T extends string, const P extends Presence<T>>(
  values: readonly T[],
  options: P,
): Field<Value<T, P>> {
  return field<T, P>(options, `one of ${values.join(', ')}`, (raw) => values.find((value) => value === raw.trim()));
}

function matches(pattern: RegExp, value: string): boolean {
  // A global or sticky pattern would start at the end of its last match.
  pattern.lastIndex = 0;
  return pattern.test(value);
}
