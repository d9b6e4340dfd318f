import { randomBytes } from 'node:crypto';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** A new UUIDv7: ordered by the millisecond in which it was made. Source: RFC 9562, section 5.7. */
export function newId(): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x70, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The text when it is a UUID, which alone can be found; else undefined. */
export function uuidOf(value: unknown): string | undefined {
  return typeof value === 'string' && UUID.test(value) ? value : undefined;
}

/** proto-JSON leaves out default values: an absent text is "". */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** A page size from a request: `fallback` when absent, cut to 1…`max`. */
export function pageSize(value: unknown, fallback: number, max: number): number {
  const asked = typeof value === 'number' && Number.isSafeInteger(value) ? value : 0;
  return asked <= 0 ? fallback : Math.min(asked, max);
}

/** Where the next page begins (after this id), as an opaque text. */
export const encodeCursor = (id: string): string => Buffer.from(id).toString('base64url');

/** The id of a cursor; undefined when the text is no cursor. */
export const decodeCursor = (cursor: string): string | undefined =>
  cursor.length > 100 ? undefined : uuidOf(Buffer.from(cursor, 'base64url').toString('utf8'));
