import { camelCase } from './openapi-tags.js';

/**
 * `<namespace>.<method>`, the operation's name in clients, unless the route has its own name. `remove` becomes
 * `delete`.
 */
export function operationNameOf(tag: string, name: string): string {
  return name.includes('.') ? name : `${camelCase(tag)}.${name === 'remove' ? 'delete' : name}`;
}
