import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LocalStackError } from './errors.js';
import { readJson, writeJson } from './json-file.js';
import { logTail } from './log-tail.js';
import type { StackLogger } from './logger.js';
import { processGuard, type StopSignals } from './process-guard.js';
import { processIdentity } from './process-identity.js';

const LOG_LIMIT_BYTES = 32 * 1024 * 1024;
const POLL_MS = 5;

/** The record on disk about a started server: its ports, and the identity of its process. */
export interface ServerRecord {
  readonly pid: number;
  readonly identity: string;
  readonly port: number;
  readonly monitorPort?: number;
}

/** The operating system's user as which a server runs. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

interface ServerSpec {
  /** The name for people, for example "PostgreSQL". */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly account: Account | undefined;
  readonly logFile: string;
  readonly recordFile: string;
  readonly record: Pick<ServerRecord, 'port' | 'monitorPort'>;
  readonly stopSignals: StopSignals;
  /** Directories to remove with the server if this process ends without stopping it. */
  readonly remove: readonly string[];
  readonly logger: StackLogger;
}

/** How a server process ended. */
interface ServerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One run of a server, from its start to its end. */
export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #logOffset: number;
  #stopping = false;
  #exit: ServerExit | undefined;
  readonly #exited: Promise<ServerExit>;

  private constructor(
    readonly spec: ServerSpec,
    readonly pid: number,
    child: ChildProcess,
    logOffset: number,
  ) {
    this.#child = child;
    this.#logOffset = logOffset;
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#exit = { code, signal };
        processGuard.forget(pid);
        resolve(this.#exit);
        if (!this.#stopping) void this.#reportEnd(this.#exit);
      });
    });
  }

  /** Starts the server in its own session, so that a terminal's Ctrl-C does not reach it before its clients. */
  static async start(spec: ServerSpec): Promise<ServerProcess> {
    const { log, offset } = openLog(spec.logFile);
    try {
      const child = spawn(spec.command, spec.args, {
        cwd: '/',
        detached: true,
        env: spec.env,
        stdio: ['ignore', log, log],
        ...(spec.account === undefined ? {} : { uid: spec.account.uid, gid: spec.account.gid }),
      });
      if (child.pid === undefined) {
        const error = await new Promise<Error>((resolve) => child.once('error', resolve));
        throw new LocalStackError(`${spec.name} cannot be started (${spec.command}): ${error.message}`);
      }
      const server = new ServerProcess(spec, child.pid, child, offset);
      processGuard.watch({ pid: child.pid, signals: spec.stopSignals, remove: spec.remove });
      child.unref();
      const identity = processIdentity(child.pid);
      try {
        await writeJson(spec.recordFile, { pid: child.pid, identity, ...spec.record });
      } catch (error) {
        await server.kill();
        throw error;
      }
      return server;
    } finally {
      closeSync(log);
    }
  }

  get running(): boolean {
    return this.#exit === undefined;
  }

  /** Stops the server with its signals, one after the other, until it ends. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#child.ref();
    for (const [signal, wait] of this.spec.stopSignals) {
      if (!this.running) return;
      signalIfThere(this.pid, signal);
      if (await endsWithin(this.#exited, wait)) return;
      this.spec.logger.warn(`${this.spec.name} (${this.pid}) has not ended ${wait} ms after ${signal}.`);
    }
    if (this.running) throw new LocalStackError(`${this.spec.name} (${this.pid}) cannot be stopped.`);
  }

  /** Ends the server at once, like a crash. */
  async kill(): Promise<void> {
    this.#stopping = true;
    if (!this.running) return;
    this.#child.ref();
    signalIfThere(this.pid, 'SIGKILL');
    await this.#exited;
  }

  /** Waits until `probe` returns true. Throws when the server ends first, the time is over, or `probe` throws. */
  async ready(probe: () => Promise<boolean>, timeoutMs: number): Promise<void> {
    const limit = performance.now() + timeoutMs;
    for (;;) {
      if (this.#exit !== undefined) {
        throw new LocalStackError(
          `${this.spec.name} ended at its start (${describeExit(this.#exit)}). ${await this.#logTail()}`,
        );
      }
      if (await probe()) return;
      if (performance.now() > limit) {
        throw new LocalStackError(`${this.spec.name} does not answer after ${timeoutMs} ms. ${await this.#logTail()}`);
      }
      await delay(POLL_MS);
    }
  }

  async #reportEnd(exit: ServerExit): Promise<void> {
    this.spec.logger.error(
      `${this.spec.name} (${this.pid}) ended by itself (${describeExit(exit)}). ${await this.#logTail()}`,
    );
  }

  /** The last lines that this run wrote. */
  #logTail(): Promise<string> {
    return logTail(this.spec.logFile, this.#logOffset);
  }
}

/**
 * Stops a server that an earlier process left running. Its record identifies the process, so a reused id is not
 * touched.
 */
export async function stopLeftover(
  name: string,
  recordFile: string,
  signals: StopSignals,
  logger: StackLogger,
): Promise<Partial<ServerRecord>> {
  const record = (await readJson<ServerRecord>(recordFile)) ?? {};
  const { pid, identity } = record;
  if (pid === undefined || identity === undefined) return record;
  const runs = () => processIdentity(pid) === identity;
  if (runs()) logger.info(`Stopping ${name} (${pid}), which an earlier run left behind.`);
  for (const [signal, wait] of signals) {
    if (!runs()) return record;
    signalIfThere(pid, signal);
    const limit = performance.now() + wait;
    while (runs() && performance.now() < limit) await delay(POLL_MS);
  }
  if (runs()) throw new LocalStackError(`${name} (${pid}), left by an earlier run, cannot be stopped.`);
  return record;
}

/** Whether a server failed because its port was taken between the choice of the port and the start. */
export function isPortTaken(error: unknown): boolean {
  return error instanceof LocalStackError && /address already in use/i.test(error.message);
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function openLog(logFile: string): { log: number; offset: number } {
  mkdirSync(path.dirname(logFile), { recursive: true });
  const size = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_LIMIT_BYTES) renameSync(logFile, `${logFile}.1`);
  return { log: openSync(logFile, 'a', 0o640), offset: size > LOG_LIMIT_BYTES ? 0 : size };
}

function describeExit({ code, signal }: ServerExit): string {
  return signal === null ? `exit code ${code}` : signal;
}

async function endsWithin(exited: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = new AbortController();
  try {
    return await Promise.race([exited.then(() => true), delay(ms, false, { signal: timer.signal }).catch(() => false)]);
  } finally {
    timer.abort();
  }
}
