import { LIMITS, pointerToken } from '@batuta/contracts';
import type { Report } from './report.js';
import { unstorable } from './text.js';

/** Keys with a meaning for JavaScript objects. Users' documents do not need them. */
export const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Reports content that stored JSON must not have: NUL characters, lone surrogates, forbidden keys, and nesting deeper
 * than `LIMITS.jsonDepth`. Linear in the size of the document and without recursion. `path` is the pointer of `value`
 * itself.
 */
export function guardJson(value: unknown, report: Report, path = ''): void {
  const pending: [path: string, value: unknown, depth: number][] = [[path, value, 1]];
  for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
    const [at, current, depth] = entry;
    if (typeof current === 'string') {
      const problem = unstorable(current);
      if (problem !== undefined) report.add(at, 'invalid_character', `the text ${problem}`);
      continue;
    }
    if (current === null || typeof current !== 'object') continue;
    if (depth > LIMITS.jsonDepth) {
      report.add(at, 'too_deep', `JSON may be nested at most ${LIMITS.jsonDepth} levels deep`);
      continue;
    }
    if (Array.isArray(current)) {
      for (let index = current.length - 1; index >= 0; index -= 1) {
        pending.push([`${at}/${index}`, current[index], depth + 1]);
      }
      continue;
    }
    const children: typeof pending = [];
    for (const [key, item] of Object.entries(current)) {
      const child = `${at}/${pointerToken(key)}`;
      if (FORBIDDEN_KEYS.has(key)) {
        report.add(child, 'forbidden_key', `the key "${key}" is not allowed`);
        continue;
      }
      const problem = unstorable(key);
      if (problem !== undefined) report.add(at, 'invalid_character', `a key ${problem}`);
      children.push([child, item, depth + 1]);
    }
    for (const child of children.toReversed()) pending.push(child);
  }
}
