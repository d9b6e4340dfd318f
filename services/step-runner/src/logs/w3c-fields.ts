import { statusLevel } from './levels.js';
import { ParsedLine } from './parsed-line.js';
import { timestampAt } from './timestamp.js';

const DIRECTIVE =
  /^#(?:Software|Version|Date|Fields|Remark|Start-Date|End-Date|separator|set_separator|empty_field|unset_field|path|open|close|fields|types)\b/;

/** The extended log file format of the W3C (IIS, CloudFront): a directive names the fields of the following lines. */
export class W3cFields {
  #status = -1;
  #count = 0;

  /** Reads a directive. Returns false for any other line. */
  read(line: string): boolean {
    if (!DIRECTIVE.test(line)) return false;
    if (line.startsWith('#Fields:')) {
      const names = line.slice('#Fields:'.length).trim().split(/\s+/, 200);
      this.#status = names.findIndex((name) => name === 'sc-status' || name === 'x-edge-response-status');
      this.#count = names[0] === 'date' && names[1] === 'time' ? names.length : 0;
    }
    return true;
  }

  /** The entry of a line in the format of the latest directive. Its times are UTC by definition. */
  entryOf(line: string, now: number): ParsedLine | undefined {
    if (this.#count === 0) return undefined;
    const time = timestampAt(line, 0, now);
    if (time === undefined) return undefined;
    const rest = line.slice(time.end).trim();
    const values = rest.split(line.includes('\t') ? '\t' : ' ', 200);
    // Time and date are two fields that are read already.
    const status = this.#status < 2 ? undefined : values[this.#status - 2];
    const level = status !== undefined && /^\d{3}$/.test(status) ? statusLevel(Number(status)) : undefined;
    return new ParsedLine(time.at, true, true, level, false, rest, rest, '', false, undefined);
  }
}
