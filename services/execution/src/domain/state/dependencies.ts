import type { Dependency, DependencyOn, RunEnd } from '@batuta/contracts';
import type { State } from './state.js';

/** Another execution whose end this one waits for. */
export interface DependencyState {
  readonly executionId: string;
  readonly on: DependencyOn;
  readonly process: string;
  /** Whether it exists and will report its end. */
  readonly found: boolean;
  /** Whether it was asked before and there was none. Unlike one whose first answer is still on its way. */
  readonly missing: boolean;
  readonly ended: RunEnd | undefined;
  /** Its version at the last reported end. An end up to this version belongs to an earlier run. */
  readonly endVersion: number;
  /** Version of the event that asked it last. */
  readonly asked: number;
  readonly askedAt: number;
  /** Since when this one waits for it: since the start or the last retry. */
  readonly since: number;
}

/**
 * An execution that was found and is silent for this long is asked again, because it may have been deleted before it
 * could report. In milliseconds.
 */
const FOUND_CHECK_MS = 6 * 3_600_000;
const MISSING_CHECK_FIRST_MS = 1_000;
const MISSING_CHECK_LONGEST_MS = 300_000;

export function dependencyStates(
  after: readonly Dependency[],
  { version, at }: { readonly version: number; readonly at: number },
): readonly DependencyState[] {
  return after.map(({ executionId, on, process = '' }) => ({
    executionId,
    on,
    process,
    found: false,
    missing: false,
    ended: undefined,
    endVersion: 0,
    asked: version,
    askedAt: at,
    since: at,
  }));
}

/** Whether an end is as required. A cancelled execution has not succeeded. */
export function endsAsAsked(on: DependencyOn, ended: RunEnd): boolean {
  switch (on) {
    case 'success':
      return ended === 'completed';
    case 'failed':
      return ended !== 'completed';
    case 'finished':
      return true;
    default:
      return on satisfies never;
  }
}

export function isMet({ on, ended }: DependencyState): boolean {
  return ended !== undefined && endsAsAsked(on, ended);
}

/** Whether another execution must still end before this one may begin. */
export function waitsForDependencies({ dependencies }: Pick<State, 'dependencies'>): boolean {
  return dependencies?.some((each) => !isMet(each)) === true;
}

/** The first one that has not ended as required. */
export function failedDependency({ dependencies }: State): DependencyState | undefined {
  return dependencies?.find((each) => each.ended !== undefined && !isMet(each));
}

export function dependencyOf({ dependencies }: State, executionId: string): DependencyState | undefined {
  return dependencies?.find((each) => each.executionId === executionId);
}

/** When it is asked again. A missing one is asked less often the longer it is missing. */
export function nextCheck({ found, askedAt, since }: DependencyState): number {
  if (found) {
    return askedAt + FOUND_CHECK_MS;
  }
  const waited = (askedAt - since) / 2;
  return askedAt + Math.min(MISSING_CHECK_LONGEST_MS, Math.max(MISSING_CHECK_FIRST_MS, waited));
}

/** Whether its end is neither known nor promised. */
export function isToAsk({ found, ended }: DependencyState): boolean {
  return !found && ended === undefined;
}
