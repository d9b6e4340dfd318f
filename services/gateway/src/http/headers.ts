import type { JsonObject } from '@batuta/contracts';
import type { FastifyReply } from 'fastify';
import { mistake } from './problem.js';

const TRACEPARENT = /^[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/;

/**
 * A caller's `traceparent` (W3C Trace Context). Undefined when it is absent or malformed, as that standard requires.
 */
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

/** Sets a resource's entity tag on its answer. */
export function tagged(reply: FastifyReply, etag: string | undefined, shown: JsonObject): JsonObject {
  if (etag !== undefined && etag !== '') void reply.header('etag', `"${etag}"`);
  return shown;
}

/** Answers 201 with the location of the new resource. */
export function createdAt(reply: FastifyReply, location: string): void {
  void reply.code(201).header('location', location);
}

/** Keeps an answer with a secret out of all caches. */
export function secret(reply: FastifyReply): void {
  void reply.header('cache-control', 'no-store');
}
