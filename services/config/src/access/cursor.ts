/** Where the next page begins, as an opaque text. */
export function encodeCursor(after: string): string {
  return Buffer.from(JSON.stringify({ v: 1, after })).toString('base64url');
}

/** What `encodeCursor` was given; undefined when the text is not such a cursor. */
export function decodeCursor(cursor: string): string | undefined {
  if (cursor.length > 2000 || !/^[A-Za-z0-9_-]+$/.test(cursor)) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (typeof value !== 'object' || value === null || !('v' in value) || !('after' in value)) return undefined;
    return value.v === 1 && typeof value.after === 'string' ? value.after : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
