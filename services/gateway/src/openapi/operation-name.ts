import { camelCase } from './openapi-tags.js';

/** `<namespace>.<method>`, as clients call an operation, unless the route names it itself. A `remove` is a `delete` to users. */
export function operationNameOf(tag: string, name: string): string {
  return name.includes('.') ? name : `${camelCase(tag)}.${name === 'remove' ? 'delete' : name}`;
}
