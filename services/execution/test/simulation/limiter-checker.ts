import { partitionOf } from '@batuta/contracts';
import type { Event, LimiterStreamEvent, Priority } from '@batuta/contracts';
import type { MemoryExecutionStore } from '../../src/store/memory/memory-execution-store.js';
import {
  NO_LIMITER,
  evolveLimiter,
  isLimiterOver,
  isTerminal,
  limiterView,
  nextLimiterWake,
} from '../../src/domain/index.js';
import type { LimiterState, State } from '../../src/domain/index.js';
import { short } from './simulated-store.js';
import type { World } from './world.js';

interface Request {
  readonly order: number;
  readonly priority: Priority;
  readonly version: number;
}

/** What this checker knows of a limiter, by lists and not by the structures of the engine. */
interface Known {
  state: LimiterState;
  limit: number;
  readonly holders: Map<string, Request>;
  readonly waiters: Map<string, Request>;
  /** Executions that run with a place of this limiter, by their own logs. */
  readonly running: Set<string>;
  /** Those that are to leave their place or the queue. */
  readonly evicted: Set<string>;
  /** Holders with the version of their request that have given a place back. */
  readonly returned: Set<string>;
}

const RANKS = ['high', 'normal', 'low'];
const ENDS: ReadonlySet<string> = new Set(['ExecutionCompleted', 'ExecutionFailed', 'ExecutionCancelled']);

/** Checks limiters: never more holders than the limit, each in its turn, and no place is lost. */
export class LimiterChecker {
  readonly #world: World;
  readonly #memory: () => MemoryExecutionStore;
  readonly #partitions: number;
  readonly limiters = new Map<string, Known>();

  constructor(world: World, memory: () => MemoryExecutionStore, partitions: number) {
    this.#world = world;
    this.#memory = memory;
    this.#partitions = partitions;
  }

  state(id: string): LimiterState | undefined {
    return this.limiters.get(id)?.state;
  }

  /** Whether a limiter's log says that the execution holds or awaits a place. */
  has(id: string, holder: string, order: number): boolean {
    const known = this.limiters.get(id);
    return known?.holders.get(holder)?.order === order || known?.waiters.get(holder)?.order === order;
  }

  /** Whether it holds this place and is not told to leave it. */
  holds(id: string, holder: string, order: number): boolean {
    const known = this.limiters.get(id);
    return known?.holders.get(holder)?.order === order && !known.evicted.has(holder);
  }

  /** Whether a place of this request was given back. A request that comes late may bring another one, which its answer returns. */
  returned(id: string, holder: string, order: number): boolean {
    return this.limiters.get(id)?.returned.has(`${holder}/${order}`) === true;
  }

  committed(event: LimiterStreamEvent, partition: number): void {
    const world = this.#world;
    const id = event.executionId;
    world.note('log', () => `${short(id)}/${event.version} ${event.type} ${JSON.stringify(event.data)}`);
    if (partitionOf(id, this.#partitions) !== partition) world.violated('its own partition', `${id} in ${partition}`);
    let known = this.limiters.get(id);
    if (known === undefined) {
      known = {
        state: NO_LIMITER,
        limit: 0,
        holders: new Map(),
        waiters: new Map(),
        running: new Set(),
        evicted: new Set(),
        returned: new Set(),
      };
      this.limiters.set(id, known);
    }
    if (event.version !== known.state.version + 1) {
      world.violated('fold', `version ${event.version} after ${known.state.version}`);
    }
    this.#apply(id, known, event);
    known.state = evolveLimiter(known.state, event);
  }

  #apply(id: string, known: Known, event: LimiterStreamEvent): void {
    const violated = (rule: string, message: string): void => this.#world.violated(rule, `${short(id)}: ${message}`);
    switch (event.type) {
      case 'LimiterOpened':
      case 'LimiterChanged':
        known.limit = event.data.limit;
        return;
      case 'PlaceQueued':
        if (known.waiters.has(event.data.holder) || known.holders.has(event.data.holder)) {
          violated('a request counts once', `${short(event.data.holder)} is queued again`);
        }
        known.waiters.set(event.data.holder, { ...event.data, version: event.version });
        known.evicted.delete(event.data.holder);
        return;
      case 'PlaceGranted': {
        const { holder } = event.data;
        if (known.holders.has(holder)) violated('a request counts once', `${short(holder)} gets a second place`);
        if (known.holders.size >= known.limit) violated('at most the limit', `${short(holder)} is one too many`);
        const first = this.#next(known);
        if (first !== undefined && first !== holder) {
          violated('places in turn', `${short(holder)} gets one before ${short(first)}`);
        }
        known.waiters.delete(holder);
        known.holders.set(holder, { ...event.data, version: event.version });
        return;
      }
      case 'PlaceEvicted':
        known.waiters.delete(event.data.holder);
        known.evicted.add(event.data.holder);
        return;
      case 'PlaceReleased':
        known.evicted.delete(event.data.holder);
        known.returned.add(`${event.data.holder}/${event.data.order}`);
        known.waiters.delete(event.data.holder);
        known.holders.delete(event.data.holder);
        return;
      case 'HoldersChecked':
        return;
      default:
        event satisfies never;
    }
  }

  #next({ waiters }: Known): string | undefined {
    const [first] = [...waiters].toSorted(
      ([, a], [, b]) => RANKS.indexOf(a.priority) - RANKS.indexOf(b.priority) || a.version - b.version,
    );
    return first?.[0];
  }

