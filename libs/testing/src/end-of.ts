import type { ChildProcess } from 'node:child_process';

const LAST = 4096;

/** A description of how a process ended, for people. */
export function describeEnd(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `exit code ${code}` : signal;
}

/**
 * For `eventually`: returns an error with the end of the output, once the process has ended and all its output has
 * arrived. Call it when the process starts.
 */
export function endOf(name: string, child: ChildProcess, output?: () => string): () => Error | undefined {
  let end: string | undefined;
  child.once('close', (code, signal) => {
    end = describeEnd(code, signal);
  });
  return () => {
    if (end === undefined) return undefined;
    return new Error(`${name} has ended (${end})${output === undefined ? '' : `. It said:\n${output().slice(-LAST)}`}`);
  };
}
