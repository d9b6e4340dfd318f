import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { deserialize } from 'node:v8';

/**
 * The source of each line of a bundle. Reading a source map of 7 MB at the first error would take a quarter of a
 * second.
 */
export interface StackLines {
  /** Paths relative to the bundle. */
  readonly sources: readonly string[];
  /** For each line of the bundle, from 0: 1 + the index of its source; 0 for none. */
  readonly source: Uint16Array;
  /** For each line of the bundle, from 0: the line in its source, from 1. */
  readonly line: Uint32Array;
}

/**
 * Makes stack traces name the sources' lines instead of the bundle's. The file is read when the first stack trace is
 * needed.
 */
export function mapStackTraces(bundle: string, linesFile: string): void {
  let lines: StackLines | undefined;
  Error.prepareStackTrace = (error, frames) => {
    let text = Error.prototype.toString.call(error);
    for (const frame of frames) {
      let shown = (frame as { toString(): string }).toString();
      if (frame.getFileName() === bundle) {
        lines ??= read(linesFile);
        const at = frame.getLineNumber() ?? 0;
        const source = lines.sources[(lines.source[at - 1] ?? 0) - 1];
        if (source !== undefined) {
          const place = `${resolve(dirname(bundle), source)}:${lines.line[at - 1]}`;
          shown = shown.replace(`${bundle}:${at}:${frame.getColumnNumber()}`, () => place);
        }
      }
      text += `\n    at ${shown}`;
    }
    return text;
  };
}

function read(file: string): StackLines {
  try {
    return deserialize(readFileSync(file)) as StackLines;
  } catch {
    // Reading an error's stack must not throw another error.
    return { sources: [], source: new Uint16Array(), line: new Uint32Array() };
  }
}
