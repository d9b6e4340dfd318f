/** A search in the form that the database needs. */
export interface KnowledgeQuery {
  /** For `websearch_to_tsquery`: an identifier becomes the phrase of its parts. */
  readonly words: string;
  /** A tsquery as text for scripts without spaces between words. Empty when there are none. */
  readonly grams: string;
  /** Whether a match of `words` or of `grams` is enough. */
  readonly isEither: boolean;
  /** All words and parts of words, for a search by any of them. */
  readonly anyWords: string;
  readonly anyGrams: readonly string[];
  /** Identifiers as they were written, in lower case. Passages that contain them come first. */
  readonly exact: readonly string[];
  /** Texts to mark in a passage, in lower case, longest first. */
  readonly marks: readonly string[];
}

const MOST_GRAMS = 64;
const MOST_EXACT = 16;
/** The same as in the database's `config.knowledge_grams`, where they are explained. */
const GRAM =
  '\\u0E01-\\u0E3A\\u0E40-\\u0E4E\\u0E81-\\u0ECD\\u1000-\\u103F\\u1050-\\u109D\\u1100-\\u11FF\\u1780-\\u17D3\\u3005-\\u3007' +
  '\\u3041-\\u3096\\u309D-\\u309F\\u30A1-\\u30FA\\u30FC-\\u30FF\\u3105-\\u312F\\u31F0-\\u31FF\\u3400-\\u4DBF\\u4E00-\\u9FFF' +
  '\\uAC00-\\uD7A3\\uF900-\\uFAFF\\u{20000}-\\u{3FFFF}';
const GRAM_RUN = new RegExp(`[${GRAM}]+`, 'gu');
const NO_WORD = /[^\p{L}\p{N}\p{M}]+/u;
const CAMEL = /(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/;

/** Parses a search in the form of a web search: `"a phrase"`, `or`, `-not`. */
export function knowledgeQuery(text: string): KnowledgeQuery {
  const normal = text.normalize('NFKC');
  const words: string[] = [];
  const anyWords: string[] = [];
  const grams: string[] = [];
  const anyGrams = new Set<string>();
  const exact = new Set<string>();
  const marks = new Set<string>();
  let isEither = false;

  const add = (term: string, isQuoted: boolean): void => {
    const isNot = !isQuoted && /^-[^-\s]/.test(term);
    for (const [run] of term.matchAll(GRAM_RUN)) {
      grams.push(`${isNot ? '!' : ''}(${phraseOf(run)})`);
      marks.add(run);
      for (const gram of pairsOf(run)) if (anyGrams.size < MOST_GRAMS) anyGrams.add(gram);
    }
    const parts = term
      .replaceAll(GRAM_RUN, ' ')
      .split(NO_WORD)
      .filter((part) => part !== '');
    if (parts.length === 0) return;
    words.push(`${isNot ? '-' : ''}${isQuoted || parts.length > 1 ? `"${parts.join(' ')}"` : parts[0]}`);
    anyWords.push(...parts, ...parts.flatMap((part) => (CAMEL.test(part) ? part.split(CAMEL) : [])));
    for (const part of parts) marks.add(part.toLowerCase());
    const whole = term.replaceAll(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, '').toLowerCase();
    if (!isQuoted && !isNot && parts.length > 1 && exact.size < MOST_EXACT) exact.add(whole);
    if (parts.length > 1) marks.add(whole);
  };

  const pieces = normal.split('"');
  for (const [index, piece] of pieces.entries()) {
    // A quotation mark without a closing one has no meaning.
    if (index % 2 === 1 && index < pieces.length - 1) {
      add(piece, true);
      continue;
    }
    for (const term of piece.split(/\s+/)) {
      if (term.toLowerCase() === 'or') {
        isEither = true;
        words.push('or');
      } else {
        add(term, false);
      }
    }
  }
  return {
    words: words.join(' '),
    grams: grams.join(isEither ? ' | ' : ' & '),
    isEither,
    anyWords: anyWords.join(' '),
    anyGrams: [...anyGrams],
    exact: [...exact],
    marks: [...marks].toSorted((a, b) => b.length - a.length),
  };
}

/** The pairs of adjacent characters. A single character stands for itself. */
function pairsOf(run: string): string[] {
  const characters = Array.from(run);
  if (characters.length < 2) return characters;
  return characters.slice(0, -1).map((character, index) => `${character}${characters[index + 1]}`);
}

/** A single character is the start of a pair, or stands alone at the end of a text. */
function phraseOf(run: string): string {
  const pairs = pairsOf(run);
  return Array.from(run).length < 2 ? `'${run}':*` : pairs.map((pair) => `'${pair}'`).join(' <-> ');
}
