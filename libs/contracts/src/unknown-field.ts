import type { Violation } from './common.js';

/** Maximum number of shown characters of a field's name. */
const SHOWN = 100;

/** One token of a JSON Pointer, escaped (RFC 6901). */
export function pointerToken(key: string | number): string {
  return typeof key === 'number' ? String(key) : key.replaceAll('~', '~0').replaceAll('/', '~1');
}

type UnknownField = Violation & { readonly code: 'unknown_field' };

/**
 * The mistake that every part of the platform reports for an unknown field. `parent`: the JSON Pointer of its object.
 * `hint`: the known fields, or a sentence about the field that was probably meant.
 */
export function unknownField(parent: string, name: string, hint: string | Iterable<string>): UnknownField {
  const said = typeof hint === 'string' ? hint : `; known are ${[...hint].join(', ')}`;
  return {
    path: `${parent}/${pointerToken(name)}`,
    code: 'unknown_field',
    message: `"${name.slice(0, SHOWN)}" is not a known field${said}`,
  };
}
