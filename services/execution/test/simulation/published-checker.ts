import { uuidV5 } from '@batuta/contracts';
import type { Event, LimiterStreamEvent, ScheduleStreamEvent } from '@batuta/contracts';
import {
  effectsOf,
  hasEffects,
  isAttemptWanted,
  isTerminal,
  wantedEffects,
  wantedScheduleEffects,
} from '../../src/domain/index.js';
import type { ScheduleState, State } from '../../src/domain/index.js';
import type { LimiterChecker } from './limiter-checker.js';
import { short } from './simulated-store.js';
import type { World } from './world.js';

export interface PublishedParts {
  readonly world: World;
  /** The state of an execution in the log. */
  readonly execution: (id: string) => State | undefined;
  readonly hasCommand: (executionId: string, commandId: string) => boolean;
  readonly schedule: (id: string) => ScheduleState | undefined;
  readonly limiters: Pick<LimiterChecker, 'has' | 'holds' | 'returned'>;
}

interface Asked {
  readonly streamId: string;
  readonly position: number;
  /** What is not done yet. Undefined when it is done or not wanted any more. */
  readonly open: () => string | undefined;
}

/**
 * The next owner reads only the events after the published position. So before the position passes an event, everything
 * that the event requested must be in the log, or not wanted any more. The log does not show dispatches, so a task must
 * have been sent at least once.
 */
export class PublishedChecker {
  readonly #parts: PublishedParts;
  readonly #asked = new Map<number, Map<string, Asked>>();
  readonly #dispatched = new Set<string>();
  /** Executions whose release the network has lost after an answer. */
  readonly lostReleases = new Set<string>();

  constructor(parts: PublishedParts) {
    this.#parts = parts;
  }

  /** A task was sent. */
  dispatched(attemptKey: string): void {
    this.#dispatched.add(attemptKey);
  }

