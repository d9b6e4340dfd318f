import { connectNats, onLost } from '@batuta/messaging';
import type { NatsConnection } from '@nats-io/nats-core';
import { hostname } from 'node:os';
import type { Agent, AgentContext } from './agent.js';
import { defineAgent } from './define-agent.js';
import type { AgentDefinition, Handler } from './define-agent.js';
import type { JsonSchema } from './json-schema.js';
import { jsonLogger } from './logger.js';
import type { Logger } from './logger.js';
import { registerAgents } from './register-agents.js';
import type { Platform } from './register-agents.js';
import { Runner } from './runner.js';

export interface WorkerOptions {
  /** The pool that it serves. Every worker of a pool must serve all agents of the pool. */
  readonly pool: string;
  /** Default: `NATS_URL`, or `nats://127.0.0.1:4222`. */
  readonly natsUrl?: string;
  /** The file with the pool's credentials, from `POST /api/v1/pools/{pool}/credentials`. Default: `NATS_CREDS`. */
  readonly credentials?: string;
  /**
   * A PEM file with the certificates of the authorities that are trusted for the NATS server: `tls_ca` in the same
   * answer. Default: `BATUTA_NATS_TLS_CA`, or the authorities that Node.js knows.
   */
  readonly tlsCa?: string;
  /** Maximum number of attempts that run at once, 1 to 10,000. Default 10. */
  readonly concurrency?: number;
  /** Milliseconds that running attempts have when the worker stops. Then they are handed back. Default 10,000. */
  readonly drainMs?: number;
  /** Milliseconds that an agent has after its signal before its slot is given to another attempt. Default 1,000. */
  readonly graceMs?: number;
  /** The worker's name in results. Default: host and process id. */
  readonly workerId?: string;
  /** Default: one JSON object per line on standard error. */
  readonly logger?: Logger;
  /**
   * The platform at which its agents are registered at the start. Default: `BATUTA_URL` and `BATUTA_API_KEY`, if both
   * are set.
   */
  readonly platform?: Platform;
}

const ACK_WAIT_MS = 2_000;
const WORKING_MS = 700;
const RECHECK_MS = 10_000;
const MOST_ABANDONED = 64;

