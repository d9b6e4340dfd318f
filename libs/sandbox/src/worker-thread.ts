import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';

export type Role = 'schema' | 'expression' | 'template';

/** How a job ended: with the worker's reply, or by the limit that ended the worker. */
export type JobOutcome =
  | { kind: 'reply'; reply: unknown }
  | { kind: 'time_limit' }
  | { kind: 'memory_limit' }
  | { kind: 'crash'; message: string };

/** The thread ended before the job began, so nothing is known about the job. */
interface NotStarted {
  readonly kind: 'not_started';
}

/** A job that has ended, and the CPU time that it took in milliseconds. Where the system does not report that, it is the time by the clock. */
interface EndedJob {
  readonly outcome: JobOutcome | NotStarted;
  readonly usedMs: number;
}

type FromWorker =
  { ready: true; threadId: number | undefined } | { id: number; reply: unknown } | { id: number; crash: string };

/** The same path works in a build and from the sources, because the file is JavaScript in both. */
const ENTRY = fileURLToPath(new URL('./worker/main.js', import.meta.url));

/** On a machine that is so busy that a thread hardly runs, a job may take this multiple of its limit by the clock. */
const MAX_STARVATION = 20;

/** CPU time of a thread of this process in milliseconds; undefined where the system does not report it. */
function cpuTime(threadId: number | undefined): number | undefined {
  if (threadId === undefined) return undefined;
  try {
    // The first number is the time on the CPU in nanoseconds. Source: Documentation/scheduler/sched-stats.rst of Linux.
    const nanoseconds = Number(readFileSync(`/proc/self/task/${threadId}/schedstat`, 'utf8').split(' ', 1)[0]);
    return Number.isFinite(nanoseconds) ? nanoseconds / 1e6 : undefined;
  } catch {
    return undefined;
  }
}

/** A thread that runs one job at a time. It is ended when a job exceeds a limit. */
export class WorkerThread {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  #alive = true;
  #nextId = 1;
  #threadId: number | undefined;
  #settle: ((outcome: JobOutcome) => void) | undefined;
  /** Resolves when the thread has started or has failed to start. */
  readonly ready: Promise<void>;
  readonly #exited: Promise<void>;

  constructor(role: Role, memoryMb: number) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#worker = new Worker(ENTRY, {
      workerData: { port: port2, role },
      transferList: [port2],
      env: {},
      execArgv: [],
      argv: [],
      stdin: false,
      resourceLimits: { maxOldGenerationSizeMb: memoryMb, maxYoungGenerationSizeMb: 8, stackSizeMb: 4 },
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', (exitCode) => {
        this.#end({ kind: 'crash', message: `the sandbox thread ended with code ${exitCode}` });
        this.#port.close();
        resolve();
      });
    });
    this.#worker.on('error', (error: Error & { code?: string }) => {
      this.#end(
        error.code === 'ERR_WORKER_OUT_OF_MEMORY'
          ? { kind: 'memory_limit' }
          : { kind: 'crash', message: error.message },
      );
    });
    let started: () => void = () => undefined;
    this.ready = new Promise((resolve) => {
      started = resolve;
    });
    this.#port.on('message', (message: FromWorker) => {
      if ('ready' in message) {
        this.#threadId = message.threadId;
        started();
      } else {
        this.#answer(message);
      }
    });
    void this.#exited.then(started);
    this.#idle();
  }

  /** Whether it can take a job. It stays false once a limit was exceeded. */
  get alive(): boolean {
    return this.#alive;
  }

  /**
   * Runs one job. `timeoutMs` limits the thread's own CPU time where the system reports it, so that a busy machine does
   * not fail the job. Elsewhere it limits the time since the job began. Never rejects.
   */
  async run(job: unknown, timeoutMs: number): Promise<EndedJob> {
    this.#worker.ref();
    this.#port.ref();
    await this.ready;
    if (!this.#alive) {
      return { outcome: { kind: 'not_started' }, usedMs: 0 };
    }
    const ended = await new Promise<EndedJob>((resolve) => {
      const began = performance.now();
      const cpuBefore = cpuTime(this.#threadId);
      const usedMs = (): number => {
        const cpuNow = cpuTime(this.#threadId);
        return cpuBefore === undefined || cpuNow === undefined ? performance.now() - began : cpuNow - cpuBefore;
      };
      let timer = setTimeout(() => check(), timeoutMs);
      const check = (): void => {
        // This thread may have been too busy to read an answer that came in time.
        const late = receiveMessageOnPort(this.#port) as { message: FromWorker } | undefined;
        if (late !== undefined && !('ready' in late.message)) return this.#answer(late.message);
        const elapsed = performance.now() - began;
        const used = usedMs();
        if (used >= timeoutMs || elapsed >= timeoutMs * MAX_STARVATION) return this.#end({ kind: 'time_limit' });
        timer = setTimeout(check, Math.max(1, timeoutMs - used));
      };
      this.#settle = (settled) => {
        clearTimeout(timer);
        resolve({ outcome: settled, usedMs: usedMs() });
      };
      this.#port.postMessage({ id: this.#nextId, job });
    });
    this.#nextId += 1;
    if (this.#alive) this.#idle();
    return ended;
  }

  /** Ends the thread. Its job ends as `crash`. */
  async close(): Promise<void> {
    this.#end({ kind: 'crash', message: 'the sandbox is closed' });
    await this.#exited;
  }

  /** An idle thread does not keep the process alive. */
  #idle(): void {
    this.#worker.unref();
    this.#port.unref();
  }

  #answer(message: Exclude<FromWorker, { ready: true }>): void {
    if (message.id !== this.#nextId) return;
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.('crash' in message ? { kind: 'crash', message: message.crash } : { kind: 'reply', reply: message.reply });
  }

  #end(outcome: JobOutcome): void {
    const settle = this.#settle;
    this.#settle = undefined;
    const wasAlive = this.#alive;
    this.#alive = false;
    // First, because the CPU time of a thread that has ended cannot be read.
    settle?.(outcome);
    if (wasAlive) void this.#worker.terminate();
  }
}
