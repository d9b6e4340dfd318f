import { mistake } from './problem.js';

const TRACEPARENT = /^[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/;

/** A caller's `traceparent` (W3C Trace Context); undefined when absent or malformed, as that standard asks. */
export function traceparentOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && header.length <= 512 && TRACEPARENT.test(header) ? header : undefined;
}

export const IDEMPOTENCY_KEY = /^[!-~]{1,255}$/;

/** The `Idempotency-Key`: 1 to 255 visible ASCII characters. @throws Problem validation_failed. */
export function idempotencyKeyOf(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header === 'string' && IDEMPOTENCY_KEY.test(header)) return header;
  throw mistake('/headers/idempotency-key', 'bad_format', 'must be 1 to 255 visible ASCII characters, without spaces');
}

export const etagOf = (version: number): string => `"${version}"`;

/**
 * The version an `If-Match` header asks for; 0 (any) when it is absent or `*`.
 * @throws Problem validation_failed when it is anything but one strong ETag of a version.
 */
export function expectedVersionOf(header: string | string[] | undefined): number {
  if (header === undefined || header === '*') return 0;
  const found = typeof header === 'string' ? /^"([1-9]\d{0,8})"$/.exec(header.trim()) : null;
  if (found === null) {
    throw mistake('/headers/if-match', 'bad_format', 'must be the ETag of one version, such as "3", or *');
  }
  return Number(found[1]);
}
