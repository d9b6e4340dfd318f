import type {
  ConsensusGroup,
  DomainEvent,
  Event,
  EventData,
  EventType,
  Failure,
  JsonValue,
  OrchestrationDefinition,
  StepDefinition,
} from '@batuta/contracts';
import type { Command, Decision, Outcome, Rejection } from '../../src/domain/commands/command.js';
import { commandIds } from '../../src/domain/commands/command.js';
import { compile } from '../../src/domain/graph/compile.js';
import { decide } from '../../src/domain/decide.js';
import { effectsOf, wantedEffects, type Effect } from '../../src/domain/index.js';
import { evolve } from '../../src/domain/evolve.js';
import { initialState, type State } from '../../src/domain/state/state.js';

export const EXECUTION = 'execution-1';
export const NOON = 1_700_000_000_000;

export type StepInit = Partial<StepDefinition> & { id: string };

/** Kinds of steps that have no agent. */
const NO_AGENT = ['approval', 'wait', 'signal', 'choice', 'llm', 'map', 'orchestration', 'route'] as const;

/** A step with an agent and a name, and the fields that a test sets. */
export function step(init: StepInit): StepDefinition {
  return {
    name: init.id.toUpperCase(),
    ...(NO_AGENT.some((kind) => init[kind] !== undefined) ? {} : { agent: 'echo' }),
    ...init,
  };
}

export function config(
  strategy: OrchestrationDefinition['strategy'],
  steps: readonly StepInit[],
  rest: Partial<OrchestrationDefinition> & { consensus_groups?: ConsensusGroup[] } = {},
): OrchestrationDefinition {
  return { name: 'test', strategy, steps: steps.map(step), ...rest };
}

export function failure(code: string, retryable = true): Failure {
  return { code, message: `${code} happened`, retryable };
}

export function event<T extends EventType>(type: T, data: EventData[T]): DomainEvent {
  return { type, data } as DomainEvent;
}

let nextId = 0;

/** A unique id of an outside command. */
export function freshId(): string {
  nextId += 1;
  return `0190-${nextId}`;
}

export const PRINCIPAL = { tenantId: 'default', userId: 'alice', role: 'operator', keyId: 'key-1' } as const;

type Input<C> = C extends Command ? Omit<C, 'id' | 'at' | 'seed'> & Partial<Pick<C, 'id' | 'at' | 'seed'>> : never;

export function startCommand(input: JsonValue | undefined, more: Record<string, unknown> = {}): Input<Command> {
  return {
    type: 'StartExecution',
    executionId: EXECUTION,
    principal: PRINCIPAL,
    start: {
      configId: 'config-1',
      configVersion: 1,
      traceId: 'ab'.repeat(16),
      ...(input === undefined ? {} : { input }),
      ...more,
    },
  };
}

/** One event as a line, for tests with longer stories. */
export function told({ type, data }: DomainEvent): string {
  const all = data as { stepId?: string; groupId?: string; attempt?: number; handling?: string; key?: string };
  const words: (string | undefined)[] = [type, all.stepId ?? all.groupId ?? all.key];
  switch (type) {
    case 'StepScheduled':
    case 'StepCompleted':
      words.push(`#${data.attempt}`);
      break;
    case 'StepAttemptFailed':
      words.push(
        `#${data.attempt}`,
        data.failure.code,
        data.retryAt === undefined ? 'final' : `+${data.retryAt - NOON}`,
      );
      break;
    case 'StepFailed':
    case 'ConsensusFailed':
      words.push(data.failure.code, data.handling, data.fallbackStepId);
      break;
    case 'ApprovalDecided':
      words.push(data.approved ? 'approved' : 'rejected', data.timedOut === true ? 'by time' : data.by);
      break;
    case 'StepSkipped':
      words.push(data.reason);
      break;
    case 'ExecutionFailed':
      words.push(data.failure.code);
      break;
    case 'ConsensusReached':
      words.push(
        data.decidedBy,
        data.winners.join('+'),
        data.dissent.length > 0 ? `not ${data.dissent.join('+')}` : undefined,
      );
      break;
    default:
      break;
  }
  return words.filter((word) => word !== undefined).join(' ');
}

