import { decodeCursor, encodeCursor } from '@batuta/contracts';

/** The end of a page of a list: creation time (epoch ms) and id of its last row. */
export interface ListCursor {
  readonly createdAt: number;
  readonly id: string;
}

const FORM = /^(\d{1,15})\.([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;

export function encodeListCursor(list: string, { createdAt, id }: ListCursor): string {
  return encodeCursor(list, `${createdAt}.${id}`);
}

/** Undefined when the text is not a cursor of this list. */
export function decodeListCursor(list: string, text: string): ListCursor | undefined {
  const found = FORM.exec(decodeCursor(list, text) ?? '');
  return found?.[1] === undefined || found[2] === undefined ? undefined : { createdAt: Number(found[1]), id: found[2] };
}
