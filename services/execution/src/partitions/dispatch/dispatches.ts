import { FAILURE_CODES } from '@batuta/contracts';
import type { JsonValue, Task } from '@batuta/contracts';
import { storableJson } from '@batuta/event-store';
import type { AgentCopy, AgentModelCopy } from '../../store/port.js';
import { isAttemptWanted, priorityOf, taskOf } from '../../domain/index.js';
import type { Effect, State } from '../../domain/index.js';
import type { AgentCache } from './agent-cache.js';
import type { ConfigRegistry } from '../ports/config-registry.js';
import type { EngineCounters } from '../ports/counters.js';
import { misfit } from '../lane/misfit.js';
import type { EffectTicket, HotExecution } from '../lane/partition.js';
import type { Bus, Clock, EngineLog, Evaluator, PublishOutcome, TaskTokens } from '../ports/ports.js';
import type { Outcome } from '../lane/recorded-outcome.js';
import { StepTask, taskTraceparent } from './step-task.js';

export type Dispatch = Extract<Effect, { type: 'dispatch' }> & { readonly lostRunners?: number };

interface DispatchesParts {
  readonly clock: Clock;
  readonly bus: Bus;
  readonly tokens?: TaskTokens | undefined;
  readonly agents: AgentCache;
  readonly registry: Pick<ConfigRegistry, 'keep'>;
  readonly evaluator: Evaluator;
  readonly log: EngineLog;
  readonly counters: EngineCounters;
  readonly sampled?: ((traceId: string) => boolean) | undefined;
  /** The effect is done. */
  readonly done: (execution: HotExecution, ticket: EffectTicket) => void;
  /** The effect is done when this input is committed. */
  readonly becomeEvent: (execution: HotExecution, ticket: EffectTicket, inputOf: Outcome['inputOf']) => void;
}

/** A dispatch that is being sent to the queue or a runner. */
interface Sending {
  readonly execution: HotExecution;
  readonly effect: Dispatch;
  readonly ticket: EffectTicket;
  readonly dispatch: number;
  /** Whether it may have been performed before. */
  readonly again: boolean;
  tried: number;
  /** The agent whose input_schema has accepted its input. */
  fits: AgentCopy | undefined;
  /** Since when it has failed, by the clock's elapsed time. Undefined during the first try. */
  failedSince: number | undefined;
}

/** Committed tasks that neither the queue nor a runner has accepted. */
export interface Undispatched {
  readonly tasks: number;
  /** 0 when there are none. */
  readonly oldestMs: number;
}

const RETRY_FIRST_MS = 100;
const RETRY_LONGEST_MS = 2_000;

/**
 * Brings the tasks of attempts to workers: finds the agent, checks the input against its schema, and tries again when
 * neither the queue nor a runner accepts the task.
 */
export class Dispatches {
  readonly #parts: DispatchesParts;
  #nextDispatch = 1;
  #retries = 0;
  /** By attempt, in the order of the first failure. */
  readonly #undispatched = new Map<string, Sending>();

  constructor(parts: DispatchesParts) {
    this.#parts = parts;
  }

  /** How many dispatches wait for another try. */
  get retrying(): number {
    return this.#retries;
  }

