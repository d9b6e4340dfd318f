import type { DomainEvent, Event, Failure } from '@batuta/contracts';
import type { Command } from './commands/command.js';
import { evolve } from './evolve.js';
import { handlingOf } from './failures/handling.js';
import { nodeId } from './state/results.js';
import { nextAttemptAt } from './failures/retry.js';
import { compiledUnit } from './state/nodes.js';
import type { Spending } from './budget/spending.js';
import { unitState, type State } from './state/state.js';

/** The decision for one command while it is being made: its events so far, and the state after them. */
export class Draft {
  readonly events: DomainEvent[] = [];

  constructor(
    readonly command: Command,
    public state: State,
  ) {}

  get at(): number {
    return this.command.at;
  }

  /** A separate draft from this point, to see what a command would do. */
  trial(): Draft {
    return new Draft(this.command, this.state);
  }

  /** Adds an event. Later decisions use the state after it. */
  emit(event: DomainEvent): void {
    this.events.push(event);
    this.state = this.after(event);
  }

  /** The state that would follow an event. */
  after(event: DomainEvent): State {
    const executionId = this.command.type === 'StartExecution' ? this.command.executionId : this.state.executionId;
    return evolve(this.state, {
      executionId,
      version: this.state.version + 1,
      at: this.command.at,
      commandId: this.command.id,
      partition: 0,
      position: 0,
      type: event.type,
      data: event.data,
    } as Event);
  }

  /** The step has finally failed. The event includes the effect on the execution. */
  failStep(unit: number, failure: Failure): void {
    const compensating = this.state.status === 'compensation';
    const { handling, alternative } = compensating
      ? { handling: 'abort' as const, alternative: undefined }
      : handlingOf(this.state, unit, failure);
    const kind = compiledUnit(this.state, unit).kind;
    this.emit({
      type: 'StepFailed',
      data: {
        stepId: nodeId(this.state, unit),
        failure,
        handling: kind === 'judge' || kind === 'tool' ? 'continue' : handling,
        ...(alternative === undefined ? {} : { fallbackStepId: nodeId(this.state, alternative) }),
      },
    });
  }

  /**
   * The running attempt of a unit failed. Another attempt follows if its policy allows it, else the step has failed.
   */
  failAttempt(
    unit: number,
    failure: Failure,
    measured: { startedAt: number; finishedAt: number } & Spending,
    byEngine: boolean,
  ): void {
    const compiled = compiledUnit(this.state, unit);
    const current = unitState(this.state, unit);
    // During compensation only compensations get another attempt.
    const retryable = this.state.status !== 'compensation' || compiled.kind === 'compensation';
    const retryAt = retryable
      ? nextAttemptAt(
          compiled.retry,
          failure,
          current.failures + 1,
          current.loop?.since || current.firstScheduledAt,
          this.at,
          this.command.seed,
          unit * 1009 + current.attempt,
        )
      : undefined;
    this.emit({
      type: 'StepAttemptFailed',
      data: {
        stepId: compiled.id,
        attempt: current.attempt,
        failure,
        ...measured,
        ...(retryAt === undefined ? {} : { retryAt }),
        ...(byEngine ? { byEngine } : {}),
      },
    });
    if (retryAt === undefined) {
      this.failStep(unit, failure);
    }
  }

  /** Start and end of an attempt that the engine itself ended. */
  engineTimes(unit: number): { startedAt: number; finishedAt: number } {
    const { startedAt, scheduledAt, heartbeatAt } = unitState(this.state, unit);
    return { startedAt: heartbeatAt > 0 ? startedAt : scheduledAt, finishedAt: this.at };
  }
}
