/**
 * The phases of a lane.
 *
 * - resting: nothing is in flight, and no commit is due.
 * - gathering: inputs were decided, and their commit is sent within a turn of the event loop.
 * - committing: one commit is in flight, or several in sequence. Meanwhile inputs are decided for the next one.
 * - failing: a commit has failed, or its outcome is unknown. Later commits may have succeeded or not, so inputs wait
 *   until each has its outcome.
 * - recovering: memory is back at the committed state. The failure is handled, and inputs wait.
 * - closed: no inputs are taken. Commits in flight still get their outcome.
 */
export type LanePhase = 'resting' | 'gathering' | 'committing' | 'failing' | 'recovering' | 'closed';

const TRANSITIONS: Readonly<Record<LanePhase, readonly LanePhase[]>> = {
  // Directly to a commit after a recovery, because an answer may have come into the open batch meanwhile.
  resting: ['resting', 'gathering', 'committing', 'closed'],
  gathering: ['resting', 'committing', 'closed'],
  committing: ['resting', 'committing', 'failing', 'closed'],
  // The outcome of a commit that was sent after the failed one.
  failing: ['failing', 'recovering', 'closed'],
  recovering: ['resting', 'closed'],
  closed: ['closed'],
};

/** The phase of a lane. Only this class changes it, and it refuses undefined transitions. */
export class LaneState {
  #phase: LanePhase = 'resting';

  get phase(): LanePhase {
    return this.#phase;
  }

  /** Whether inputs are decided as they arrive. Otherwise they wait, in order. */
  get decides(): boolean {
    return this.#phase === 'resting' || this.#phase === 'gathering' || this.#phase === 'committing';
  }

  get closed(): boolean {
    return this.#phase === 'closed';
  }

  /** Changes to a phase. A closed lane stays closed. @throws RangeError for an undefined transition, which is a bug. */
  to(next: LanePhase): void {
    if (this.#phase === 'closed') return;
    if (!TRANSITIONS[this.#phase].includes(next)) {
      throw new RangeError(`a lane cannot go from ${this.#phase} to ${next}`);
    }
    this.#phase = next;
  }
}
