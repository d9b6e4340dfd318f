import { RE2JS } from 're2js';

/** RE2 needs time linear in the length of the text, but a long pattern could still compile to a huge program. */
const MAX_PATTERN_LENGTH = 4096;

/** @param {string} source @param {string} flags */
function compile(source, flags) {
  if (source.length > MAX_PATTERN_LENGTH) {
    throw new SyntaxError(`a pattern may have at most ${MAX_PATTERN_LENGTH} characters`);
  }
  let bits = 0;
  if (flags.includes('i')) bits |= RE2JS.CASE_INSENSITIVE;
  if (flags.includes('m')) bits |= RE2JS.MULTILINE;
  if (flags.includes('s')) bits |= RE2JS.DOTALL;
  return RE2JS.compile(RE2JS.translateRegExp(source), bits);
}

/**
 * The option `code.regExp` of ajv: the patterns of users' schemas run in linear time. RE2 has no lookaheads and no
 * back-references: patterns with them throw, and ajv reports them as mistakes of the schema.
 * @param {string} source @param {string} flags
 */
export function linearPattern(source, flags) {
  const pattern = compile(source, flags);
  return {
    /** @param {string} text */
    test: (text) => pattern.matcher(text).find(),
    // ajv caches patterns by this text.
    toString: () => `${flags}/${source}`,
  };
}
linearPattern.code = 'linearPattern';

/** The option `RegexEngine` of JSONata: the part of `RegExp` that JSONata's evaluator uses, in linear time. */
export class LinearRegExp {
  lastIndex = 0;
  #pattern;

  /** @param {RegExp} native the expression that JSONata's parser made; it is compiled again and never run itself */
  constructor(native) {
    this.#pattern = compile(native.source, native.flags);
  }

  /**
   * @param {string} text
   * @returns {(string | undefined)[] & { index: number } | null}
   */
  exec(text) {
    const matcher = this.#pattern.matcher(text);
    if (this.lastIndex > text.length || !matcher.find(this.lastIndex)) {
      this.lastIndex = 0;
      return null;
    }
    const groups = Array.from({ length: matcher.groupCount() + 1 }, (_, group) => matcher.group(group) ?? undefined);
    this.lastIndex = matcher.end();
    return Object.assign(groups, { index: matcher.start() });
  }
}
