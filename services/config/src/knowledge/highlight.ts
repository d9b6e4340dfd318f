const WINDOW = 320;
const BEFORE = 60;

/**
 * The piece of a text around the first of `marks` (lower case, the longest first), each of them between `**`. For what the
 * database does not mark: parts of words, and scripts without spaces. Undefined when the text has none of them.
 */
export function highlighted(text: string, marks: readonly string[]): string | undefined {
  const lower = text.toLowerCase();
  // Where a letter's lower case is longer, places in the two texts differ.
  if (lower.length !== text.length) return undefined;
  const found = marks.find((mark) => lower.includes(mark));
  if (found === undefined) return undefined;
  const piece = pieceAround(text, lower.indexOf(found), found.length);
  const pattern = new RegExp(
    marks
      .filter((mark) => mark.length > 1 || mark === found)
      .map(escaped)
      .join('|'),
    'gi',
  );
  return piece.replaceAll(pattern, (hit) => `**${hit}**`);
}

/** A piece of the text around a hit, from word to word where there are spaces; `…` where it goes on. */
function pieceAround(text: string, at: number, length: number): string {
  let from = Math.max(0, at - BEFORE);
  let to = Math.min(text.length, from + WINDOW);
  if (from > 0) {
    const space = text.slice(from - 1, at).search(/\s/);
    if (space >= 0) from += space;
  }
  if (to < text.length) {
    const space = text.slice(at + length, to + 1).search(/\s\S*$/);
    if (space >= 0) to = at + length + space;
  }
  const piece = text.slice(from, to).toWellFormed();
  return `${from > 0 ? '… ' : ''}${piece}${to < text.length ? ' …' : ''}`;
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
