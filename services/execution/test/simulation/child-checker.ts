import type { Event } from '@batuta/contracts';
import { isTerminal, orchestrationOf } from '../../src/domain/index.js';
import type { State } from '../../src/domain/index.js';
import { canonical } from './reference.js';
import { short } from './simulated-store.js';
import type { World } from './world.js';

/** The state of an execution in the log. */
export type StateOf = (id: string) => State | undefined;

/** Compares parents and children by their logs. */
export class ChildChecker {
  readonly #world: World;
  readonly #stateOf: StateOf;

  constructor(world: World, stateOf: StateOf) {
    this.#world = world;
    this.#stateOf = stateOf;
  }

  /** An event of any execution, before it is in the state. */
  committed(event: Event): void {
    switch (event.type) {
      case 'ExecutionStarted':
        return this.#started(event);
      case 'ChildEnded':
        return this.#ended(event);
      case 'StepCompleted':
        return this.#given(event);
      case 'MapChunkEnded':
        return this.#chunk(event);
      default:
        return;
    }
  }

  /** Whether no message between parents and children is in transit. */
  done(ids: Iterable<string>): boolean {
    return this.#open(ids).length === 0;
  }

  finish(ids: Iterable<string>): void {
    for (const [rule, message] of this.#open(ids)) this.#violated(rule, message);
  }

  #open(ids: Iterable<string>): (readonly [rule: string, message: string])[] {
    return [...ids].flatMap((id) => {
      const state = this.#stateOf(id);
      if (state === undefined) return [];
      return state.config.childUnits.flatMap((index) => {
        const problem = this.#finished(id, state, index);
        return problem === undefined ? [] : [problem];
      });
    });
  }

  #violated(rule: string, message: string): void {
    this.#world.violated(rule, message);
  }

  #started({ executionId, data: { parent, tenantId } }: Extract<Event, { type: 'ExecutionStarted' }>): void {
    if (parent === undefined) return;
    const above = this.#stateOf(parent.executionId);
    const index = above?.config.unitIndex.get(parent.stepId) ?? -1;
    const units = [index, ...(above?.config.units[index]?.places ?? [])];
    const asked = units.some((each) => (above?.units.get(each)?.child?.number ?? 0) >= 1);
    if (!asked) {
      this.#violated('a child is asked for', `${short(executionId)} has no step of ${short(parent.executionId)}`);
    }
    if (above?.started?.tenantId !== tenantId) this.#violated('a child is its parent’s tenant’s', short(executionId));
    if ((above?.started?.parent?.depth ?? 0) + 1 !== parent.depth) {
      this.#violated('a child is one deeper', short(executionId));
    }
  }

  #ended({ executionId, data: { childId, status } }: Extract<Event, { type: 'ChildEnded' }>): void {
    const child = this.#stateOf(childId);
    if (status === 'refused') return;
    // A user may have retried it since.
    if (child === undefined) this.#violated('an end is of a child', `${short(executionId)} hears of ${short(childId)}`);
  }

  /** A step's output is its child's output. */
  #given({ executionId, data: { stepId, output = null } }: Extract<Event, { type: 'StepCompleted' }>): void {
    const state = this.#stateOf(executionId);
    const child = state?.units.get(state.config.unitIndex.get(stepId) ?? -1)?.child;
    if (state === undefined || child === undefined) return;
    if (orchestrationOf(unitOf(state, stepId)) === undefined && child.attempt === undefined) return;
    const given = this.#stateOf(child.id);
    if (given?.status !== 'completed') {
      this.#violated('done by its child', `${stepId} of ${short(executionId)}`);
    } else if (canonical(given.output ?? null) !== canonical(output)) {
      this.#violated('a step gives what its child gave', `${stepId} of ${short(executionId)}: ${canonical(output)}`);
    }
  }

  /** A chunk's results are the outputs of its steps, in their order. */
  #chunk({ executionId, data: { laneId, chunk, results } }: Extract<Event, { type: 'MapChunkEnded' }>): void {
    const state = this.#stateOf(executionId);
    const child = state?.units.get(state.config.unitIndex.get(laneId) ?? -1)?.child;
    const below = child === undefined ? undefined : this.#stateOf(child.id);
    const named = `chunk ${chunk} of ${short(executionId)}`;
    if (child?.ended === undefined || child.chunk !== chunk) return this.#violated('done by its child', named);
    // One that failed may have been continued since.
    if (results === undefined || child.ended !== 'completed' || below?.status !== 'completed') return;
    const outputs = below.config.units.slice(0, below.config.stepCount).map(({ index }) => {
      const { phase, output } = below.units.get(index) ?? {};
      return phase === 'completed' ? (output ?? null) : null;
    });
    if (canonical(outputs) !== canonical([...results])) this.#violated('a chunk gives what its items gave', named);
  }

  #finished(id: string, state: State, index: number): readonly [rule: string, message: string] | undefined {
    const unit = state.units.get(index);
    const child = unit?.child;
    if (unit === undefined || child === undefined || child.ended !== undefined) return undefined;
    const below = this.#stateOf(child.id);
    const named = `${short(child.id)} of ${short(id)}`;
    if (!isTerminal(state.status) && unit.phase === 'awaiting') {
      if (below === undefined) return ['every child is started', named];
      return isTerminal(below.status) ? ['no end of a child is lost', `${named} is ${below.status}`] : undefined;
    }
    const close = orchestrationOf(state.config.units[index] as never)?.onParentClose;
    if (close === 'abandon' || below === undefined || state.deleted !== undefined) return undefined;
    // A user who retries a child runs it without its parent.
    const byHand = below.controls?.head.command === 'retry' || below.status === 'compensation';
    const told = isTerminal(below.status) || byHand || below.commanded >= (child.command?.order ?? 0);
    return told ? undefined : ['no child outlives its parent', `${named} is ${below.status}`];
  }
}

function unitOf(state: State, stepId: string): never {
  return state.config.units[state.config.unitIndex.get(stepId) ?? -1] as never;
}