/**
 * A program that serves agents of one pool.
 *
 * ```ts
 * const worker = new Worker({ pool: 'text' });
 * worker.agent('shout', { description: 'Shouts' }, (input) => String(input).toUpperCase());
 * await worker.run();
 * ```
 */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #logger: Logger;
  readonly #agents = new Map<string, Agent>();
  #running: { readonly nc: NatsConnection; readonly runner: Runner } | undefined;
  #started = false;
  #lost: (error: unknown) => void = () => undefined;

  constructor(options: WorkerOptions) {
    const { concurrency = 10 } = options;
    if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > 10_000) {
      throw new RangeError(`concurrency must be a whole number from 1 to 10000, not ${concurrency}`);
    }
    this.#options = options;
    this.#logger = options.logger ?? jsonLogger();
  }

  /** Adds an agent. Throws when an agent has this name already, and after the start. */
  agent<const Input extends JsonSchema = JsonSchema, const Output extends JsonSchema = JsonSchema>(
    name: string,
    definition: AgentDefinition<Input, Output>,
    handler: Handler<Input, Output, AgentContext>,
  ): this {
    if (this.#started) throw new Error('the worker has started; add agents before the start');
    if (this.#agents.has(name)) throw new Error(`two agents have the name "${name}"`);
    this.#agents.set(name, defineAgent(name, definition, handler));
    return this;
  }

  /**
   * Registers its agents if it has the right, and starts to serve. Throws when it has no agents, and WorkerRefusedError
   * when NATS cannot be used.
   */
  async start(): Promise<void> {
    if (this.#agents.size === 0) throw new Error('the worker has no agents');
    if (this.#started) throw new Error('the worker has started already');
    this.#started = true;
    const { pool, concurrency = 10, graceMs = 1_000, workerId = `${hostname()}-${process.pid}` } = this.#options;
    const { env } = process;
    const agents = [...this.#agents.values()];
    const url = this.#options.natsUrl ?? env['NATS_URL'] ?? 'nats://127.0.0.1:4222';
    const nc = await connectNats({
      url,
      credentials: this.#options.credentials ?? env['NATS_CREDS'],
      tlsCa: this.#options.tlsCa ?? (env['BATUTA_NATS_TLS_CA'] || undefined),
      name: `worker ${workerId}`,
      logger: this.#logger,
    }).catch((error: unknown) => {
      throw refusalOf(error, pool, url);
    });
    onLost(nc, (error) => this.#lost(refusalOf(error, pool, url)));
    const runner = new Runner({
      nc,
      agents,
      logger: this.#logger,
      pools: [pool],
      slots: concurrency,
      workerId,
      ackWaitMs: ACK_WAIT_MS,
      workingMs: WORKING_MS,
      recheckMs: RECHECK_MS,
      graceMs,
      maxAbandoned: MOST_ABANDONED,
    });
    this.#running = { nc, runner };
    try {
      await runner.start();
      // A worker that may not serve the pool must not move its agents there.
      await registerAgents(agents, pool, this.#options.platform ?? platformOf(env), this.#logger);
      this.#logger.info({ pool, agents: agents.map(({ name }) => name), concurrency, worker_id: workerId }, 'serving');
    } catch (error) {
      await this.stop();
      throw refusalOf(error, pool, url);
    }
  }

  /** Accepts no new tasks, finishes running attempts or hands them back, and closes its connection. */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    if (running === undefined) return;
    await running.runner.stop(this.#options.drainMs ?? 10_000);
    await running.nc.close();
  }

  /**
   * Serves until the process is told to end (SIGTERM, SIGINT), and resolves when it has stopped. When NATS cannot be used,
   * or refuses it now or later, it says so in one line on standard error, and the process ends with exit code 1. Throws
   * when the worker has no agents.
   */
  async run(): Promise<void> {
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve, reject) => {
      end = resolve;
      this.#lost = reject;
    });
    const signals = ['SIGTERM', 'SIGINT'] as const;
    for (const signal of signals) process.once(signal, end);
    try {
      // The signal may come while it waits for the stream of tasks.
      await Promise.race([this.start(), ended]);
      await ended;
    } catch (error) {
      if (!(error instanceof WorkerRefusedError)) throw error;
      // A stack trace would hide what to do.
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 1;
    } finally {
      for (const signal of signals) process.removeListener(signal, end);
      await this.stop();
    }
  }
}

/** NATS cannot be used by a worker. The message tells a person why, and what to do. */
export class WorkerRefusedError extends Error {
  override readonly name = 'WorkerRefusedError';
  /** Programs of the platform show such an error without a stack trace. */
  readonly mistake = true;
}

const OF_CREDENTIALS = new Set(['AuthorizationError', 'UserAuthenticationExpiredError']);

/** An error of the connection in words for a person. Other errors are returned unchanged. */
function refusalOf(error: unknown, pool: string, url: string): unknown {
  const chain: Error[] = [];
  for (let at = error; at instanceof Error && chain.length < 5; at = at.cause) chain.push(at);
  const [first] = chain;
  if (first === undefined || first instanceof WorkerRefusedError) return error;
  const words = (says: string): Error =>
    new WorkerRefusedError(
      `${says} Set NATS_URL and NATS_CREDS, for example with: eval "$(npm run -s batuta env -- --pool ${pool})"`,
      { cause: error },
    );
  // What a file of credentials or certificates lacks is told by who reads it.
  if (chain.some((each) => 'mistake' in each)) return words(sentence(first.message));
  const refused = chain.find(({ name }) => name === 'PermissionViolationError');
  if (refused !== undefined) {
    return words(`These credentials do not let a worker serve the pool ${pool}: ${sentence(refused.message)}`);
  }
  const where = withoutCredentials(url);
  if (chain.some(({ name }) => OF_CREDENTIALS.has(name))) {
    return words(`The NATS server at ${where} refuses the credentials of this worker: ${sentence(first.message)}`);
  }
  const unreachable = chain.some(({ name }) => name === 'ConnectionError' || name === 'TimeoutError');
  return unreachable ? words(`The NATS server at ${where} cannot be reached: ${sentence(first.message)}`) : error;
}

const withoutCredentials = (url: string): string => url.replaceAll(/[^/,]*@/g, '');
const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

function platformOf(env: NodeJS.ProcessEnv): Platform | undefined {
  const { BATUTA_URL: url, BATUTA_API_KEY: apiKey } = env;
  return url === undefined || apiKey === undefined ? undefined : { url, apiKey };
}
