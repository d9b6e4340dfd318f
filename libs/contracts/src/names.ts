/** A mistake in a name, with the fields of a violation. */
export interface NameMistake {
  readonly code: 'too_short' | 'too_long' | 'bad_format' | 'invalid_character' | 'reserved_name';
  readonly message: string;
}

/** Only visible ASCII characters, like nearly every name. */
const PLAIN = /^[!-~](?:[ -~]*[!-~])?$/;
/** Keys with a meaning for JavaScript objects, and segments of a path that every URL parser removes. */
const RESERVED: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype', '.', '..']);
/** Scripts whose words need the joiners U+200C and U+200D between letters (Unicode Standard Annex 31, section 2.3). */
const JOINING =
  'Arabic Syriac Mongolian Devanagari Bengali Gurmukhi Gujarati Oriya Tamil Telugu Kannada Malayalam Sinhala'
    .split(' ')
    .map((script) => `\\p{Script=${script}}`)
    .join('');
/** Invisible characters that a word or an emoji needs. */
const NEEDED = new RegExp(
  [
    `(?<=[${JOINING}])[\\u200c\\u200d](?=[${JOINING}])`,
    '(?<=\\p{Extended_Pictographic})\\ufe0f',
    '(?<=[0-9#*])\\ufe0f(?=\\u20e3)',
    '(?<=\\p{Extended_Pictographic}[\\ufe0f\\p{Emoji_Modifier}]?)\\u200d(?=\\p{Extended_Pictographic})',
  ].join('|'),
  'gu',
);
/**
 * Control characters including all line ends; separators of lines and paragraphs; characters that are invisible or
 * change the direction of the text, with three that Unicode does not classify so (an empty Braille cell, a placeholder
 * for an object, a note without a head); halves of surrogate pairs; code points that are not characters.
 */
const UNFIT =
  /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\ufff9-\ufffc\u2800\u{1d159}]/u;
/** Every space except U+0020. They look the same. */
const OTHER_SPACE = /(?! )\p{Zs}/u;

/** Length in characters (code points), as in varchar(n). */
export function characters(text: string): number {
  let count = text.length;
  for (let index = 0; index < text.length - 1; index += 1) {
    if ((text.codePointAt(index) ?? 0) > 0xffff) {
      count -= 1;
      index += 1;
    }
  }
  return count;
}

const shown = (character: string): string =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;

/**
 * The reason why a text cannot be a name, or undefined. The same rule applies to all names that users choose (configs,
 * steps, output keys, users, sessions, sources of documents, keys of metadata, …). So two names that look the same are
 * the same, and every name can be a key of an object and a segment of a path. `max` is in characters (code points).
 */
export function nameMistake(name: string, max = Infinity): NameMistake | undefined {
  if (name === '') return { code: 'too_short', message: 'must not be empty' };
  const length = name.length > max ? characters(name) : name.length;
  if (length > max) return { code: 'too_long', message: `has ${length} characters; at most ${max} are allowed` };
  if (RESERVED.has(name)) {
    return { code: 'reserved_name', message: `must not be "${name}", which means something else to programs` };
  }
  if (PLAIN.test(name)) return undefined;
  const unfit = UNFIT.exec(name.replaceAll(NEEDED, ''))?.[0];
  if (unfit !== undefined) {
    return {
      code: 'invalid_character',
      message: `must not hold ${shown(unfit)}: no control characters, ends of lines, invisible characters, marks of direction or half surrogate pairs`,
    };
  }
  const space = OTHER_SPACE.exec(name)?.[0];
  if (space !== undefined) {
    const message = `must not hold ${shown(space)}: the only space in a name is the one of the keyboard, U+0020`;
    return { code: 'invalid_character', message };
  }
  if (name.trim() !== name) return { code: 'bad_format', message: 'must not begin or end with spaces' };
  if (name.normalize('NFC') !== name) {
    const message = 'must be in Unicode normalization form C: "é" as one character, not as "e" and an accent';
    return { code: 'bad_format', message };
  }
  return undefined;
}
