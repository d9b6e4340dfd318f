import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { deserialize } from 'node:v8';

/** Where each line of a bundle comes from. A source map of 7 MB would take a quarter of a second to read, at the first error. */
export interface StackLines {
  /** Relative to the bundle. */
  readonly sources: readonly string[];
  /** For each line of the bundle, from 0: 1 + the index of its source, 0 for none. */
  readonly source: Uint16Array;
  /** For each line of the bundle, from 0: its line there, from 1. */
  readonly line: Uint32Array;
}

/** From now on stack traces name the sources' lines instead of the bundle's; the file is read when the first one is asked for. */
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
    // An error must not become another one because it is looked at.
    return { sources: [], source: new Uint16Array(), line: new Uint32Array() };
  }
}
