import { sha256 } from '../http/ids.js';

/** Names that every client allows: letters, digits, `_` and `-`, at most 64 with the prefix. */
const PLAIN = /^[A-Za-z0-9_-]{1,56}$/;
const HASHED = /_[0-9a-f]{8}$/;

/**
 * The part of a tool's name that stands for a config or an agent. Other names than plain ones are shortened and get a
 * hash, so that no two of them are alike.
 */
export function slugOf(name: string): string {
  if (PLAIN.test(name) && !HASHED.test(name)) return name;
  return `${name.replaceAll(/[^A-Za-z0-9_-]+/g, '_').slice(0, 40)}_${sha256(name).slice(0, 8)}`;
}

/** The name that a slug certainly stands for. Undefined when it has to be looked up. */
export const nameOfSlug = (slug: string): string | undefined => (HASHED.test(slug) ? undefined : slug);
