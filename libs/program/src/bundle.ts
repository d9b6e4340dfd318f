import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';
import { mapStackTraces } from './stack-lines.js';

export interface ProgramModule {
  readonly main: () => Promise<void>;
  /** Loads modules that `main` would load later, so that a build can compile them. */
  readonly preload?: () => Promise<void>;
}

/** Notes about a bundle, which a build writes beside it. */
interface BundleNotes {
  /** The version of Node.js that compiled its code. */
  readonly node: string;
  /** Files, relative to the bundle, that change whenever something in the bundle is compiled again. */
  readonly inputs: readonly string[];
}

/** The files of a bundle. All except the first may be missing. */
export const codeFile = (bundle: string): string => `${bundle}.code`;
export const linesFile = (bundle: string): string => `${bundle}.lines`;
export const notesFile = (bundle: string): string => `${bundle}.json`;

/** A bundle begins with its id in a comment, and so does its compiled code. V8 itself compares only the lengths. */
export const ID_BYTES = 32;
const ID_AT = '/*'.length;

/** Whether the bundle exists and is newer than all its inputs. A bundle without notes, as in an image, always is. */
export function isCurrent(bundle: string): boolean {
  const made = changedAt(bundle);
  if (made === undefined) return false;
  const notes = readIfThere(notesFile(bundle));
  if (notes === undefined) return true;
  const { inputs } = JSON.parse(notes.toString('utf8')) as BundleNotes;
  return inputs.every((input) => (changedAt(resolve(dirname(bundle), input)) ?? 0) <= made);
}

interface LoadedBundle {
  readonly program: ProgramModule;
  /** Its code, as far as it is compiled by now. */
  readonly compiled: () => Buffer;
  /** Whether V8 accepted the code that a build compiled. */
  readonly wasCompiled: boolean;
}

/** Loads a bundle. It uses the code that a build compiled, if this Node.js can accept it. */
export function loadBundle(bundle: string): LoadedBundle {
  // Bundles are ASCII. Read as Latin-1, V8 stores one byte per character.
  const source = readFileSync(bundle, 'latin1');
  const id = source.slice(ID_AT, ID_AT + ID_BYTES);
  const stored = readIfThere(codeFile(bundle));
  const cachedData = stored?.toString('latin1', 0, ID_BYTES) === id ? stored.subarray(ID_BYTES) : undefined;
  // V8 refuses compiled code from a process with other flags, and heap sizes are flags. They have had their effect when
  // this heap was created, so they are reset.
  setFlagsFromString('--max-semi-space-size=0');
  setFlagsFromString('--max-old-space-size=0');
  const script = new Script(source, { filename: bundle, ...(cachedData === undefined ? {} : { cachedData }) });
  mapStackTraces(bundle, linesFile(bundle));
  const evaluate = script.runInThisContext() as (
    require: NodeJS.Require,
    filename: string,
    dirname: string,
  ) => ProgramModule;
  return {
    program: evaluate(createRequire(bundle), bundle, dirname(bundle)),
    compiled: () => Buffer.concat([Buffer.from(id, 'latin1'), script.createCachedData()]),
    wasCompiled: script.cachedDataRejected === false,
  };
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function changedAt(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}
