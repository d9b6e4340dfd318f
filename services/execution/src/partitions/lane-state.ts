/**
 * What a lane is doing.
 *
 * - resting: nothing is in flight, and no commit is due.
 * - gathering: inputs were decided, and a commit of them goes within a turn of the event loop.
 * - committing: one commit is in flight, or several one after the other. Inputs are decided for the next one meanwhile.
 * - failing: a commit has failed or its outcome is unknown. Those that were sent after it may stand or not, so inputs wait until each has
 *   its outcome.
 * - recovering: memory is back at what is committed. The failure is dealt with; inputs wait.
 * - closed: nothing is taken any more. What was in flight still gets its outcome.
 */
export type LanePhase = 'resting' | 'gathering' | 'committing' | 'failing' | 'recovering' | 'closed';

const TRANSITIONS: Readonly<Record<LanePhase, readonly LanePhase[]>> = {
  // At once to a commit after a recovery: an answer may have come into the open batch meanwhile.
  resting: ['resting', 'gathering', 'committing', 'closed'],
  gathering: ['resting', 'committing', 'closed'],
  committing: ['resting', 'committing', 'failing', 'closed'],
  // An outcome of one that was sent after it.
  failing: ['failing', 'recovering', 'closed'],
  recovering: ['resting', 'closed'],
  closed: ['closed'],
};

/** The phase of a lane: the only place that changes it, and it refuses a change that the machine does not have. */
export class LaneState {
  #phase: LanePhase = 'resting';

  get phase(): LanePhase {
    return this.#phase;
  }

  /** Whether inputs are decided as they come; otherwise they wait, in order. */
  get decides(): boolean {
    return this.#phase === 'resting' || this.#phase === 'gathering' || this.#phase === 'committing';
  }

  get closed(): boolean {
    return this.#phase === 'closed';
  }

  /**
   * Goes on to a phase. A closed lane stays closed, whatever comes back to it.
   * @throws RangeError for a change that the machine does not have: a bug.
   */
  to(next: LanePhase): void {
    if (this.#phase === 'closed') return;
    if (!TRANSITIONS[this.#phase].includes(next))
      throw new RangeError(`a lane cannot go from ${this.#phase} to ${next}`);
    this.#phase = next;
  }
}
