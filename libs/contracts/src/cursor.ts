/**
 * Where the next page of a list begins, as an opaque text. It says which list it is of, so that a cursor of another one is
 * refused and not taken for a place in this one.
 */
export function encodeCursor(list: string, after: string): string {
  return Buffer.from(JSON.stringify([list, after])).toString('base64url');
}

/** What `encodeCursor` was given for this list; undefined when the text is no cursor of it. */
export function decodeCursor(list: string, cursor: string): string | undefined {
  if (cursor.length > 1_000 || !/^[A-Za-z0-9_-]+$/.test(cursor)) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (!Array.isArray(value) || value.length !== 2 || value[0] !== list) return undefined;
    const after: unknown = value[1];
    return typeof after === 'string' ? after : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
