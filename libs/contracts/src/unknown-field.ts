import type { Violation } from './common.js';

/** A field's name is shown up to here. */
const SHOWN = 100;

/** One token of a JSON Pointer, escaped (RFC 6901). */
export function pointerToken(key: string | number): string {
  return typeof key === 'number' ? String(key) : key.replaceAll('~', '~0').replaceAll('/', '~1');
}

export type UnknownField = Violation & { readonly code: 'unknown_field' };

/**
 * What every part of the platform says of a field that it does not know. `parent`: the JSON Pointer of its object. `hint`: which
 * fields there are, or a sentence about which one may have been meant.
 */
export function unknownField(parent: string, name: string, hint: string | Iterable<string>): UnknownField {
  const said = typeof hint === 'string' ? hint : `; known are ${[...hint].join(', ')}`;
  return {
    path: `${parent}/${pointerToken(name)}`,
    code: 'unknown_field',
    message: `"${name.slice(0, SHOWN)}" is not a known field${said}`,
  };
}
