const WINDOW = 320;
const BEFORE = 60;
const MARK = '**';
/**
 * Marks that the database puts around a hit and between two pieces. They are control characters, because a text may
 * contain `**` and `…` itself.
 */
export const HEADLINE = { start: '\u0002', end: '\u0003', between: '\u0004' } as const;
const SIGNS = new RegExp(`[${HEADLINE.start}${HEADLINE.end}]`, 'g');
const WORD = /[\p{L}\p{N}\p{M}_]/u;
/** Scripts that have no spaces between words. */
const UNSPACED =
  /[\p{Script=Thai}\p{Script=Lao}\p{Script=Myanmar}\p{Script=Khmer}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}]/u;

/**
 * The pieces of a passage that show why it was found, with hits between `**`. They come from the database's headline,
 * or else are a piece around the first of `marks` (lower case, longest first), because the database does not mark parts
 * of identifiers or scripts without spaces. No piece begins or ends within a word, and `…` stands where the passage
 * continues.
 */
export function highlightOf(text: string, headline: string, marks: readonly string[]): string {
  if (headline.includes(HEADLINE.start)) return piecesOf(text, headline);
  return highlighted(text, marks) ?? piecesOf(text, headline);
}

function piecesOf(text: string, headline: string): string {
  let begins = true;
  let ends = true;
  const pieces = headline.split(HEADLINE.between).map((piece, index) => {
    const plain = piece.replaceAll(SIGNS, '');
    const at = text.indexOf(plain);
    // The database removes markup, so such a piece is not found in the text.
    if (at < 0) return piece;
    const [from, to] = [wordStart(text, at), wordEnd(text, at + plain.length)];
    if (index === 0) begins = text.slice(0, from).trim() === '';
    ends = text.slice(to).trim() === '';
    return `${text.slice(from, at)}${piece}${text.slice(at + plain.length, to)}`;
  });
  const shown = pieces.join(' … ').replaceAll(SIGNS, MARK);
  return `${begins ? '' : '… '}${shown}${ends ? '' : ' …'}`;
}

function wordStart(text: string, at: number): number {
  let from = at;
  while (from > 0 && WORD.test(text.charAt(from)) && WORD.test(text.charAt(from - 1))) from -= 1;
  return from;
}

function wordEnd(text: string, at: number): number {
  let to = at;
  while (to < text.length && WORD.test(text.charAt(to - 1)) && WORD.test(text.charAt(to))) to += 1;
  return to;
}

/** A piece around the first mark that is a word or a part of an identifier. Undefined when the text has none. */
function highlighted(text: string, marks: readonly string[]): string | undefined {
  // When the lower case of a letter is longer, positions in the two texts differ.
  if (text.toLowerCase().length !== text.length) return undefined;
  const patterns = marks.map((mark) => new RegExp(escaped(mark), 'gi'));
  for (const [index, pattern] of patterns.entries()) {
    const hit = [...text.matchAll(pattern)].find((found) => isPart(text, found.index, found[0].length));
    if (hit === undefined) continue;
    const [from, to] = bounds(text, hit.index, hit[0].length);
    const shown = marks.filter((mark, other) => mark.length > 1 || other === index).map(escaped);
    const marked = text.slice(from, to).replaceAll(new RegExp(shown.join('|'), 'gi'), (found, at: number) => {
      return isPart(text, from + at, found.length) ? `${MARK}${found}${MARK}` : found;
    });
    return `${from > 0 ? '… ' : ''}${marked.toWellFormed()}${to < text.length ? ' …' : ''}`;
  }
  return undefined;
}

/**
 * Whether the text at this position is a word or a part of an identifier: `user` in `get_user`, `getUser` and
 * `user.name`.
 */
function isPart(text: string, at: number, length: number): boolean {
  const divided = (place: number): boolean => {
    const [before, after] = [text.charAt(place - 1), text.charAt(place)];
    if (before === '_' || after === '_' || !WORD.test(before) || !WORD.test(after)) return true;
    if (UNSPACED.test(before) || UNSPACED.test(after)) return true;
    return /[\p{Ll}\p{N}]/u.test(before) && /\p{Lu}/u.test(after);
  };
  return divided(at) && divided(at + length);
}

/** Where a piece of the text around a hit begins and ends. It goes from word to word if the text has spaces. */
function bounds(text: string, at: number, length: number): [number, number] {
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
  return [from, to];
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
