import { createLogger } from '@batuta/observability';
import { loadStepRunnerSettings, startStepRunner } from '@batuta/step-runner';
import type { RunningStepRunner } from '@batuta/step-runner';
import { RetryableError } from '@batuta/worker';
import type { Agent, AgentContext } from '@batuta/worker';
import { eventually } from '@batuta/testing';
import type { Cluster } from './cluster.js';

/** An attempt of the agent `held`, which continues when the test says so. */
export interface HeldAttempt {
  readonly executionId: string;
  readonly stepId: string;
  readonly attempt: number;
  readonly input: unknown;
  readonly signal: AbortSignal;
  heartbeat(progress: number, message: string): void;
  finish(output: unknown): void;
  fail(code: string): void;
}

const POOL = 'lab';

/**
 * A step-runner in the test's own process. Its agents: `held` waits until the test ends the attempt; `chooser` is a
 * judge that names the candidate with the highest `quality`; `undo` returns at once and is recorded, or fails when its
 * input has `{"fail": true}`.
 */
export class Lab {
  #runner: RunningStepRunner | undefined;
  readonly held: HeldAttempt[] = [];
  /** Whether attempts of `undo` fail when their input says so. */
  undoFails = true;
  /** Attempts of `undo` in the order of their arrival. */
  readonly undone: { readonly executionId: string; readonly input: unknown }[] = [];

  private constructor(runner: RunningStepRunner | undefined) {
    this.#runner = runner;
  }

  static async start(cluster: Cluster): Promise<Lab> {
    const lab = new Lab(undefined);
    const api = cluster.api();
    const agents = lab.#agents();
    for (const { name } of agents) {
      await api.client.agents.put(name, { pool: POOL, description: 'for tests' });
    }
    lab.#runner = await startStepRunner({
      settings: loadStepRunnerSettings({
        NATS_URL: cluster.stack.natsUrl,
        NATS_CREDS: await cluster.workerCredentials(POOL),
        BATUTA_RUNNER_ID: 'lab',
        BATUTA_RUNNER_POOLS: POOL,
        BATUTA_RUNNER_DRAIN: '0ms',
      }),
      logger: createLogger({ service: 'lab', level: 'silent' }),
      opsServer: false,
      agents,
    });
    return lab;
  }

  async stop(): Promise<void> {
    for (const attempt of this.held) attempt.finish(null);
    await this.#runner?.close();
  }

  /** The newest attempt of a step, or the one with this number. Waits until it has arrived. */
  attempt(executionId: string, stepId: string, attempt?: number): Promise<HeldAttempt> {
    return eventually(
      () =>
        this.held.findLast(
          (each) =>
            each.executionId === executionId &&
            each.stepId === stepId &&
            (attempt === undefined || each.attempt === attempt),
        ) ?? false,
      { timeoutMs: 120_000, describe: `attempt ${attempt ?? ''} of ${stepId} has come in` },
    );
  }

  #agents(): Agent[] {
    return [
      { name: 'held', version: '1', run: (input, context) => this.#hold(input, context) },
      {
        name: 'chooser',
        version: '1',
        run: (input) => {
          const { candidates } = input as { candidates: { step_id: string; output: { quality: number } }[] };
          const [best] = candidates.toSorted((a, b) => b.output.quality - a.output.quality);
          return { winner: best?.step_id ?? null };
        },
      },
      {
        name: 'undo',
        version: '1',
        run: (input, { executionId }) => {
          this.undone.push({ executionId, input });
          if (this.undoFails && (input as { fail?: boolean } | null)?.fail === true) {
            throw new RetryableError('cannot_undo', 'No way back.');
          }
          return { undone: true };
        },
      },
    ];
  }

  #hold(input: unknown, context: AgentContext): Promise<unknown> {
    const { executionId, stepId, attempt, signal } = context;
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      this.held.push({
        executionId,
        stepId,
        attempt,
        input,
        signal,
        heartbeat: (progress, message) => context.heartbeat(progress, message),
        finish: resolve,
        fail: (code) => reject(new RetryableError(code, `The test says ${code}.`)),
      });
    });
  }
}
