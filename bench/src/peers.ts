import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { PEERS_DIRECTORY } from './throughput.js';
import type { RoundRequest, ThroughputRound } from './throughput.js';

/** Engines that `bench/peers` runs. */
export const PEERS = ['bullmq', 'bullmq-single', 'dbos', 'restate'] as const;

/** One peer that stays up and runs rounds on request; see bench/peers/README.md. */
export class PeerBench {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(readonly name: string) {
    const child = spawn(process.execPath, ['run.mjs', '--peer', name, '--serve'], {
      cwd: PEERS_DIRECTORY,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /**
   * Runs one round. Returns undefined when this peer does not support the work. Throws when the round or the peer
   * failed.
   */
  async round(request: RoundRequest | { readonly work: 'W4' | 'W5' }): Promise<ThroughputRound | undefined> {
    if (this.name === 'bullmq-single' && request.work === 'W3') return undefined;
    const { work, inFlight, executions, warmUp } = {
      inFlight: undefined,
      executions: undefined,
      warmUp: undefined,
      ...request,
    };
    const line = { work, in_flight: inFlight, executions, warm_up: warmUp };
    this.#child.stdin?.write(`${JSON.stringify(line)}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`${this.name} ended; is it installed? See bench/peers/README.md`);
    const answer = JSON.parse(value) as ThroughputRound | { readonly error: string };
    if ('error' in answer) throw new Error(`${this.name}: ${answer.error}`);
    return answer;
  }

  async end(): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
    });
    child.stdin?.end();
    await ended;
  }
}