  executionCommitted(event: Event, partition: number): void {
    const { executionId: id } = event;
    this.#askDispatches(event, partition);
    if (event.type === 'EvaluationRequested') {
      const { key } = event.data;
      return this.#ask(partition, `${id} evaluates ${key}`, event, () => {
        const state = this.#parts.execution(id);
        if (state === undefined) return undefined;
        const wanted = wantedEffects(state).some((effect) => effect.type === 'evaluate' && effect.key === key);
        return wanted ? `the evaluation of ${key}` : undefined;
      });
    }
    if (event.type === 'ChildRequested') {
      const { childId, stepId } = event.data;
      return this.#ask(partition, `${id} starts ${childId}`, event, () => {
        const state = this.#parts.execution(id);
        const effects = state === undefined ? [] : wantedEffects(state);
        const wanted = effects.some((effect) => effect.type === 'startChild' && effect.childId === childId);
        return wanted ? `the child of ${stepId}` : undefined;
      });
    }
    const state = this.#parts.execution(id);
    this.#askPlaces(event, partition, state);
    if (state?.waiters !== undefined && isTerminal(state.status)) {
      for (const waiter of state.waiters) this.#askTold(event, partition, waiter);
    }
    const to = state?.started?.endTo;
    if (to === undefined || state === undefined || !isTerminal(state.status)) return;
    this.#ask(partition, `${id} tells its end`, event, () => {
      const now = this.#parts.execution(id);
      if (now === undefined || !isTerminal(now.status)) return undefined;
      const waits = this.#parts.schedule(to)?.running.some(({ executionId }) => executionId === id) === true;
      return waits ? `the message of its end` : undefined;
    });
  }

  /** A request is answered, and a place that is not needed any more is given back. */
  #askPlaces(event: Event, partition: number, state: State | undefined): void {
    const { executionId: id } = event;
    if (event.type === 'PlaceRequested') {
      this.#ask(partition, `${id} asks for a place`, event, () => {
        const now = this.#parts.execution(id);
        const effects = now === undefined ? [] : wantedEffects(now);
        const wanted = effects.some((effect) => effect.type === 'askPlace' && effect.order === event.version);
        return wanted ? 'the request of a place' : undefined;
      });
    }
    const { place } = state ?? {};
    if (state === undefined || !isTerminal(state.status) || place === undefined || !('asked' in place)) return;
    const { limiterId, asked } = place;
    this.#ask(partition, `${id} gives its place back`, event, () => {
      const now = this.#parts.execution(id);
      if (now === undefined || !isTerminal(now.status) || now.deleted !== undefined) return undefined;
      if (this.lostReleases.has(id)) return undefined;
      if (this.#parts.limiters.returned(limiterId, id, asked)) return undefined;
      return this.#parts.limiters.has(limiterId, id, asked) ? 'the return of its place' : undefined;
    });
  }

  limiterCommitted(event: LimiterStreamEvent, partition: number): void {
    if (event.type !== 'PlaceGranted') return;
    const { executionId: id, data } = event;
    const { holder, order } = data;
    this.#ask(partition, `${id} grants ${holder} a place`, event, () => {
      const place = this.#parts.execution(holder)?.place;
      const status = this.#parts.execution(holder)?.status ?? 'failed';
      const waits = place !== undefined && 'asked' in place && place.asked === order && place.phase !== 'held';
      if (!waits || isTerminal(status) || status === 'compensation') return undefined;
      // Whoever is to leave its place is told that instead.
      return this.#parts.limiters.holds(id, holder, order) ? `the grant for ${short(holder)}` : undefined;
    });
  }

  #askTold(event: Event, partition: number, waiter: string): void {
    const { executionId: id } = event;
    this.#ask(partition, `${id} tells its end to ${waiter}`, event, () => {
      const [awaited, now] = [this.#parts.execution(id), this.#parts.execution(waiter)];
      if (awaited === undefined || awaited.deleted !== undefined || !isTerminal(awaited.status)) return undefined;
      if (now === undefined || isTerminal(now.status)) return undefined;
      // After a retry it asks again, and the answer to that brings the end.
      const open = now.dependencies?.some(
        (each) => each.executionId === id && each.ended === undefined && each.askedAt <= event.at,
      );
      return open === true ? `the end that ${short(waiter)} waits for` : undefined;
    });
  }

  #askDispatches(event: Event, partition: number): void {
    const { executionId: id } = event;
    const state = this.#parts.execution(id);
    if (state === undefined || !hasEffects(event.type)) return;
    for (const effect of effectsOf(event, state)) {
      if (effect.type !== 'dispatch') continue;
      const { stepId, attempt } = effect;
      const key = `${id}/${stepId}/${attempt}`;
      this.#ask(partition, `${key} is sent`, event, () => {
        const now = this.#parts.execution(id);
        const wanted = now !== undefined && isAttemptWanted(now, stepId, attempt);
        return wanted && !this.#dispatched.has(key) ? `the dispatch of ${stepId}/${attempt}` : undefined;
      });
    }
  }

  scheduleCommitted(event: ScheduleStreamEvent, partition: number): void {
    const { executionId: id } = event;
    const state = this.#parts.schedule(id);
    if (state === undefined) return;
    for (const { type, executionId } of wantedScheduleEffects(state)) {
      const name = `${id} ${type}s ${executionId}`;
      // The first event after which it is wanted has requested it.
      if (this.#asked.get(partition)?.has(name) === true) continue;
      this.#ask(partition, name, event, () => {
        const now = this.#parts.schedule(id);
        const wanted =
          now !== undefined &&
          wantedScheduleEffects(now).some((effect) => effect.type === type && effect.executionId === executionId);
        if (!wanted || (type === 'stop' && this.#stopped(now, executionId))) return undefined;
        return `the ${type} of ${short(executionId)}`;
      });
    }
  }

  /** A commit of this partition records that everything up to `position` is done. */
  published(partition: number, position: number): void {
    const asked = this.#asked.get(partition);
    if (asked === undefined) return;
    for (const [name, { streamId, position: at, open }] of asked) {
      const what = open();
      if (what === undefined) {
        asked.delete(name);
      } else if (at <= position) {
        this.#parts.world.violated(
          'published is done',
          `${short(streamId)}: ${what} of position ${at} is open, and ${position} is published`,
        );
      }
    }
  }

  /** Whether it was stopped, or has ended already. */
  #stopped(schedule: ScheduleState, executionId: string): boolean {
    const how = schedule.running.find((run) => run.executionId === executionId)?.stopping;
    const execution = this.#parts.execution(executionId);
    if (how === undefined || execution === undefined) return false;
    return isTerminal(execution.status) || this.#parts.hasCommand(executionId, uuidV5(executionId, how));
  }

  #ask(
    partition: number,
    name: string,
    {
      executionId: streamId,
      position,
    }: Pick<Event | ScheduleStreamEvent | LimiterStreamEvent, 'executionId' | 'position'>,
    open: () => string | undefined,
  ): void {
    const asked = this.#asked.get(partition) ?? new Map<string, Asked>();
    this.#asked.set(partition, asked);
    asked.set(name, { streamId, position, open });
  }
}
