import type { Event, StopAttempts, StreamMessage } from '@batuta/contracts';
import { storableJson } from '@batuta/event-store';
import {
  effectsOf,
  hasEffects,
  isAskWanted,
  isAttemptWanted,
  isPlaceWanted,
  isTerminal,
  placeAskedFor,
  wantedEffects,
} from '../../domain/index.js';
import type { AskEndEffect, AskPlaceEffect, Effect, State } from '../../domain/index.js';
import { AgentCache } from '../dispatch/agent-cache.js';
import type { ChildEffects } from './child-effects.js';
import type { ConfigRegistry } from '../ports/config-registry.js';
import type { ExecutionChanges } from '../lane/batch.js';
import type { EngineCounters } from '../ports/counters.js';
import { Dispatches } from '../dispatch/dispatches.js';
import type { Dispatch, Undispatched } from '../dispatch/dispatches.js';
import type { Input } from '../lane/inputs.js';
import type { StreamSender } from './stream-sender.js';
import type { EffectTicket, HotExecution, Partition } from '../lane/partition.js';
import type { Bus, Clock, ConfigService, EngineLog, Evaluator, TaskTokens } from '../ports/ports.js';
import { publishEvents } from './publish-events.js';
import { recordOutcome } from '../lane/recorded-outcome.js';
import type { Outcome } from '../lane/recorded-outcome.js';

interface EffectParts {
  readonly clock: Clock;
  readonly bus: Bus;
  /** Undefined: tasks have no tokens. */
  readonly tokens?: TaskTokens | undefined;
  readonly configs: ConfigService;
  readonly registry: Pick<ConfigRegistry, 'keep'>;
  readonly evaluator: Evaluator;
  readonly sender: Pick<StreamSender, 'tell' | 'pause'>;
  readonly children: ChildEffects;
  readonly log: EngineLog;
  readonly counters: EngineCounters;
  /** Passes an input to the execution's partition. */
  readonly submit: (partition: Partition, input: Input) => void;
  /** Whether spans of a trace are recorded. Default: as the caller of the start decides. */
  readonly sampled?: (traceId: string) => boolean;
}

type Evaluate = Extract<Effect, { type: 'evaluate' }>;
type Send = Extract<Effect, { type: 'send' }>;

const RETRY_FIRST_MS = 100;
const LIMITER_PAUSE_MS = 1_000;

/**
 * Performs the effects of commits, in this one place only. Every effect may be performed twice. Tickets track effects
 * that must be performed, so that the next owner knows where to begin after a takeover.
 */
export class EffectPerformer {
  readonly #parts: EffectParts;
  readonly agents: AgentCache;
  readonly #dispatches: Dispatches;

  constructor(parts: EffectParts) {
    this.#parts = parts;
    this.agents = new AgentCache(parts.configs);
    const { clock, bus, tokens, registry, evaluator, log, counters, sampled } = parts;
    this.#dispatches = new Dispatches({
      clock,
      bus,
      tokens,
      agents: this.agents,
      registry,
      evaluator,
      log,
      counters,
      sampled,
      done: (execution, ticket) => this.#done(execution, ticket),
      becomeEvent: (execution, ticket, inputOf) => this.#becomeEvent(execution, ticket, inputOf),
    });
  }

  /** How many dispatches wait for another try. */
  get retrying(): number {
    return this.#dispatches.retrying;
  }

  get undispatched(): Undispatched {
    return this.#dispatches.undispatched;
  }

  /** Publishes the events of one execution in a commit, and performs their effects. */
  committed(changes: ExecutionChanges, ticket: EffectTicket): void {
    const { execution, state, events } = changes;
    if (events.length === 0) return;
    const { partition } = execution;
    publishEvents(this.#parts.bus, changes);
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
      this.#perform(execution, state, effect, own, undefined, this.#dispatches.again(), true);
    }
    execution.partition.close(own);
  }

  /** Dispatches an attempt again, because neither the queue nor a runner has its task any more. */
  dispatchAgain(execution: HotExecution, stepId: string, attempt: number, lostRunners = 0): void {
    const state = execution.committed;
    if (state === undefined || !isAttemptWanted(state, stepId, attempt)) return;
    const ticket = execution.partition.openTicket(execution.partition.effectsDone);
    const effect: Dispatch = { type: 'dispatch', stepId, attempt, lostRunners };
    this.#perform(execution, state, effect, ticket, undefined, this.#dispatches.again(), true);
    execution.partition.close(ticket);
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
        return this.#dispatches.begin(execution, state, effect, ticket, dispatch, again);
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
      case 'askPlace':
        ticket.open += 1;
        execution.pendingEffects += 1;
        void this.#askPlace(execution, effect).then(() => this.#doneElsewhere(execution, ticket));
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

  /** Asks a limiter for a place, until it has answered. */
  async #askPlace(execution: HotExecution, effect: AskPlaceEffect): Promise<void> {
    const { partition, id } = execution;
    const { limiterId, order } = effect;
    const wanted = (): boolean => {
      const { committed } = execution;
      return partition.owned && committed !== undefined && isPlaceWanted(committed, effect);
    };
    const asked = execution.committed === undefined ? undefined : placeAskedFor(execution.committed);
    // The place may belong to a later run by now.
    if (asked?.order !== order) return;
    const message: StreamMessage = { streamId: limiterId, messageId: `${id}/${order}`, from: id, acquire: asked };
    while (wanted()) {
      const reply = await this.#parts.sender.tell(message, wanted);
      const place = reply?.place;
      if (reply !== undefined && place === undefined) {
        // An owner of an earlier version knows no limiters.
        await this.#parts.sender.pause(LIMITER_PAUSE_MS);
        continue;
      }
      if (place === undefined) return;
      return new Promise<void>((done) => {
        recordOutcome(this.#parts, partition, {
          wanted,
          inputOf: (settled) => ({ kind: 'place_answer', executionId: id, limiterId, order, place, settled }),
          done,
        });
      });
    }
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
