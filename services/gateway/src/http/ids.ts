import { createHash, randomFillSync } from 'node:crypto';
import { TOKEN } from '@batuta/contracts';
import type { JsonValue } from '@batuta/contracts';
import { Problem } from './problem.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const TRACE_ID = /^[0-9a-f]{32}$/;

/** Whether the text is a UUID in Batuta's form (lower case). */
export const isUuid = (text: string): boolean => UUID.test(text);
export const isTraceId = (text: string): boolean => TRACE_ID.test(text);

/**
 * The execution id in a path. An id that is not valid is not found, like one that does not exist. @throws Problem
 * not_found.
 */
export function executionIdOf(text: string): string {
  const id = text.toLowerCase();
  if (!isUuid(id)) throw new Problem('not_found', 'There is no such execution.');
  return id;
}

/** `<step>:<tool>:<number>:<version>`: a call of a tool that a human decides about. */
const CALL = /^[\w-]{1,64}:[\w-]{1,64}:\d{1,2}:\d{1,10}$/;

/** What a decision is about: a step, or a call of a tool. @throws Problem step_not_found. */
export function decidedIdOf(text: string): string {
  return CALL.test(text) ? text : stepIdOf(text);
}

/** The step id in a path. An id that is not valid is not found. @throws Problem step_not_found. */
export function stepIdOf(text: string): string {
  if (!TOKEN.test(text)) throw new Problem('step_not_found', 'The config has no such step.');
  return text;
}

/** The name of a signal in a path. No step waits for a name that is not valid. @throws Problem signal_not_found. */
export function signalNameOf(text: string): string {
  if (!TOKEN.test(text)) throw new Problem('signal_not_found', 'No step waits for such a signal.');
  return text;
}

const POOL = Buffer.allocUnsafe(4096);
let used = POOL.length;

/**
 * The offset of the next 16 random bytes in `POOL`. The caller may overwrite them. They come from the system in blocks,
 * because one call for each request costs more than the bytes.
 */
function sixteenBytes(): number {
  if (used + 16 > POOL.length) {
    randomFillSync(POOL);
    used = 0;
  }
  used += 16;
  return used - 16;
}

function dashed(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** A new UUIDv7 (RFC 9562): 48 bits of epoch milliseconds, then random bits. */
export function uuidV7(at: number = Date.now()): string {
  const from = sixteenBytes();
  POOL.writeUIntBE(at, from, 6);
  POOL[from + 6] = ((POOL[from + 6] ?? 0) & 0x0f) | 0x70;
  POOL[from + 8] = ((POOL[from + 8] ?? 0) & 0x3f) | 0x80;
  return dashed(POOL.toString('hex', from, from + 16));
}

/** A new trace id (W3C Trace Context): 32 hexadecimal digits, not all zero. */
export function newTraceId(): string {
  const from = sixteenBytes();
  const hex = POOL.toString('hex', from, from + 16);
  return /^0+$/.test(hex) ? newTraceId() : hex;
}

/** UUIDv5 (RFC 9562): SHA-1 of the namespace's bytes and the name. */
export function uuidV5(namespace: string, name: string): string {
  const bytes = createHash('sha1')
    .update(Buffer.from(namespace.replaceAll('-', ''), 'hex'))
    .update(name, 'utf8')
    .digest()
    .subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return dashed(bytes.toString('hex'));
}

/** Namespace of execution ids made from idempotency keys. It must never change. */
const IDEMPOTENCY_NAMESPACE = '6f1c5e0a-2a0d-5b64-9c1f-8d7f5b3e4a21';

/** The execution id for an `Idempotency-Key`: the same for the same tenant and key. */
export function executionIdOfKey(tenantId: string, key: string): string {
  return uuidV5(uuidV5(IDEMPOTENCY_NAMESPACE, tenantId), key);
}

/**
 * The id of a command: the same for the same request with the same `Idempotency-Key`, and a new one without a key.
 * `request` is everything that distinguishes the command from others. The part before the colon is the key and its
 * target: the engine refuses a different request there.
 */
export function commandIdOf(
  tenantId: string,
  key: string | undefined,
  { route, request }: { readonly route: JsonValue; readonly request: JsonValue },
): string {
  if (key === undefined) return uuidV7();
  const sent = uuidV5(executionIdOfKey(tenantId, key), canonicalJson(route));
  return `${sent}:${sha256(canonicalJson(request)).slice(0, 32)}`;
}

/** JSON with the keys of every object sorted, so that equal documents give equal text. */
export function canonicalJson(value: JsonValue | undefined): string {
  if (value === undefined) return 'null';
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const entries = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`);
  return `{${entries.join(',')}}`;
}

/** SHA-256, hexadecimal. */
export const sha256 = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex');
