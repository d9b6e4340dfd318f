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
  const from = Math.max(0, lower.indexOf(found) - BEFORE);
  const piece = text.slice(from, from + WINDOW).toWellFormed();
  const pattern = new RegExp(
    marks
      .filter((mark) => mark.length > 1 || mark === found)
      .map(escaped)
      .join('|'),
    'gi',
  );
  return piece.replaceAll(pattern, (hit) => `**${hit}**`);
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
