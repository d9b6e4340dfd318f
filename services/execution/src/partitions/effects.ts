import { DEFAULT_POOL, BUILT_IN_AGENTS, FAILURE_CODES, LIMITS, subjects } from '@batuta/contracts';
import type { Event, JsonValue, Priority, StopAttempts, StreamMessage, Task } from '@batuta/contracts';
import { storableJson } from '@batuta/event-store';
import type { AgentCopy, AgentModelCopy } from '@batuta/event-store';
import { spanIds, traceparentOf } from '@batuta/observability';
import {
  effectsOf,
  hasEffects,
  isAskWanted,
  isAttemptWanted,
  isPlainResult,
  isTerminal,
  jsonLength,
  priorityOf,
  taskOf,
  wantedEffects,
} from '../domain/index.js';
import type { AskEndEffect, Effect, State } from '../domain/index.js';
import type { ChildEffects } from './child-effects.js';
import type { ConfigRegistry } from './config-registry.js';
import type { ExecutionChanges } from './batch.js';
import type { EngineCounters } from './counters.js';
import type { Input } from './inputs.js';
import type { StreamSender } from './stream-sender.js';
import { misfit } from './misfit.js';
import type { EffectTicket, HotExecution, Partition } from './partition.js';
import type {
  Bus,
  Clock,
  ConfigService,
  EngineLog,
  Evaluator,
  OutgoingTask,
  PublishOutcome,
  TaskTokens,
} from './ports.js';
import { recordOutcome } from './recorded-outcome.js';
import type { Outcome } from './recorded-outcome.js';

export interface EffectParts {
  readonly clock: Clock;
  readonly bus: Bus;
  /** Undefined: tasks have no tokens. */
  readonly tokens?: TaskTokens | undefined;
  readonly configs: ConfigService;
  readonly registry: Pick<ConfigRegistry, 'keep'>;
  readonly evaluator: Evaluator;
  readonly sender: Pick<StreamSender, 'tell'>;
  readonly children: ChildEffects;
  readonly log: EngineLog;
  readonly counters: EngineCounters;
  /** Passes an input to the execution's partition. */
  readonly submit: (partition: Partition, input: Input) => void;
  /** Whether spans of a trace are recorded. Default: as the caller of the start decides. */
  readonly sampled?: (traceId: string) => boolean;
}

type Dispatch = Extract<Effect, { type: 'dispatch' }> & { readonly lostRunners?: number };
type Evaluate = Extract<Effect, { type: 'evaluate' }>;
type Send = Extract<Effect, { type: 'send' }>;

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
const TRACE_ID = /^[0-9a-f]{32}$/;
/** Approximate characters of a task besides its input. */
const SCALARS_LENGTH = 500;
const BUILT_IN = new Set<string>(BUILT_IN_AGENTS);
const BUILT_IN_AGENT: AgentCopy = { pool: DEFAULT_POOL };

/** The subject of an attempt's task in the work queue. */
export function taskSubject(state: State, stepId: string, pool: string): string | undefined {
  const unit = state.config.units[state.config.unitIndex.get(stepId) ?? -1];
  if (unit === undefined) return undefined;
  return subjects.step(pool, priorityOf(state), unit.agent, state.executionId, stepId);
}

/** A task for the bus. The parts that only the work queue needs are built when the task goes there. */
class StepTask implements OutgoingTask {
  readonly #execution: HotExecution;
  readonly length: number;

  constructor(
    readonly task: Task,
    readonly attemptKey: string,
    readonly pool: string,
    readonly priority: Priority,
    readonly again: boolean,
    readonly lostRunners: number,
    execution: HotExecution,
  ) {
    this.#execution = execution;
    this.length = SCALARS_LENGTH + jsonLength(task.input);
  }

  isWanted(): boolean {
    const { committed, partition } = this.#execution;
    if (!partition.owned) return false;
    // The execution was evicted meanwhile. The runner asks before it begins.
    if (committed === undefined) return !partition.endedLately(this.task.executionId);
    return isAttemptWanted(committed, this.task.stepId, this.task.attempt);
  }

  get subject(): string {
    const { agent, executionId, stepId } = this.task;
    return subjects.step(this.pool, this.priority, agent, executionId, stepId);
  }

  get messageId(): string {
    return `${this.attemptKey}/${this.task.dispatch}`;
  }
}

/**
 * Performs the effects of commits, in this one place only. Every effect may be performed twice. Tickets track effects
 * that must be performed, so that the next owner knows where to begin after a takeover.
 */
