import type { Event, EventsPublished, ListEventsReply } from '@batuta/contracts';
import { isTerminalEventType } from '@batuta/contracts';
import type { Msg } from '@nats-io/nats-core';
import { Problem } from '../http/problem.js';
import { mayEnd, REOPENED } from './end-marks.js';
import { give } from './follower.js';
import type { Follower } from './follower.js';
import { LogPages } from './log-pages.js';
import type { LogPage } from './log-pages.js';
import { RecentEvents } from './recent-events.js';
import { ServedEvent } from './served-event.js';

/** How an execution ended. */
export interface Ending {
  readonly event: Event;
  /** Whether the event and its payload are the complete result. Otherwise the execution must be read. */
  readonly isResult: boolean;
}

type EndListener = (ending: Ending) => void;

interface WatchSource {
  /** A page of the log from a version on, with at most `limit` events. */
  readEvents(fromVersion: number, limit: number): Promise<ListEventsReply>;
  /** The newest version in the log; 0 when the execution is unknown. */
  newestVersion(): Promise<number>;
  /** Reports a failure in the background. The next comparison tries again. */
  report(error: unknown): void;
}

export interface WatchLimits {
  readonly pageSize: number;
  /** Bytes of events that are kept in memory for late followers. */
  readonly recentBytes: number;
  /** How many events may wait for a missing one before the log is read instead. */
  readonly earlyEvents: number;
}

/**
 * Everything that this gateway knows about one watched execution: its newest version, the events in memory, and its
 * followers.
 *
 * Events come from NATS, where any event may be lost, repeated or late, and from the log, which has all of them. `head`
 * is the newest version that was handed out. Only `head + 1` increases it, so followers see no gap and no repeat. A gap
 * is filled from the log.
 */
export class ExecutionWatch {
  readonly #source: WatchSource;
  readonly #limits: WatchLimits;
  readonly #recent: RecentEvents;
  readonly #pages: LogPages;
  readonly #endListeners = new Set<EndListener>();
  // Created only when needed: most executions are only waited for, and nobody follows their events.
  #followers: Set<Follower> | undefined;
  #early: Map<number, Event> | undefined;
  #joining = 0;
  /** Undefined until the log was read to its end once. */
  #head: number | undefined;
  /** The newest version known from NATS, the log or a comparison. */
  #highest = 0;
  /** The newest version that was checked for being the end, for the end listeners. */
  #lookedAt = 0;
  #healing = false;
  #ended: ServedEvent | undefined;
  #closed = false;

  constructor(source: WatchSource, limits: WatchLimits) {
    this.#source = source;
    this.#limits = limits;
    this.#recent = new RecentEvents(limits.recentBytes);
    this.#pages = new LogPages((fromVersion) => source.readEvents(fromVersion, limits.pageSize));
  }

  get isUnused(): boolean {
    return !this.isFollowed && this.#endListeners.size === 0;
  }

  /** Whether a follower wants its events. */
  get isFollowed(): boolean {
    return this.#joining > 0 || (this.#followers !== undefined && this.#followers.size > 0);
  }

  /** Whether this gateway has found the execution in the log. */
  get isKnown(): boolean {
    return this.#head !== undefined && this.#head > 0;
  }

  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  close(): void {
    this.#closed = true;
    this.#early = undefined;
    this.#recent.clear();
  }

