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

/** Compares waiting executions with those that they wait for, by their logs. */
export class DependencyChecker {
  readonly #world: World;
  readonly #stateOf: StateOf;
  readonly #historyOf: (id: string) => History | undefined;

  constructor(world: World, stateOf: StateOf, historyOf: (id: string) => History | undefined) {
    this.#world = world;
    this.#stateOf = stateOf;
    this.#historyOf = historyOf;
  }

  /** An event of any execution. */
  committed(event: Event): void {
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

  #lost(ids: Iterable<string>): string[] {
    return [...ids].flatMap((id) => {
      const state = this.#stateOf(id);
      if (state === undefined || isTerminal(state.status)) return [];
      return (state.dependencies ?? []).flatMap(({ executionId, ended, found }) => {
        const awaited = this.#stateOf(executionId);
        // A paused execution that asked before the other one had started asks again only when it is resumed.
        if (state.status === 'paused' && !found) return [];
        const isOver = awaited !== undefined && isTerminal(awaited.status);
        // A deleted execution may have forgotten its waiters together with its events. Then it is asked again, hours
        // later.
        if (ended !== undefined || !isOver || awaited.deleted !== undefined) return [];
        return [`${short(id)} waits for ${short(executionId)}, which is ${awaited.status}`];
      });
    });
  }
}
