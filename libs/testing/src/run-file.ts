import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { endOf } from './end-of.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const loader = fileURLToPath(new URL('../run-source.mjs', import.meta.url));

/** A process that runs a file of the repository. */
export interface Child {
  readonly process: ChildProcess;
  /** Its whole output. */
  readonly output: () => string;
  /** For `eventually`: returns an error once the process has ended. */
  readonly ended: () => Error | undefined;
  /** Sends a signal and waits for the end. Returns the exit code, or null after a signal. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Runs a TypeScript or JavaScript file of the repository, named from its root, as a process. */
export function runFile(
  file: string,
  options: { env?: NodeJS.ProcessEnv; nodeArgs?: string[]; args?: string[] } = {},
): Child {
  const child = spawn(
    process.execPath,
    [...(options.nodeArgs ?? []), '--conditions=batuta-source', '--import', loader, file, ...(options.args ?? [])],
    { cwd: root, env: { PATH: process.env['PATH'], ...options.env }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  return {
    process: child,
    output: () => output,
    ended: endOf(file, child, () => output),
    async end(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      const ended = once(child, 'exit');
      child.kill(signal);
      await ended;
      return child.exitCode;
    },
  };
}