  /**
   * Gives a follower everything from its `nextVersion` on: first from memory or the log, then live. Resolves when it is
   * live or has received the terminal event. Rejects with the problem when the log cannot be read.
   */
  async join(follower: Follower): Promise<void> {
    this.#joining += 1;
    try {
      while (!follower.closed && !this.#closed) {
        if (this.#head !== undefined && follower.nextVersion > this.#head) {
          // There is no await between this check and the joining, so no event can be missed.
          if (this.#ended !== undefined) follower.nothingMore();
          else (this.#followers ??= new Set()).add(follower);
          return;
        }
        const fromMemory = this.#recent.from(follower.nextVersion);
        const events = fromMemory ?? (await this.#readFor(follower));
        if (follower.closed || this.#closed) return;
        const last = events.at(-1);
        if (last !== undefined) {
          const ended = last.version === this.#ended?.version && last.version >= this.#highest;
          give(follower, events, ended);
          if (ended) return;
          await follower.drained();
        }
      }
    } finally {
      this.#joining -= 1;
    }
  }

  leave(follower: Follower): void {
    this.#followers?.delete(follower);
  }

  /** Calls the listener once when the execution ends. */
  onEnd(listener: EndListener): void {
    this.#endListeners.add(listener);
    if (this.#ended !== undefined) this.#tellEnd({ event: this.#ended.event, isResult: false });
  }

  offEnd(listener: EndListener): void {
    this.#endListeners.delete(listener);
  }

  /** Handles a message on the execution's event subject. */
  receive(message: Msg): void {
    if (!this.isFollowed) {
      // End listeners need only the last message. Looking for its mark is much cheaper than parsing every message.
      if (!mayEnd(message.data)) return;
    }
    try {
      const published = message.json<EventsPublished>();
      this.take(published.events, published.withoutPayload === true, published.plainResult === true);
    } catch (error) {
      this.#source.report(error);
    }
  }

  /** Takes events in any order, any number of times. */
  take(events: readonly Event[], withoutPayload = false, plainResult = false): void {
    const last = events.at(-1);
    if (last === undefined || this.#closed) return;
    if (last.version >= this.#highest) {
      if (isTerminalEventType(last.type)) this.#tellEnd({ event: last, isResult: plainResult && !withoutPayload });
      else if (events.some(({ type }) => REOPENED.includes(type))) this.#ended = undefined;
    }
    this.#highest = Math.max(this.#highest, last.version);
    const fresh: ServedEvent[] = [];
    if (!withoutPayload) {
      for (const event of events) this.#place(event, fresh);
      this.#drainEarly(fresh);
    }
    this.#handOut(fresh);
    if (this.#head !== undefined && this.#highest > this.#head) this.#heal();
  }

  /**
   * Handles the newest version in the log and whether it is the end. This may be new information when messages were
   * lost.
   */
  compare(version: number, ended = true): void {
    if (version === 0 || this.#closed) return;
    this.#highest = Math.max(this.#highest, version);
    if (this.#head !== undefined && this.#highest > this.#head) {
      this.#heal();
    } else if (ended && this.#head === undefined && this.#endListeners.size > 0 && version > this.#lookedAt) {
      this.#lookedAt = version;
      this.#source.readEvents(version, 1).then(
        (reply) => this.#lookForEnd(reply),
        (error: unknown) => {
          this.#lookedAt = 0;
          this.#source.report(error);
        },
      );
    }
  }

  #lookForEnd(reply: ListEventsReply): void {
    const event = reply.events?.at(-1);
    if (event !== undefined && isTerminalEventType(event.type)) this.#tellEnd({ event, isResult: false });
  }

  #tellEnd(ending: Ending): void {
    const listeners = [...this.#endListeners];
    this.#endListeners.clear();
    for (const listener of listeners) listener(ending);
  }

  /** Puts an event after the head, sets it aside for later, or drops it when it is old. */
  #place(event: Event, fresh: ServedEvent[]): void {
    if (this.#head !== undefined && event.version <= this.#head) return;
    if (this.#head !== undefined && event.version === this.#head + 1) {
      fresh.push(this.#advance(new ServedEvent(event)));
    } else if (this.#head !== undefined || this.#joining > 0) {
      this.#early ??= new Map();
      if (this.#early.size < this.#limits.earlyEvents) this.#early.set(event.version, event);
    }
    // Otherwise no follower wants it now, and a later follower gets it from the log.
  }

  #drainEarly(fresh: ServedEvent[]): void {
    if (this.#head === undefined || this.#early === undefined) return;
    for (;;) {
      const next = this.#early.get(this.#head + 1);
      if (next === undefined) break;
      fresh.push(this.#advance(new ServedEvent(next)));
    }
    for (const version of this.#early.keys()) {
      if (version <= this.#head) this.#early.delete(version);
    }
    if (this.#early.size === 0) this.#early = undefined;
  }

  #advance(served: ServedEvent): ServedEvent {
    this.#head = served.version;
    this.#recent.add(served);
    if (served.isTerminal) {
      this.#ended = served;
      if (served.version >= this.#highest) this.#tellEnd({ event: served.event, isResult: false });
    } else if (REOPENED.includes(served.event.type)) {
      this.#ended = undefined;
    }
    return served;
  }

  #handOut(events: readonly ServedEvent[]): void {
    const last = events.at(-1);
    if (last === undefined || this.#followers === undefined) return;
    // If newer versions than this end are known, the execution continued.
    const ended = last.isTerminal && last.version >= this.#highest;
    for (const follower of this.#followers) {
      give(follower, events, ended);
      if (ended) this.#followers.delete(follower);
    }
  }

  /**
   * Reads the next page for a joining follower. Joins reads of the same page, and updates the live state with the
   * result.
   */
  async #readFor(follower: Follower): Promise<readonly ServedEvent[]> {
    const page = await this.#pages.from(follower.nextVersion);
    const last = page.events.at(-1);
    if (last !== undefined) {
      this.#learn(page, last);
    } else if (this.#head === undefined) {
      await this.#findEnd();
    } else if (follower.nextVersion <= this.#head) {
      throw new Problem('unavailable', 'The log does not show all events yet; try again.');
    }
    return page.events;
  }

  /** The log has nothing from the requested version on. Finds where it ends, and whether the execution is over. */
  async #findEnd(): Promise<void> {
    const newest = await this.#source.newestVersion();
    if (newest === 0) {
      if (this.#head === undefined) this.#setHead(0, []);
      return;
    }
    const page = await this.#pages.from(newest);
    const last = page.events.at(-1);
    if (last !== undefined) this.#learn(page, last);
  }

  #learn(page: LogPage, last: ServedEvent): void {
    this.#highest = Math.max(this.#highest, last.version);
    if (this.#head === undefined) {
      if (page.last) this.#setHead(last.version, page.events);
      return;
    }
    if (last.version <= this.#head) return;
    const fresh: ServedEvent[] = [];
    for (const served of page.events) {
      if (served.version === this.#head + 1) fresh.push(this.#advance(served));
    }
    this.#drainEarly(fresh);
    this.#handOut(fresh);
  }

  #setHead(version: number, events: readonly ServedEvent[]): void {
    this.#head = version;
    for (const served of events) this.#recent.add(served);
    const last = events.at(-1);
    if (last?.isTerminal === true) {
      this.#ended = last;
      if (version >= this.#highest) this.#tellEnd({ event: last.event, isResult: false });
    }
    // No follower can be live yet, so these events reach the joining ones from memory.
    this.#drainEarly([]);
    if (this.#highest > version) this.#heal();
  }

  /**
   * Fills the gap after the head from the log, one read at a time. After a failure, the next comparison tries again.
   */
  #heal(): void {
    if (this.#healing || this.#closed) return;
    this.#healing = true;
    this.#readGap()
      .catch((error: unknown) => this.#source.report(error))
      .finally(() => {
        this.#healing = false;
      });
  }

  async #readGap(): Promise<void> {
    while (!this.#closed && this.#head !== undefined && this.#head < this.#highest) {
      const before = this.#head;
      const page = await this.#pages.from(before + 1);
      const last = page.events.at(-1);
      if (last !== undefined) this.#learn(page, last);
      // The log shows no more than before. Wait for the next comparison instead of reading again at once.
      if (this.#head === before) return;
    }
  }
}
