import { decodeCursor, pointerToken } from '@batuta/contracts';
import type { QueryOf, QuerySpec, Violation } from '@batuta/contracts';
import { mistake, Problem } from './problem.js';

type Raw = Readonly<Record<string, string | string[] | undefined>>;

/**
 * The query's parameters, each parsed by its own rule. @throws Problem validation_failed that lists every unknown,
 * repeated or wrong parameter.
 */
export function parseQuery<const S extends QuerySpec>(spec: S, query: unknown): QueryOf<S> {
  const raw = (query ?? {}) as Raw;
  const errors: Violation[] = [];
  const values: Record<string, unknown> = {};
  for (const name of Object.keys(raw)) {
    if (!Object.hasOwn(spec, name)) {
      const known = Object.keys(spec).join(', ');
      errors.push({
        path: `/${pointerToken(name)}`,
        message:
          known === ''
            ? `${name} is unknown: this takes no query parameters`
            : `${name} is unknown; known are ${known}`,
        code: 'unknown_parameter',
      });
    }
  }
  for (const [name, parameter] of Object.entries(spec)) {
    const given = Object.hasOwn(raw, name) ? raw[name] : undefined;
    const texts = given === undefined ? [] : Array.isArray(given) ? given : [given];
    if (texts.length > 1 && parameter.repeatable !== true) {
      errors.push({ path: `/${name}`, message: `${name} may be given only once`, code: 'repeated_parameter' });
      continue;
    }
    if (texts.length > (parameter.most ?? Infinity)) {
      const message = `${name} may be given at most ${parameter.most} times, and was given ${texts.length} times`;
      errors.push({ path: `/${name}`, message, code: 'too_many' });
      continue;
    }
    const read = texts.map((text) => parameter.read(text));
    const wrong = texts[read.indexOf(undefined)];
    if (wrong !== undefined) {
      const code = parameter.mistake?.(wrong) ?? 'bad_format';
      errors.push({ path: `/${name}`, message: `${name} must be ${parameter.expected}`, code });
      continue;
    }
    values[name] = parameter.repeatable === true ? read : (read[0] ?? parameter.fallback);
  }
  if (errors.length > 0) {
    throw new Problem('validation_failed', `The query is wrong: ${errors.map(({ message }) => message).join('; ')}.`, {
      errors,
    });
  }
  return values as QueryOf<S>;
}

/** The version in a cursor of a list of versions. @throws Problem validation_failed for any other text. */
export function versionOf(list: string, cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined;
  const version = decodeCursor(list, cursor) ?? '';
  if (!/^[1-9]\d{0,8}$/.test(version)) throw mistake('/cursor', 'bad_cursor', 'is not a cursor of this list');
  return Number(version);
}
