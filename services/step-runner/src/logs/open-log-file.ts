import { TENANT_ID } from '@batuta/contracts';
import { constants } from 'node:fs';
import { open, readlink, realpath } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { invalidInput, RetryableError, TerminalError } from '@batuta/worker';

/** One setting: `<tenant>=<directory>` for one tenant, or a path with `{tenant}` for a directory of each tenant. */
export const LOG_DIRECTORY = /^(?:[a-z0-9-]{1,40}=.+|.*\{tenant\}.*)$/;

/** The directories whose files the agents of a tenant may read. */
export function logDirectoriesOf(settings: readonly string[], tenantId: string): string[] {
  // The id becomes a part of a path, so only a valid id is used.
  if (!TENANT_ID.test(tenantId)) return [];
  const own = `${tenantId}=`;
  return settings.flatMap((setting) => {
    if (setting.includes('{tenant}')) return [setting.replaceAll('{tenant}', tenantId)];
    return setting.startsWith(own) ? [setting.slice(own.length)] : [];
  });
}

/**
 * Opens a regular file below one of `directories`. A relative name is searched in each of them. The location is checked
 * on the opened file, so that a link made meanwhile cannot lead elsewhere. Throws a `TerminalError` for a file that
 * must not be read, and a `RetryableError` for one that does not exist yet.
 */
export async function openLogFile(
  name: string,
  directories: readonly string[],
): Promise<{ handle: FileHandle; path: string }> {
  if (name.includes('\0')) throw invalidInput('file', 'must not contain a NUL character');
  const roots = await Promise.all(directories.map((directory) => realpath(resolve(directory)).catch(() => undefined)));
  let refused = false;
  for (const root of roots) {
    if (root === undefined) continue;
    let path: string;
    try {
      path = await realpath(resolve(root, name));
    } catch {
      continue;
    }
    if (!isBelow(root, path)) {
      refused = true;
      continue;
    }
    let handle: FileHandle;
    try {
      // The real path contains no link. Non-blocking, because it may be a pipe.
      handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      throw new RetryableError('file_unreadable', `The file ${name} cannot be read: ${codeOf(error)}.`, {
        cause: error,
      });
    }
    const problem = await problemOf(handle, root);
    if (problem === undefined) return { handle, path: relative(root, path) };
    await handle.close();
    throw new TerminalError('file_refused', `${name} ${problem}.`);
  }
  // A file outside is refused with the same words whether it exists or not.
  if (refused || !roots.some((root) => root !== undefined && isBelow(root, resolve(root, name)))) {
    throw new TerminalError(
      'file_refused',
      `The file ${name} is not below a directory that this tenant's agents may read (BATUTA_RUNNER_LOG_DIRECTORIES).`,
    );
  }
  throw new RetryableError('file_missing', `The file ${name} does not exist below the directories that may be read.`);
}

/** Why the opened file must not be read, or undefined. */
async function problemOf(handle: FileHandle, root: string): Promise<string | undefined> {
  const found = await handle.stat();
  if (!found.isFile()) return 'is not a regular file';
  // Another name of the file may be anywhere on the same disk: in another tenant's directory or the platform's own.
  if (found.nlink > 1) return 'has a second name (a hard link), so it may belong to somebody else';
  if (process.platform !== 'linux') return undefined;
  // A link may have replaced a directory of the path between the check and the opening.
  const opened = await readlink(`/proc/self/fd/${handle.fd}`);
  return isBelow(root, opened) ? undefined : 'was moved while it was opened';
}

function isBelow(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown reason';
}
