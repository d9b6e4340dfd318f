/** Where a page of a list ended: creation time (epoch ms) and id of its last row. */
export interface ListCursor {
  readonly createdAt: number;
  readonly id: string;
}

const FORM = /^(\d{1,15})\.([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;

export function encodeCursor(cursor: ListCursor): string {
  return Buffer.from(`${cursor.createdAt}.${cursor.id}`).toString('base64url');
}

/** Undefined when the text is no cursor. */
export function decodeCursor(text: string): ListCursor | undefined {
  const found = FORM.exec(Buffer.from(text, 'base64url').toString('utf8'));
  return found?.[1] === undefined || found[2] === undefined ? undefined : { createdAt: Number(found[1]), id: found[2] };
}
