import type { JsonValue } from '@batuta/contracts';
import { jsonBytes } from '../../structures/json.js';

/** Items of one chunk. A chunk is an execution, so fewer cost more, and with more the work is spread less. */
const MOST_ITEMS = 100;
const FEWEST_ITEMS = 10;
/** A short list is spread over so many chunks. */
const WANTED_CHUNKS = 10;

/**
 * The first item of each chunk, so that none has more bytes than `limit`. An item that is larger by itself is named in
 * place of them.
 */
export function chunksOf(
  items: readonly JsonValue[],
  limit: number,
): { readonly starts: number[] } | { readonly tooLarge: number; readonly bytes: number } {
  const size = Math.min(MOST_ITEMS, Math.max(FEWEST_ITEMS, Math.ceil(items.length / WANTED_CHUNKS)));
  const starts: number[] = [];
  let first = 0;
  let total = 0;
  for (const [index, item] of items.entries()) {
    const bytes = jsonBytes(item) + 1;
    if (bytes > limit) {
      return { tooLarge: index, bytes };
    }
    if (starts.length === 0 || index - first >= size || total + bytes > limit) {
      starts.push(index);
      first = index;
      total = 0;
    }
    total += bytes;
  }
  return { starts };
}
