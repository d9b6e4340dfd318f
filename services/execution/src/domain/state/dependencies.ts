import type { Dependency, DependencyOn, RunEnd } from '@batuta/contracts';
import type { State } from './state.js';

/** Another execution whose end this one waits for. */
export interface DependencyState {
  readonly executionId: string;
  readonly on: DependencyOn;
  readonly process: string;
  /** It is there and will tell its end. */
  readonly found: boolean;
  readonly ended: RunEnd | undefined;
  /** Its version with the end that was told last: an end up to it is of an earlier run. */
  readonly endVersion: number;
  /** Version of the event that asked for it last. */
  readonly asked: number;
  readonly askedAt: number;
  /** Since when it is waited for: since the start or the last retry. */
  readonly since: number;
}

/** One that was found and is silent for so long is asked once more: it may have been deleted before it could tell. */
export const FOUND_CHECK_MS = 6 * 3_600_000;
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
    ended: undefined,
    endVersion: 0,
    asked: version,
    askedAt: at,
    since: at,
  }));
}

/** Whether an end is the one that was asked for; a cancelled execution has not succeeded. */
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

/** Something has to end as asked before the execution may begin. */
export function isHeld({ dependencies }: Pick<State, 'dependencies'>): boolean {
  return dependencies?.some((each) => !isMet(each)) === true;
}

/** The first that has ended in another way than was asked. */
export function failedDependency({ dependencies }: State): DependencyState | undefined {
  return dependencies?.find((each) => each.ended !== undefined && !isMet(each));
}

export function dependencyOf({ dependencies }: State, executionId: string): DependencyState | undefined {
  return dependencies?.find((each) => each.executionId === executionId);
}

/** When it is asked once more. One that is not there yet is asked the more rarely the longer that lasts. */
export function nextCheck({ found, askedAt, since }: DependencyState): number {
  if (found) {
    return askedAt + FOUND_CHECK_MS;
  }
  const waited = (askedAt - since) / 2;
  return askedAt + Math.min(MISSING_CHECK_LONGEST_MS, Math.max(MISSING_CHECK_FIRST_MS, waited));
}

/** Whether its end is neither told nor promised. */
export function isToAsk({ found, ended }: DependencyState): boolean {
  return !found && ended === undefined;
}
