import type { KnownLevel } from './levels.js';

/** A parsed line. One class, because objects of one shape are created and read much faster. */
export class ParsedLine {
  constructor(
    /** Epoch milliseconds; a time without a zone counts as UTC. */
    readonly at: number | undefined,
    /** Whether the text contains the time's zone. */
    readonly zoned: boolean,
    /** Whether the program's own line begins like an entry: with a time, even without a date, or as an object. */
    readonly timed: boolean,
    readonly level: KnownLevel | undefined,
    /** Whether `level` is what its format gives to everything that says none. */
    readonly levelIsDefault: boolean,
    /** The text without time and level. */
    readonly message: string,
    /** The program's own line after its time, with its indentation. In a syslog line: after host and program. */
    readonly body: string,
    /** The source of the line. Lines of different sources never belong together. */
    readonly source: string,
    /** Whether the next line of the source continues this line's text, which is `body`. */
    readonly partial: boolean,
    /** Further entries of the same line. */
    readonly more: readonly ParsedLine[] | undefined,
  ) {}
}

/** A line of which only the text is known. */
export function plainLine(text: string): ParsedLine {
  return new ParsedLine(undefined, false, false, undefined, false, text, text, '', false, undefined);
}