  /** An event of an execution, and the state before it. */
  executionCommitted(event: Event, before: State | undefined): void {
    const { executionId } = event;
    if (event.type === 'PlaceTaken') {
      const { limiterId } = event.data;
      const known = this.limiters.get(limiterId);
      const { place } = before ?? {};
      const order = place !== undefined && 'asked' in place ? place.asked : -1;
      if (known?.holders.get(executionId)?.order !== order) {
        this.#world.violated('no begin without a place', `${short(executionId)} takes one that it was not granted`);
      }
      known?.running.add(executionId);
      const limit = known?.limit ?? 0;
      if ((known?.running.size ?? 0) > limit) {
        const who = [...(known?.running ?? [])].map(short).join(', ');
        this.#world.violated('at most the limit', `${who} run, and the limit is ${limit}`);
      }
    } else if (ENDS.has(event.type)) {
      for (const known of this.limiters.values()) known.running.delete(executionId);
    }
  }

  /** Checks a limiter after a commit that changed it. */
  settled(id: string): void {
    const known = this.limiters.get(id);
    if (known === undefined) return;
    const { state, holders, waiters, limit } = known;
    const row = this.#memory().streamRow(id);
    if (row?.version !== state.version) {
      this.#world.violated('the row follows the log', `${short(id)}: ${row?.version}`);
    }
    const next = nextLimiterWake(state);
    if (next !== undefined && (row?.wakeAt ?? Infinity) > next) {
      this.#world.violated('wake_at is a lower bound', `${short(id)}: ${row?.wakeAt} but next is ${next}`);
    }
    const view = limiterView(state);
    if (view?.held !== holders.size || view.waiting !== waiters.size) {
      const found = `${view?.held} hold and ${view?.waiting} wait`;
      this.#world.violated('a view counts', `${short(id)}: ${found}, not ${holders.size} and ${waiters.size}`);
    }
    if (waiters.size > 0 && holders.size < limit) {
      this.#world.violated('no place is idle', `${short(id)}: ${waiters.size} wait, and ${holders.size} hold one`);
    }
  }

  /** Whether an execution may wait for ever, because one with a place is paused. */
  mayWait(state: State, executionOf: (id: string) => State | undefined): boolean {
    const { place } = state;
    if (state.status !== 'pending' || place === undefined || !('limiterId' in place)) return false;
    const holders = this.limiters.get(place.limiterId)?.holders.keys() ?? [];
    return [...holders].some((id) => executionOf(id)?.status === 'paused');
  }

  /** Whether every place of an ended execution is back. */
  done(executionOf: (id: string) => State | undefined): boolean {
    return this.#lost(executionOf).length === 0;
  }

  finish(executionOf: (id: string) => State | undefined): void {
    for (const message of this.#lost(executionOf)) this.#world.violated('no place is lost', message);
  }

  #lost(executionOf: (id: string) => State | undefined): string[] {
    return [...this.limiters].flatMap(([id, { holders, waiters, state }]) => {
      const left = [...holders.keys(), ...waiters.keys()].filter((holder) => {
        const execution = executionOf(holder);
        return execution === undefined || isTerminal(execution.status);
      });
      if (left.length > 0) return [`${short(id)}: ${left.map(short).join(', ')} ended and did not give it back`];
      const empty = holders.size === 0 && waiters.size === 0;
      return empty && !isLimiterOver(state) ? [`${short(id)} waits for an evicted execution`] : [];
    });
  }
}