  get undispatched(): Undispatched {
    const [oldest] = this.#undispatched.values();
    const now = this.#parts.clock.elapsed();
    return { tasks: this.#undispatched.size, oldestMs: now - (oldest?.failedSince ?? now) };
  }

  /** A number that no earlier dispatch of this attempt had, so that the queue does not treat it as a repeat. */
  again(): number {
    this.#nextDispatch += 1;
    // Time separates the numbers of different owners. Steps of two seconds in 31 bits last until after 2080.
    return 2 + ((Math.floor(this.#parts.clock.now() / 1_000) + this.#nextDispatch) % 2_000_000_000);
  }

  /** `again`: it may have been dispatched before. Then one that is being tried again already goes on alone. */
  begin(
    execution: HotExecution,
    state: State,
    effect: Dispatch,
    ticket: EffectTicket,
    dispatch: number,
    again: boolean,
  ): void {
    // While the queue refuses tasks, a second attempt must not start.
    if (again && this.#undispatched.get(keyOf(execution, effect))?.execution === execution) return;
    ticket.open += 1;
    execution.pendingEffects += 1;
    this.#dispatch(
      { execution, effect, ticket, dispatch, again, tried: 1, fits: undefined, failedSince: undefined },
      state,
    );
  }

  #dispatch(sending: Sending, state: State): void {
    const { execution, effect, dispatch, again } = sending;
    const { stepId, attempt } = effect;
    const tenantId = state.started?.tenantId ?? '';
    const unit = state.config.units[state.config.unitIndex.get(stepId) ?? -1];
    if (unit === undefined) return this.#sent(sending);
    const agent = this.#parts.agents.known(tenantId, unit.agent);
    if (agent === undefined) {
      void this.#findAgent(sending, tenantId, unit.agent);
      return;
    }
    const task = taskOf(state, stepId, { partition: execution.partition.id, dispatch, checkFirst: again });
    if (task === undefined) return this.#sent(sending);
    if (agent.inputSchema !== undefined && sending.fits !== agent) {
      void this.#checkInput(sending, agent, agent.inputSchema, task);
      return;
    }
    if (agent.model !== undefined) {
      void this.#delegate(sending, tenantId, agent.model);
      return;
    }
    const traceparent = taskTraceparent(state, stepId, attempt, this.#parts.sampled);
    if (traceparent !== undefined) task.traceparent = traceparent;
    const { lostRunners = 0 } = effect;
    if (lostRunners > 0) task.lostRunners = lostRunners;
    const attemptKey = `${execution.id}/${stepId}/${attempt}`;
    const token = this.#parts.tokens?.of(attemptKey);
    if (token !== undefined) task.token = token;
    this.#parts.counters.dispatches += 1;
    if (again) this.#parts.counters.redispatches += 1;
    this.#parts.bus.publishTask(
      new StepTask(task, attemptKey, agent.pool, priorityOf(state), again, lostRunners, execution),
      (outcome) => this.#published(sending, outcome),
    );
  }

  /** An agent that is made of a model works in an execution of its own. Its config has to be there before that starts. */
  async #delegate(sending: Sending, tenantId: string, model: AgentModelCopy): Promise<void> {
    const { execution, effect, ticket } = sending;
    const { configId, revision, definition } = model;
    try {
      await this.#parts.registry.keep(configId, revision, tenantId, definition);
    } catch (error) {
      this.#parts.log.warn({ err: error, ...execution.named }, 'the config of an agent cannot be kept now');
      return this.#later(sending);
    }
    this.#forgetFailed(sending);
    this.#parts.becomeEvent(execution, ticket, (settled) => ({
      kind: 'delegated',
      executionId: execution.id,
      stepId: effect.stepId,
      attempt: effect.attempt,
      configId,
      version: revision,
      settled,
    }));
  }

  #published(sending: Sending, outcome: PublishOutcome): void {
    const { bus, log } = this.#parts;
    switch (outcome) {
      case 'stored':
      case 'put_aside':
        return this.#sent(sending);
      case 'too_large':
        return this.#fail(sending, FAILURE_CODES.inputTooLarge, 'the task is larger than a message may be');
      case 'stream_missing':
        void bus
          .ensureStreams()
          .catch((error: unknown) => log.warn({ err: error }, 'the tasks’ stream cannot be made'))
          .then(() => this.#later(sending));
        return;
      case 'retry':
        return this.#later(sending);
    }
  }

  /** A dispatch is finished. */
  #sent(sending: Sending): void {
    this.#forgetFailed(sending);
    this.#parts.done(sending.execution, sending.ticket);
  }

  #forgetFailed(sending: Sending): void {
    if (sending.failedSince === undefined) return;
    const key = keyOf(sending.execution, sending.effect);
    if (this.#undispatched.get(key) === sending) this.#undispatched.delete(key);
  }

  /** Tries a dispatch again later, if it is still wanted and the partition is still owned. */
  #later(sending: Sending): void {
    const wait = Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** Math.min(sending.tried - 1, 10));
    this.#retries += 1;
    if (sending.failedSince === undefined) {
      sending.failedSince = this.#parts.clock.elapsed();
      this.#undispatched.set(keyOf(sending.execution, sending.effect), sending);
    }
    this.#parts.clock.after(wait, () => {
      this.#retries -= 1;
      sending.tried += 1;
      this.#goOn(sending);
    });
  }

  async #findAgent(sending: Sending, tenantId: string, agent: string): Promise<void> {
    try {
      if ((await this.#parts.agents.agent(tenantId, agent)) === undefined) {
        return this.#fail(sending, FAILURE_CODES.agentUnknown, `no pool of workers serves the agent "${agent}"`);
      }
    } catch (error) {
      this.#parts.log.warn({ err: error, ...sending.execution.named, agent }, 'an agent cannot be looked up now');
      return this.#later(sending);
    }
    this.#goOn(sending);
  }

  /** Checks the input of an attempt against its agent's input_schema. */
  async #checkInput(sending: Sending, agent: AgentCopy, schema: JsonValue, task: Task): Promise<void> {
    const outcome = await this.#parts.evaluator.validate({
      tenantId: task.tenantId ?? '',
      schema,
      value: task.input ?? null,
    });
    if ('unavailable' in outcome) {
      const fields = { reason: outcome.unavailable, ...sending.execution.named, agent: task.agent };
      this.#parts.log.warn(fields, 'an input cannot be checked now');
      return this.#later(sending);
    }
    const problem = misfit('input', task.agent, outcome);
    if (problem !== undefined) return this.#fail(sending, FAILURE_CODES.inputInvalid, storableJson(problem));
    sending.fits = agent;
    this.#goOn(sending);
  }

  /** Continues a dispatch that had to wait, if it is still wanted. */
  #goOn(sending: Sending): void {
    const { execution, effect } = sending;
    const state = execution.committed;
    const wanted = state !== undefined && isAttemptWanted(state, effect.stepId, effect.attempt);
    if (!execution.partition.owned || !wanted) return this.#sent(sending);
    this.#dispatch(sending, state);
  }

  /** An effect that can never succeed becomes an event, so that it does not block the published position. */
  #fail(sending: Sending, code: string, message: string): void {
    const { execution, effect, ticket } = sending;
    this.#forgetFailed(sending);
    this.#parts.becomeEvent(execution, ticket, (settled) => ({
      kind: 'failed_effect',
      executionId: execution.id,
      stepId: effect.stepId,
      attempt: effect.attempt,
      failure: { code, message, retryable: false },
      settled,
    }));
  }
}

function keyOf(execution: HotExecution, { stepId, attempt }: Dispatch): string {
  return `${execution.id}/${stepId}/${attempt}`;
}