export class EffectPerformer {
  readonly #parts: EffectParts;
  #agents = new Map<string, AgentCopy>();
  #lookUps = new Map<string, Promise<AgentCopy | undefined>>();
  #nextDispatch = 1;
  #retries = 0;
  /** By attempt, in the order of the first failure. */
  readonly #undispatched = new Map<string, Sending>();

  constructor(parts: EffectParts) {
    this.#parts = parts;
  }

  /** How many effects wait for another try. */
  get retrying(): number {
    return this.#retries;
  }

  get undispatched(): Undispatched {
    const [oldest] = this.#undispatched.values();
    const now = this.#parts.clock.elapsed();
    return { tasks: this.#undispatched.size, oldestMs: now - (oldest?.failedSince ?? now) };
  }

  /** Forgets cached agents, because they may have another pool or other schemas. */
  forgetPools(): void {
    // New maps, so that an answer to an earlier request is not cached after the change.
    this.#agents = new Map();
    this.#lookUps = new Map();
  }

  /** Publishes the events of one execution in a commit, and performs their effects. */
  committed(changes: ExecutionChanges, ticket: EffectTicket): void {
    const { execution, state, events } = changes;
    if (events.length === 0) return;
    const { partition } = execution;
    this.#publish(changes);
    for (const { event, stored, position } of events) {
      if (!hasEffects(event.type)) continue;
      const full = {
        executionId: stored.executionId,
        version: stored.version,
        type: event.type,
        at: stored.at,
        commandId: stored.commandId,
        position,
        partition: partition.id,
        data: event.data,
      } as Event;
      for (const effect of effectsOf(full, state)) this.#perform(execution, state, effect, ticket, full, 1, false);
    }
  }

  /**
   * Performs every effect again that an execution still wants: after a takeover, or when the queue lost its content.
   * The tasks say that they may have been run before.
   */
  redo(execution: HotExecution, ticket: EffectTicket | undefined): void {
    const state = execution.committed;
    if (state === undefined) return;
    const own = ticket ?? execution.partition.openTicket(execution.partition.effectsDone);
    if (ticket !== undefined) own.open += 1;
    for (const effect of wantedEffects(state)) {
      this.#perform(execution, state, effect, own, undefined, this.#again(), true);
    }
    execution.partition.close(own);
  }

  /** Dispatches an attempt again, because neither the queue nor a runner has its task any more. */
  dispatchAgain(execution: HotExecution, stepId: string, attempt: number, lostRunners = 0): void {
    const state = execution.committed;
    if (state === undefined || !isAttemptWanted(state, stepId, attempt)) return;
    const ticket = execution.partition.openTicket(execution.partition.effectsDone);
    const effect: Dispatch = { type: 'dispatch', stepId, attempt, lostRunners };
    this.#perform(execution, state, effect, ticket, undefined, this.#again(), true);
    execution.partition.close(ticket);
  }

  /** The pool that serves an agent. Undefined when no pool does. Throws when it is unknown now. */
  async pool(tenantId: string, agent: string): Promise<string | undefined> {
    return (await this.agent(tenantId, agent))?.pool || undefined;
  }

  /** The cached agent. Undefined when it must be looked up. */
  known(tenantId: string, agent: string): AgentCopy | undefined {
    return BUILT_IN.has(agent) ? BUILT_IN_AGENT : this.#agents.get(`${tenantId}/${agent}`);
  }

  /** An agent. Undefined when the tenant has no such agent. Throws when it is unknown now. */
  async agent(tenantId: string, agent: string): Promise<AgentCopy | undefined> {
    const known = this.known(tenantId, agent);
    if (known !== undefined) return known;
    const key = `${tenantId}/${agent}`;
    const asked = this.#lookUps.get(key);
    if (asked !== undefined) return asked;
    const agents = this.#agents;
    const lookUps = this.#lookUps;
    const lookUp = this.#parts.configs
      .agent(tenantId, agent)
      .then((found) => {
        if ('unavailable' in found) throw new Error(found.unavailable);
        if (found.agent !== undefined) agents.set(key, found.agent);
        return found.agent;
      })
      .finally(() => lookUps.delete(key));
    lookUps.set(key, lookUp);
    return lookUp;
  }

  /** A number that no earlier dispatch of this attempt had, so that the queue does not treat it as a repeat. */
  #again(): number {
    this.#nextDispatch += 1;
    // Time separates the numbers of different owners. Steps of two seconds in 31 bits last until after 2080.
    return 2 + ((Math.floor(this.#parts.clock.now() / 1_000) + this.#nextDispatch) % 2_000_000_000);
  }

  #publish({ execution, state, events }: ExecutionChanges): void {
    const { bus } = this.#parts;
    const followed = bus.followed?.(execution.id) !== false && state.config.monitored;
    const endSubject = isTerminal(state.status) ? execution.endSubject : undefined;
    // Most commits are of an execution that nobody follows and that goes on.
    if (!followed && endSubject === undefined) return;
    const tenantId = state.started?.tenantId ?? '';
    const id = JSON.stringify(execution.id);
    const plain = isPlainResult(state) ? ',"plainResult":true' : '';
    const envelope = (some: typeof events, without: boolean): string => {
      const items = some.map(
        ({ stored, position }) =>
          `{"executionId":${id},"version":${stored.version},"type":"${stored.type}","at":${stored.at},"commandId":${JSON.stringify(stored.commandId)},"position":${position},"partition":${stored.partition},"data":${without ? '{}' : stored.data}}`,
      );
      return `{"executionId":${id},"tenantId":${JSON.stringify(tenantId)},"events":[${items.join(',')}]${without ? ',"withoutPayload":true' : ''}${plain}}`;
    };
    if (followed) bus.publishEvents(tenantId, execution.id, fitting(envelope, events));
    if (endSubject !== undefined) {
      execution.endSubject = undefined;
      bus.publishEnd?.(endSubject, fitting(envelope, events.slice(-1)));
    }
  }

  #perform(
    execution: HotExecution,
    state: State,
    effect: Exclude<Effect, { type: 'dispatch' }> | Dispatch,
    ticket: EffectTicket,
    event: Event | undefined,
    dispatch: number,
    again: boolean,
  ): void {
    switch (effect.type) {
      case 'dispatch':
        // It is being retried already. While the queue refuses tasks, a second attempt must not start.
        if (again && this.#undispatched.get(keyOf(execution, effect))?.execution === execution) return;
        ticket.open += 1;
        execution.pendingEffects += 1;
        this.#dispatch(
          { execution, effect, ticket, dispatch, again, tried: 1, fits: undefined, failedSince: undefined },
          state,
        );
        return;
      case 'evaluate':
        ticket.open += 1;
        execution.pendingEffects += 1;
        void this.#evaluate(execution, effect, ticket);
        return;
      case 'stopAttempts': {
        const stop: StopAttempts = { attempts: [...effect.attempts] };
        this.#parts.bus.publishStop(JSON.stringify(stop));
        return;
      }
      case 'lifecycle': {
        this.#parts.bus.publishLifecycle({
          executionId: execution.id,
          tenantId: state.started?.tenantId ?? '',
          type: effect.event,
          partition: execution.partition.id,
          position: event?.position ?? 0,
        });
        return;
      }
      case 'startChild':
      case 'commandChild':
        ticket.open += 1;
        execution.pendingEffects += 1;
        void this.#parts.children.perform(execution, effect).then(() => this.#doneElsewhere(execution, ticket));
        return;
      case 'askEnd':
        ticket.open += 1;
        execution.pendingEffects += 1;
        void this.#askEnd(execution, effect).then(() => this.#doneElsewhere(execution, ticket));
        return;
      case 'send':
        ticket.open += 1;
        execution.pendingEffects += 1;
        void this.#send(execution, effect, ticket);
        return;
      default:
        return effect satisfies never;
    }
  }

  /** Sends a message to another stream. After the last message about its end, an execution leaves memory. */
  async #send(execution: HotExecution, { to, message }: Send, ticket: EffectTicket): Promise<void> {
    const { partition } = execution;
    const version = execution.committed?.version ?? 0;
    const told: StreamMessage = {
      streamId: to,
      messageId: `${execution.id}/${version}`,
      from: execution.id,
      ...message,
    };
    await this.#parts.sender.tell(told, () => partition.owned);
    this.#doneElsewhere(execution, ticket);
  }

  /** Asks an execution to tell its end. One that is not there, or can remember no more, is asked again later, by an event. */
  async #askEnd(execution: HotExecution, effect: AskEndEffect): Promise<void> {
    const { partition } = execution;
    const { dependencyId, order } = effect;
    const wanted = (): boolean => {
      const { committed } = execution;
      return partition.owned && committed !== undefined && isAskWanted(committed, effect);
    };
    const tenantId = execution.committed?.started?.tenantId ?? '';
    const reply = await this.#parts.sender.tell(
      { streamId: dependencyId, messageId: `${execution.id}/${order}`, from: execution.id, askEnd: { tenantId } },
      wanted,
    );
    const ended = reply?.ended;
    if (ended === undefined && reply?.outcome !== 'recorded') return;
    await new Promise<void>((done) => {
      recordOutcome(this.#parts, partition, {
        wanted,
        inputOf: (settled) => ({
          kind: 'dependency_answer',
          executionId: execution.id,
          dependencyId,
          order,
          ended,
          settled,
        }),
        done,
      });
    });
  }

  /** Another stream has been told. An ended execution leaves memory after the last such message. */
  #doneElsewhere(execution: HotExecution, ticket: EffectTicket): void {
    const { partition } = execution;
    this.#done(execution, ticket);
    const { committed } = execution;
    if (partition.owned && execution.idle && committed !== undefined && isTerminal(committed.status)) {
      partition.forgetEnded(execution);
    }
  }

  #done(execution: HotExecution, ticket: EffectTicket): void {
    execution.pendingEffects -= 1;
    execution.partition.close(ticket);
  }

  #dispatch(sending: Sending, state: State): void {
    const { execution, effect, dispatch, again } = sending;
    const { stepId, attempt } = effect;
    const tenantId = state.started?.tenantId ?? '';
    const unit = state.config.units[state.config.unitIndex.get(stepId) ?? -1];
    if (unit === undefined) return this.#sent(sending);
    const agent = this.known(tenantId, unit.agent);
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
    this.#becomeEvent(execution, ticket, (settled) => ({
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
    this.#done(sending.execution, sending.ticket);
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
      if ((await this.agent(tenantId, agent)) === undefined) {
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
    this.#becomeEvent(execution, ticket, (settled) => ({
      kind: 'failed_effect',
      executionId: execution.id,
      stepId: effect.stepId,
      attempt: effect.attempt,
      failure: { code, message, retryable: false },
      settled,
    }));
  }

  async #evaluate(execution: HotExecution, effect: Evaluate, ticket: EffectTicket): Promise<void> {
    const { expressions, context: scope } = effect;
    const tenantId = execution.committed?.started?.tenantId ?? '';
    const outcome = await this.#parts.evaluator.evaluate({ tenantId, expressions, scope });
    if ('unavailable' in outcome) {
      // An overloaded sandbox is not an outcome of the user's expression, so it waits.
      const fields = { reason: outcome.unavailable, ...execution.named, key: effect.key };
      this.#parts.log.warn(fields, 'an expression cannot be evaluated now');
      if (!execution.partition.owned) return this.#done(execution, ticket);
      this.#parts.clock.after(RETRY_FIRST_MS, () => void this.#evaluate(execution, effect, ticket));
      return;
    }
    this.#becomeEvent(execution, ticket, (settled) => ({
      kind: 'evaluation',
      executionId: execution.id,
      key: effect.key,
      values: 'values' in outcome ? storableJson([...outcome.values]) : undefined,
      failure:
        'failure' in outcome ? { ...outcome.failure, message: storableJson(outcome.failure.message) } : undefined,
      settled,
    }));
  }

  #becomeEvent(execution: HotExecution, ticket: EffectTicket, inputOf: Outcome['inputOf']): void {
    const { partition } = execution;
    const done = (): void => this.#done(execution, ticket);
    recordOutcome(this.#parts, partition, { wanted: () => partition.owned, inputOf, done });
  }
}

function keyOf(execution: HotExecution, { stepId, attempt }: Dispatch): string {
  return `${execution.id}/${stepId}/${attempt}`;
}

/** The message with its payloads, or without them when it would exceed the limit of such messages. */
function fitting<T>(envelope: (events: T, without: boolean) => string, events: T): string {
  const text = envelope(events, false);
  // A character has at most three bytes, so counting is needed only above a third of the limit.
  const large = text.length * 3 > LIMITS.publishedEventBytes && Buffer.byteLength(text) > LIMITS.publishedEventBytes;
  return large ? envelope(events, true) : text;
}

/**
 * The attempt's W3C trace context: the execution's trace, the span of the attempt's run, and whether it is recorded.
 */
function taskTraceparent(
  state: State,
  stepId: string,
  attempt: number,
  sampled: EffectParts['sampled'],
): string | undefined {
  const { started } = state;
  if (started === undefined || !TRACE_ID.test(started.traceId)) return undefined;
  const recorded = sampled === undefined ? started.traceparent?.endsWith('-01') === true : sampled(started.traceId);
  return traceparentOf(started.traceId, spanIds.run(stepId, attempt), recorded);
}
