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

/** What moves a lane from phase to phase, and from which phases. A closed lane stays closed. */
const TRANSITIONS = {
  /** Something was decided while nothing was in flight. */
  gather: { resting: 'gathering' },
  /**
   * A commit is sent. From rest directly only after a recovery, because an answer may have come into the open batch
   * meanwhile.
   */
  send: { resting: 'committing', gathering: 'committing', committing: 'committing' },
  /** Everything decided has its outcome. */
  rest: { resting: 'resting', gathering: 'resting', committing: 'resting' },
  /** A commit failed. Or, while others have no outcome yet, the outcome of a commit that was sent after it came. */
  fail: { committing: 'failing', failing: 'failing' },
  /** Every commit in flight has its outcome. */
  recover: { failing: 'recovering' },
  /** The failure is handled. */
  resume: { recovering: 'resting' },
  close: {
    resting: 'closed',
    gathering: 'closed',
    committing: 'closed',
    failing: 'closed',
    recovering: 'closed',
  },
} as const satisfies Record<string, Readonly<Partial<Record<LanePhase, LanePhase>>>>;

export type LaneTransition = keyof typeof TRANSITIONS;

const NEXT: Readonly<Record<LaneTransition, Readonly<Partial<Record<LanePhase, LanePhase>>>>> = TRANSITIONS;

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

  /** Changes the phase. A closed lane stays closed. @throws RangeError for an undefined transition, which is a bug. */
  do(transition: LaneTransition): void {
    if (this.#phase === 'closed') return;
    const next = NEXT[transition][this.#phase];
    if (next === undefined) throw new RangeError(`a lane that is ${this.#phase} cannot ${transition}`);
    this.#phase = next;
  }
}
