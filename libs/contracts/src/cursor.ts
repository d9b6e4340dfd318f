/**
 * The beginning of the next page of a list, as an opaque text. It contains the name of its list, so that another list
 * refuses it.
 */
export function encodeCursor(list: string, after: string): string {
  return Buffer.from(JSON.stringify([list, after])).toString('base64url');
}

/** The `after` that `encodeCursor` got for this list. Undefined when the text is not a cursor of this list. */
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
