import type { ServedEvent } from './served-event.js';

/** A consumer that wants every event of an execution, in order, from a version on. */
export interface Follower {
  /** The first version that it has not received. The watch increases it. */
  nextVersion: number;
  /** Receives events in order, without a gap. With `ended`, the last one ends the execution and no more follow. */
  deliver(events: readonly ServedEvent[], ended: boolean): void;
  /** The execution ended before `nextVersion`, so no events follow. */
  nothingMore(): void;
  /**
   * Resolves when the delivered events have left the process, so that the history is not read faster than it is
   * consumed.
   */
  drained(): Promise<void>;
  readonly closed: boolean;
}

/** Hands over the events that a follower has not received yet. */
export function give(follower: Follower, events: readonly ServedEvent[], ended: boolean): void {
  const first = events[0];
  const last = events.at(-1);
  if (first === undefined || last === undefined || last.version < follower.nextVersion) return;
  const unseen = first.version >= follower.nextVersion ? events : events.slice(follower.nextVersion - first.version);
  follower.nextVersion = last.version + 1;
  follower.deliver(unseen, ended);
}