/** Builds an execution: given events, when commands, then events. */
export class Scenario {
  state: State;
  now = NOON;
  readonly events: Event[] = [];
  /** The events of the last command, as lines. */
  last: string[] = [];
  lastEvents: readonly DomainEvent[] = [];
  outcome: Outcome | undefined;
  rejected: Rejection | undefined;

  constructor(definition: OrchestrationDefinition) {
    this.state = initialState(compile(definition));
  }

  given(...events: DomainEvent[]): this {
    for (const each of events) {
      this.#append(each, 'given-1', this.now);
    }
    return this;
  }

  #append({ type, data }: DomainEvent, commandId: string, at: number): void {
    const envelope = {
      executionId: EXECUTION,
      version: this.state.version + 1,
      at,
      commandId,
      partition: 3,
      position: 0,
    };
    const full = { ...envelope, type, data } as Event;
    this.events.push(full);
    this.state = evolve(this.state, full);
  }

  when(input: Input<Command>): this {
    const command = { id: freshId(), at: this.now, seed: 42, ...input } as Command;
    const decision: Decision = decide(command, this.state);
    if ('rejected' in decision) {
      this.rejected = decision.rejected;
      this.outcome = undefined;
      this.lastEvents = [];
      this.last = [];
      return this;
    }
    this.rejected = undefined;
    this.outcome = decision.outcome;
    this.lastEvents = decision.accepted;
    this.last = decision.accepted.map(told);
    for (const each of decision.accepted) {
      this.#append(each, command.id, command.at);
    }
    return this;
  }

  start(input?: JsonValue, more: Record<string, unknown> = {}): this {
    return this.when(startCommand(input, more));
  }

  /** The agent answers the running attempt (or the given one). */
  ok(stepId: string, output: JsonValue = { from: stepId }, attempt = this.attempt(stepId)): this {
    return this.when({
      type: 'RecordResult',
      id: commandIds.result(stepId, attempt),
      result: { executionId: EXECUTION, stepId, attempt, ok: true, output, startedAt: this.now, finishedAt: this.now },
    });
  }

  fails(stepId: string, why: Failure = failure('broken', false), attempt = this.attempt(stepId)): this {
    return this.when({
      type: 'RecordResult',
      id: commandIds.result(stepId, attempt),
      result: {
        executionId: EXECUTION,
        stepId,
        attempt,
        ok: false,
        failure: why,
        startedAt: this.now,
        finishedAt: this.now,
      },
    });
  }

  approves(stepId: string, more: { by?: string; comment?: string; data?: JsonValue; id?: string } = {}): this {
    return this.when({ type: 'DecideApproval', stepId, approved: true, by: 'alice', ...more });
  }

  rejects(stepId: string, more: { by?: string; comment?: string; data?: JsonValue; id?: string } = {}): this {
    return this.when({ type: 'DecideApproval', stepId, approved: false, by: 'alice', ...more });
  }

  signals(name: string, payload?: JsonValue, by = 'alice'): this {
    return this.when({ type: 'SendSignal', name, by, ...(payload === undefined ? {} : { payload }) });
  }

  evaluated(key: string, ...values: JsonValue[]): this {
    return this.when({ type: 'RecordEvaluation', id: commandIds.evaluation(key), key, values });
  }

  evaluationFails(key: string): this {
    const why = { code: 'expression_failed', message: `${key} at position 3`, retryable: false };
    return this.when({ type: 'RecordEvaluation', id: commandIds.evaluation(key), key, failure: why });
  }

  wakes(after = 0): this {
    this.now += after;
    return this.when({ type: 'Wake', id: commandIds.wake });
  }

  attempt(stepId: string): number {
    const index = this.state.config.unitIndex.get(stepId);
    return index === undefined ? 1 : (this.state.units.get(index)?.attempt ?? 0);
  }

  get status(): string {
    return this.state.status;
  }

  get effects(): Effect[] {
    return this.lastEvents.flatMap((each, index) => {
      const full = this.events[this.events.length - this.lastEvents.length + index];
      return full === undefined || full.type !== each.type ? [] : effectsOf(full, this.state);
    });
  }

  get wanted(): Effect[] {
    return wantedEffects(this.state);
  }
}

export function scenario(definition: OrchestrationDefinition): Scenario {
  return new Scenario(definition);
}
