// Phrases that readers whose first language is not English stumble over, and what to write instead. They were found in this
// repository, most of them several times.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Each phrase as a pattern, an example that has it, and advice. */
export const BANNED_PHRASES = [
  {
    pattern: /\bbe it that\b/i,
    example: 'a runner takes it, be it that it is busy',
    advice: 'write "even if" or "even while"',
  },
  { pattern: /\b(?:who|whoever) hears of\b/i, example: 'who hears of them reads the log', advice: 'name the receiver' },
  { pattern: /\blets? expect\b/i, example: 'if the commit lets expect anything', advice: 'say who expects what' },
  { pattern: /\bof so long\b/i, example: 'notices of so long go together', advice: 'give the time: "within 5 ms"' },
  {
    pattern: /\bis none that\b/i,
    example: 'what was heard is none that counts',
    advice: 'write "is not one that", or turn the sentence round',
  },
  {
    pattern: /(?<!\bso )\bthat what\b/i,
    example: 'it says that what is left fits',
    advice: 'name the thing instead of "what"',
  },
  { pattern: /\bthere where\b/i, example: 'it is not there where nothing is limited', advice: 'write "where" or "if"' },
  {
    pattern: /\bas good as (?:none|nothing|never)\b/i,
    example: 'it costs as good as nothing',
    advice: 'write "almost no"',
  },
  {
    pattern: /\bwhat is (?:\w+ )?of (?:it|them)\b/i,
    example: 'shows what is left of it',
    advice: 'name the thing: "the rest", "its state"',
  },
  { pattern: /\bon and on\b/i, example: 'it is tried on and on', advice: 'write "again and again" or "without end"' },
  { pattern: /\bputs? down\b/i, example: 'puts down the outcome', advice: 'write "stores" or "records"' },
  {
    pattern: /\bsees? to it that\b/i,
    example: 'sees to it that the stream is there',
    advice: 'write "makes sure that"',
  },
  {
    pattern: /\b(?:else|another|other) than (?:its|expected|asked)\b/i,
    example: 'when it is another than expected',
    advice: 'write "not the one that"',
  },
  {
    pattern: /\bDESIGN (?:section )?\d/,
    example: 'as DESIGN section 4 says',
    advice: 'refer to a document of this repository',
  },
  {
    pattern: /\bissues? #?\d+\b/i,
    example: 'asked for by issue 14',
    advice: 'say why; a reader has no access to a number',
  },
];

const FILES = ['*.ts', '*.mts', '*.mjs', '*.cjs', '*.proto', '*.md', '*.yaml', '*.yml', '*.sql', '*.sh', '*.py'];
const SKIPPED = /(?:^|\/)(?:generated|golden)\/|^tools\/prose\//;

/** Line ends and the marks of comments become spaces, so that a phrase is found across lines and keeps its place. */
function flat(text) {
  return text.replaceAll(/\r?\n[ \t]*(?:\/\/+|\*(?!\/)|#+|--|>)?[ \t]*/g, (mark) => ' '.repeat(mark.length));
}

/** The banned phrases of a text, as `{line, phrase, advice}` in the order of the list. */
export function findPhrases(text) {
  const line = flat(text).replaceAll(/ {2,}/g, ' ');
  if (!BANNED_PHRASES.some(({ pattern }) => pattern.test(line))) return [];
  return BANNED_PHRASES.flatMap(({ pattern, advice }) => {
    const spaced = new RegExp(pattern.source.replaceAll(' ', ' +'), `${pattern.flags}g`);
    return [...flat(text).matchAll(spaced)].map((match) => ({
      line: text.slice(0, match.index).split('\n').length,
      phrase: match[0].replaceAll(/ +/g, ' '),
      advice,
    }));
  });
}

/** One line for each banned phrase in the files that git knows, or would know once they are added. */
export function findPhrasesOfRepository(root) {
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', ...FILES], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const problems = [];
  for (const path of list.split('\0')) {
    if (path === '' || SKIPPED.test(path)) continue;
    let text;
    try {
      text = readFileSync(join(root, path), 'utf8');
    } catch (error) {
      // A file that was deleted and is still in the index.
      if (error.code === 'ENOENT') continue;
      throw error;
    }
    for (const { line, phrase, advice } of findPhrases(text)) problems.push(`${path}:${line}: "${phrase}": ${advice}`);
  }
  return problems;
}
