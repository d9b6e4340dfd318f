import { fileURLToPath } from 'node:url';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';

export type Role = 'schema' | 'expression';

/** How one job ended: the worker's reply, or the limit that ended the worker. */
export type JobOutcome =
  | { kind: 'reply'; reply: unknown }
  | { kind: 'time_limit' }
  | { kind: 'memory_limit' }
  | { kind: 'crash'; message: string };

type FromWorker = { ready: true } | { id: number; reply: unknown } | { id: number; crash: string };

/** The same file serves a build and the sources: it is JavaScript in both. */
const ENTRY = fileURLToPath(new URL('./worker/main.js', import.meta.url));

/** One thread that runs one job at a time, and is ended when a job passes a limit. */
export class WorkerThread {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  #alive = true;
  #nextId = 1;
  #settle: ((outcome: JobOutcome) => void) | undefined;
  readonly #ready: Promise<void>;
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
    this.#ready = new Promise((resolve) => {
      started = resolve;
    });
    this.#port.on('message', (message: FromWorker) => {
      if ('ready' in message) started();
      else this.#answer(message);
    });
    void this.#exited.then(started);
    this.#idle();
  }

  /** Whether it can take a job; false for ever once a limit was passed. */
  get alive(): boolean {
    return this.#alive;
  }

  /** Runs one job. `timeoutMs` counts from when the thread has started and takes the job up. Never rejects. */
  async run(job: unknown, timeoutMs: number): Promise<JobOutcome> {
    this.#worker.ref();
    this.#port.ref();
    await this.#ready;
    if (!this.#alive) return { kind: 'crash', message: 'the sandbox thread did not start' };
    const outcome = await new Promise<JobOutcome>((resolve) => {
      const timer = setTimeout(() => {
        // This thread may have been too busy to see an answer that came in time.
        const late = receiveMessageOnPort(this.#port) as { message: FromWorker } | undefined;
        if (late !== undefined && !('ready' in late.message)) this.#answer(late.message);
        else this.#end({ kind: 'time_limit' });
      }, timeoutMs);
      this.#settle = (settled) => {
        clearTimeout(timer);
        resolve(settled);
      };
      this.#port.postMessage({ id: this.#nextId, job });
    });
    this.#nextId += 1;
    if (this.#alive) this.#idle();
    return outcome;
  }

  /** Ends the thread; a job in it ends as `crash`. */
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
    if (this.#alive) {
      this.#alive = false;
      void this.#worker.terminate();
    }
    settle?.(outcome);
  }
}
