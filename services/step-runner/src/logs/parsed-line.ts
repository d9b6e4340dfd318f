import type { KnownLevel } from './levels.js';

/** A line taken apart. One class, because objects of one shape are made and read much faster. */
export class ParsedLine {
  constructor(
    /** Epoch milliseconds; a time without a zone counts as UTC. */
    readonly at: number | undefined,
    /** Whether the time's zone was said. */
    readonly zoned: boolean,
    /** Whether the program's own line begins like an entry: with a time, also one without a date, or as an object. */
    readonly timed: boolean,
    readonly level: KnownLevel | undefined,
    /** Whether `level` is what its format gives to everything that says none. */
    readonly levelIsDefault: boolean,
    /** What is left without time and level. */
    readonly message: string,
    /** The program's own line after its time, with its indentation; after host and program in a line of syslog. */
    readonly body: string,
    /** Where the line comes from: lines of different sources never belong together. */
    readonly source: string,
    /** Whether the next line of the source goes on with this one's text, which is `body`. */
    readonly partial: boolean,
    /** Further entries of the same line. */
    readonly more: readonly ParsedLine[] | undefined,
  ) {}
}

/** A line of which nothing but its text is known. */
export function plainLine(text: string): ParsedLine {
  return new ParsedLine(undefined, false, false, undefined, false, text, text, '', false, undefined);
}
