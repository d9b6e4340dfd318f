import { isTerminalEventType } from '@batuta/contracts';
import type { Event, StepAttempt } from '@batuta/contracts';

type WritableAttempt = { -readonly [K in keyof StepAttempt]: StepAttempt[K] };

/** The attempts of one step, collected from its execution's events in order. */
export class StepAttempts {
  readonly #stepId: string;
  readonly #attempts: WritableAttempt[] = [];
  /** Version of the event that scheduled the newest attempt; 0 before the first. */
  scheduledVersion = 0;

  constructor(stepId: string) {
    this.#stepId = stepId;
  }

  get all(): readonly StepAttempt[] {
    return this.#attempts;
  }

  add(event: Event): void {
    switch (event.type) {
      case 'StepScheduled':
        if (event.data.stepId !== this.#stepId) return;
        this.scheduledVersion = event.version;
        this.#attempts.push({ attempt: event.data.attempt, status: 'running', scheduledAt: event.at });
        return;
      case 'StepProgressed': {
        const open = this.#open(event.data.stepId, event.data.attempt);
        if (open !== undefined) open.startedAt ??= event.at;
        return;
      }
      case 'ModelAnswered':
      case 'IterationCompleted':
      case 'StepCompleted': {
        const { stepId, attempt, startedAt, finishedAt, tokenCount, estimatedCost, agentVersion } = event.data;
        const open = this.#open(stepId, attempt);
        if (open === undefined) return;
        Object.assign(open, {
          status: 'completed',
          startedAt,
          finishedAt,
          ...(tokenCount === undefined ? {} : { tokenCount }),
          ...(estimatedCost === undefined ? {} : { estimatedCost }),
          ...(agentVersion === undefined ? {} : { agentVersion }),
        } satisfies Partial<StepAttempt>);
        return;
      }
      case 'StepAttemptFailed': {
        const { stepId, attempt, startedAt, finishedAt, failure, retryAt, tokenCount, estimatedCost } = event.data;
        const open = this.#open(stepId, attempt);
        if (open === undefined) return;
        Object.assign(open, {
          status: 'failed',
          startedAt,
          finishedAt,
          failure,
          ...(retryAt === undefined ? {} : { retryAt }),
          ...(tokenCount === undefined ? {} : { tokenCount }),
          ...(estimatedCost === undefined ? {} : { estimatedCost }),
        } satisfies Partial<StepAttempt>);
        return;
      }
      case 'StepSkipped':
        if (event.data.stepId === this.#stepId) this.#stop(event.at);
        return;
      case 'ExecutionPaused':
        if (event.data.now === true) this.#stop(event.at);
        return;
      default:
        if (isTerminalEventType(event.type)) this.#stop(event.at);
    }
  }

  #open(stepId: string, attempt: number): WritableAttempt | undefined {
    if (stepId !== this.#stepId) return undefined;
    return this.#attempts.findLast((each) => each.attempt === attempt && each.status === 'running');
  }

  #stop(at: number): void {
    const last = this.#attempts.at(-1);
    if (last?.status === 'running') Object.assign(last, { status: 'stopped', finishedAt: at });
  }
}
