import { spawn } from 'node:child_process';
import type { Account } from './server-process.js';

interface CommandResult {
  readonly code: number | null;
  /** Standard output and standard error together. */
  readonly output: string;
}

/**
 * Runs a command to its end, without a shell and in its own session: a terminal's Ctrl-C reaches only the program that
 * runs it, which would report the interrupted command as a failure. Throws only when it cannot be started.
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly account?: Account | undefined } = {},
): Promise<CommandResult> {
  const { account, env } = options;
  return await new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(env === undefined ? {} : { env }),
      ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
    });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output: Buffer.concat(chunks).toString('utf8').trim() }));
  });
}
