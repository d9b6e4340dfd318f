import type { Event } from '@batuta/contracts';
import { isTerminal } from '../../src/domain/index.js';
import type { State } from '../../src/domain/index.js';
import type { StateOf } from './child-checker.js';
import type { History } from './history.js';
import { short } from './simulated-store.js';
import type { World } from './world.js';

const ENDS: ReadonlySet<string> = new Set([
  'ExecutionCompleted',
  'ExecutionFailed',
  'ExecutionCancelled',
  'ExecutionDeleted',
]);

const ASKS: ReadonlySet<string> = new Set(['ExecutionStarted', 'ExecutionRetried', 'DependenciesChecked']);

/** Compares waiting executions with those that they wait for, by their logs. */
export class DependencyChecker {
  readonly #world: World;
  readonly #stateOf: StateOf;
  readonly #historyOf: (id: string) => History | undefined;
  /** Counts the events of all logs in the order of their commits. */
  #committed = 0;
  readonly #startedAt = new Map<string, number>();
  /** By id and version of the event that asks. */
  readonly #askedAt = new Map<string, number>();

  constructor(world: World, stateOf: StateOf, historyOf: (id: string) => History | undefined) {
    this.#world = world;
    this.#stateOf = stateOf;
    this.#historyOf = historyOf;
  }

  /** An event of any execution. */
  committed(event: Event): void {
    this.#committed += 1;
    if (event.type === 'ExecutionStarted') this.#startedAt.set(event.executionId, this.#committed);
    if (ASKS.has(event.type)) this.#askedAt.set(`${event.executionId}/${event.version}`, this.#committed);
    if (event.type !== 'DependencyEnded') return;
    const { executionId, status, version } = event.data;
    const history = this.#historyOf(executionId);
    const end = history?.at(version);
    const said = end === undefined || !ENDS.has(end.type) ? undefined : history?.statusAt(version);
    if (said !== status) {
      const found = `${short(executionId)} is ${said} at version ${version}`;
      this.#world.violated('a dependency has ended so', `${short(event.executionId)} hears ${status}, and ${found}`);
    }
  }

  /** Whether no end is in transit. */
  done(ids: Iterable<string>): boolean {
    return this.#lost(ids).length === 0;
  }

  finish(ids: Iterable<string>): void {
    for (const message of this.#lost(ids)) this.#world.violated('no end of a dependency is lost', message);
  }

  /** Whether it may wait for ever, because the execution that it waits for is paused or missing. */
  mayWait(state: State, depth = 0): boolean {
    if (state.status !== 'pending' || depth > 10) return false;
    return (state.dependencies ?? []).some(({ executionId, ended }) => {
      const awaited = ended === undefined ? this.#stateOf(executionId) : undefined;
      if (ended !== undefined) return false;
      return awaited === undefined || awaited.status === 'paused' || this.mayWait(awaited, depth + 1);
    });
  }

  /** Whether the question was in the log before the execution that it asks for. Else it has to find it. */
  #askedTooEarly(id: string, version: number, awaited: string): boolean {
    const asked = this.#askedAt.get(`${id}/${version}`) ?? 0;
    return asked < (this.#startedAt.get(awaited) ?? Infinity);
  }

  #lost(ids: Iterable<string>): string[] {
    return [...ids].flatMap((id) => {
      const state = this.#stateOf(id);
      if (state === undefined || isTerminal(state.status)) return [];
      return (state.dependencies ?? []).flatMap(({ executionId, ended, found, asked }) => {
        const awaited = this.#stateOf(executionId);
        // A paused execution that asked before the other one had started asks again only when it is resumed.
        if (state.status === 'paused' && !found && this.#askedTooEarly(id, asked, executionId)) return [];
        const isOver = awaited !== undefined && isTerminal(awaited.status);
        // A deleted execution may have forgotten its waiters together with its events. Then it is asked again, hours
        // later.
        if (ended !== undefined || !isOver || awaited.deleted !== undefined) return [];
        return [`${short(id)} waits for ${short(executionId)}, which is ${awaited.status}`];
      });
    });
  }
}
