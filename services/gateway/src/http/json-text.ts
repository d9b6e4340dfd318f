import { isUtf8 } from 'node:buffer';
import { LIMITS } from '@batuta/contracts';
import type { JsonValue, Violation } from '@batuta/contracts';
import { Problem } from './problem.js';

const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
const MAX_VIOLATIONS = 100;

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;
const SPACE = /[ \t\n\r]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** The end of the string that begins at `start`, or the offset of its mistake. */
function scanString(text: string, start: number): { end: number } | { mistake: number } {
  if (text[start] !== '"') return { mistake: start };
  for (let at = start + 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return { end: at + 1 };
    if (code < 0x20) return { mistake: at };
    if (code === 0x5c) {
      ESCAPE.lastIndex = at;
      if (!ESCAPE.test(text)) return { mistake: at };
      at = ESCAPE.lastIndex - 1;
    }
  }
  return { mistake: text.length };
}

/**
 * Offset (UTF-16 units) of the first character that makes `text` invalid JSON (RFC 8259). Undefined when it is valid.
 * `JSON.parse` gives a position only for some mistakes. The scanner is iterative, so nesting cannot exhaust the stack.
 */
export function jsonErrorOffset(text: string): number | undefined {
  let at = 0;
  const skip = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    if (!pattern.test(text)) return false;
    at = pattern.lastIndex;
    return true;
  };
  const stack: ('{' | '[')[] = [];
  let expects: 'value' | 'first value' | 'first key' | 'key' | 'end' = 'value';
  for (;;) {
    skip(SPACE);
    const character = text[at];
    if (expects === 'end') {
      const open = stack.at(-1);
      if (open === undefined) return at === text.length ? undefined : at;
      if (character === ',') {
        at += 1;
        expects = open === '{' ? 'key' : 'value';
      } else if (character === (open === '{' ? '}' : ']')) {
        at += 1;
        stack.pop();
      } else {
        return at;
      }
    } else if (expects === 'key' || expects === 'first key') {
      if (expects === 'first key' && character === '}') {
        at += 1;
        stack.pop();
        expects = 'end';
        continue;
      }
      const key = scanString(text, at);
      if ('mistake' in key) return key.mistake;
      at = key.end;
      skip(SPACE);
      if (text[at] !== ':') return at;
      at += 1;
      expects = 'value';
    } else if (expects === 'first value' && character === ']') {
      at += 1;
      stack.pop();
      expects = 'end';
    } else if (character === '{' || character === '[') {
      at += 1;
      stack.push(character);
      expects = character === '{' ? 'first key' : 'first value';
    } else if (character === '"') {
      const string = scanString(text, at);
      if ('mistake' in string) return string.mistake;
      at = string.end;
      expects = 'end';
    } else if (skip(WORD) || skip(NUMBER)) {
      expects = 'end';
    } else {
      return at;
    }
  }
}

function place(text: string, offset: number): string {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  const column = offset - (before.lastIndexOf('\n') + 1) + 1;
  return `position ${offset} (line ${line}, column ${column})`;
}

const pointer = (path: string, key: string | number): string =>
  `${path}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;

/** A key in printable form: characters that cannot be written are replaced. */
const shown = (key: string): string => key.toWellFormed().replaceAll('\0', '\u2400');

function textMistake(text: string): string | undefined {
  if (text.includes('\0')) return 'holds a NUL character (U+0000), which cannot be stored';
  return text.isWellFormed() ? undefined : 'holds a lone surrogate, which is not Unicode text';
}

interface Findings {
  readonly forbidden: Violation[];
  readonly others: Violation[];
}

function inspect(value: JsonValue, path: string, depth: number, escapes: boolean, found: Findings): void {
  if (typeof value === 'string') {
    // Valid UTF-8 without escapes contains no surrogates, and JSON contains no raw control characters.
    const mistake = escapes ? textMistake(value) : undefined;
    if (mistake !== undefined) found.others.push({ path, message: `the text ${mistake}`, code: 'invalid_character' });
    return;
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) {
      found.others.push({ path, message: 'the number is out of the range of a double', code: 'out_of_range' });
    }
    return;
  }
  if (value === null || typeof value !== 'object') return;
  if (depth > LIMITS.jsonDepth) {
    throw new Problem('too_deep', `JSON may be nested at most ${LIMITS.jsonDepth} deep.`, {
      errors: [{ path, message: `is deeper than ${LIMITS.jsonDepth} levels`, code: 'too_deep' }],
    });
  }
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      inspect(item, pointer(path, index), depth + 1, escapes, found);
      if (found.forbidden.length + found.others.length >= MAX_VIOLATIONS) return;
    }
    return;
  }
  for (const key of Object.keys(value)) {
    if (FORBIDDEN_KEYS.has(key)) {
      found.forbidden.push({
        path: pointer(path, key),
        message: `the key ${key} is not allowed`,
        code: 'forbidden_key',
      });
    } else {
      const mistake = escapes ? textMistake(key) : undefined;
      if (mistake !== undefined) {
        found.others.push({
          path: pointer(path, shown(key)),
          message: `the key ${mistake}`,
          code: 'invalid_character',
        });
      }
      inspect(value[key] as JsonValue, pointer(path, shown(key)), depth + 1, escapes, found);
    }
    if (found.forbidden.length + found.others.length >= MAX_VIOLATIONS) return;
  }
}

/**
 * Parses JSON from outside and checks it: UTF-8, syntax (with the position of the mistake), depth, forbidden keys, NUL
 * characters, lone surrogates, numbers beyond a double. Of duplicate keys the last one counts. @throws Problem
 * malformed_json, too_deep, forbidden_key or validation_failed, with every path (JSON Pointer).
 */
export function parseJsonText(source: Buffer): JsonValue {
  if (source.length === 0) throw new Problem('malformed_json', 'The body is empty; JSON is expected.');
  if (!isUtf8(source)) throw new Problem('malformed_json', 'The body is not valid UTF-8.');
  let text = source.toString('utf8');
  if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    const offset = jsonErrorOffset(text) ?? text.length;
    const what = offset >= text.length ? 'the text ends too early' : `unexpected ${JSON.stringify(text[offset])}`;
    throw new Problem('malformed_json', `The body is not valid JSON: ${what} at ${place(text, offset)}.`, {
      details: { position: offset },
    });
  }
  const found: Findings = { forbidden: [], others: [] };
  inspect(value, '', 1, text.includes('\\u'), found);
  if (found.forbidden.length > 0) {
    const names = found.forbidden.map(({ path }) => path).join(', ');
    throw new Problem('forbidden_key', `Keys that could change a program's objects are refused: ${names}.`, {
      errors: [...found.forbidden, ...found.others],
    });
  }
  if (found.others.length > 0) {
    throw new Problem(
      'validation_failed',
      found.others.map(({ path, message }) => `${path || '/'}: ${message}`).join('; '),
      {
        errors: found.others,
      },
    );
  }
  return value;
}
