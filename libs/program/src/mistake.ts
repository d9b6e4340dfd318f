import { statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isNativeError } from 'node:util/types';

/**
 * Something that a program cannot do because of its environment: a wrong setting, a port in use, a full disk. The
 * message tells a person what happened and what to do. A stack trace would only hide it.
 */
export class Mistake extends Error {
  override readonly name: string = 'Mistake';
  /** Errors of packages that do not know this class have the same field. */
  readonly mistake = true;
}

interface SystemError extends Error {
  readonly code: string;
  readonly syscall?: string;
  readonly path?: string;
  readonly address?: string;
  readonly port?: number;
  /** Present on errors that PostgreSQL returned. */
  readonly severity?: string;
}

const MIB = 1024 * 1024;
/** An error of a library may have the real failure as its cause, a few levels down. */
const DEPTH = 5;

/** The message for an error that is an ordinary mistake. Undefined for an error that needs its stack trace. */
export function mistakeOf(error: unknown): string | undefined {
  let current = error;
  for (let depth = 0; depth < DEPTH && isNativeError(current); depth += 1) {
    if ((current as { mistake?: unknown }).mistake === true) return current.message;
    const { code } = current as { code?: unknown };
    const sentences = typeof code === 'string' ? ofSystem(current as SystemError) : undefined;
    if (sentences !== undefined) return sentences;
    current = current.cause;
  }
  return undefined;
}

function ofSystem(error: SystemError): string | undefined {
  const { code, syscall, path, address, port, severity, message } = error;
  if (severity !== undefined) return ofPostgres(code, message);
  if (syscall === 'listen' && port !== undefined) {
    const place = `${address === undefined ? '' : `${address}:`}${port}`;
    if (code === 'EADDRINUSE') {
      return `Port ${place} is taken by another program. Stop that program, or choose another port.`;
    }
    if (code === 'EACCES') return `This user may not listen on port ${place}. Choose a port from 1024 on.`;
    if (code === 'EADDRNOTAVAIL') return `This machine has no address ${address}. Listen on one that it has.`;
  }
  const at = path === undefined ? 'a file' : path;
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return path === undefined
        ? 'The disk is full: a file could not be written. Free some space.'
        : `The disk is full: ${path} could not be written${freeAt(path)}. Free some space.`;
    case 'EACCES':
    case 'EPERM':
      return path === undefined
        ? undefined
        : `This user may not ${verb(syscall)} ${path}. Run as its owner, or change its owner or mode.`;
    case 'EROFS':
      return `${at} is on a file system that can only be read.`;
    case 'ENOTDIR':
      return `A directory is needed at ${at}, and something on the way to it is a file.`;
    case 'EEXIST':
      return syscall === 'mkdir' ? `A directory is needed at ${at}, and there is a file of that name.` : undefined;
    case 'EMFILE':
    case 'ENFILE':
      return 'Too many files are open. Raise the limit (ulimit -n) and try again.';
    default:
      return undefined;
  }
}

/** By SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html */
function ofPostgres(code: string, message: string): string | undefined {
  if (code.startsWith('28')) {
    return `PostgreSQL refuses the login: ${message}. Correct the user and password of DATABASE_URL.`;
  }
  switch (code) {
    case '3D000':
      return `PostgreSQL says: ${message}. Create that database, or correct DATABASE_URL.`;
    case '42501':
      return `PostgreSQL says: ${message}. The user of DATABASE_URL must be the owner of its database.`;
    case '53100':
      return `PostgreSQL has no space left on its disk: ${message}. Free some space there.`;
    case '53300':
      return `PostgreSQL has no connection left for Batuta: ${message}. Raise its max_connections.`;
    case '57P03':
      return `PostgreSQL does not take connections yet: ${message}. Try again when it does.`;
    default:
      return undefined;
  }
}

function verb(syscall: string | undefined): string {
  switch (syscall) {
    case 'mkdir':
      return 'make the directory';
    case 'scandir':
    case 'stat':
    case 'lstat':
    case 'read':
      return 'read';
    case 'spawn':
      return 'run';
    default:
      return 'open or change';
  }
}

function freeAt(path: string): string {
  for (let at = resolve(path); at !== dirname(at); at = dirname(at)) {
    try {
      const { bavail, bsize } = statfsSync(at);
      return `, ${Math.floor((bavail * bsize) / MIB)} MiB are free there`;
    } catch {
      // The path does not exist yet, so its parent is tried.
    }
  }
  return '';
}
