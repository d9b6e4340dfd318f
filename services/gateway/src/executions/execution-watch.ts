import type { Event, EventsPublished, ListEventsReply } from '@batuta/contracts';
import { isTerminalEventType, TERMINAL_EVENT_TYPES } from '@batuta/contracts';
import type { Msg } from '@nats-io/nats-core';
import { Problem, accepted } from '../http/problem.js';
import { ServedEvent } from './served-event.js';

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

/** How an execution ended. */
export interface Ending {
  readonly event: Event;
  /** Whether the event and its payload are the complete result. Otherwise the execution must be read. */
  readonly isResult: boolean;
}

export type EndListener = (ending: Ending) => void;

export interface WatchSource {
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

interface Page {
  readonly events: readonly ServedEvent[];
  readonly last: boolean;
}

/** Events that make an ended execution continue. */
const REOPENED: readonly string[] = ['ExecutionRetried', 'ExecutionReopened'];
const END_MARKS = [...TERMINAL_EVENT_TYPES, ...REOPENED].map((type) => Buffer.from(`"${type}"`));
/** All these event types begin like this, and most messages of a run do not contain it. */
const COMMON_MARK = Buffer.from('"Execution');

/** Whether bytes of JSON may contain an event that ends an execution or makes it continue. False is certain. */
function mayEnd(data: Uint8Array): boolean {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const from = bytes.indexOf(COMMON_MARK);
  return from !== -1 && END_MARKS.some((mark) => bytes.includes(mark, from));
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
  readonly #endListeners = new Set<EndListener>();
  // Created only when needed: most executions are only waited for, and nobody follows their events.
  #followers: Set<Follower> | undefined;
  #early: Map<number, Event> | undefined;
  #pages: Map<number, Promise<Page>> | undefined;
  #recent: ServedEvent[] = [];
  #recentBytes = 0;
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
    this.#recent = [];
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
        const fromMemory = this.#recentFrom(follower.nextVersion);
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
    this.#remember(served);
    if (served.isTerminal) {
      this.#ended = served;
      if (served.version >= this.#highest) this.#tellEnd({ event: served.event, isResult: false });
    } else if (REOPENED.includes(served.event.type)) {
      this.#ended = undefined;
    }
    return served;
  }

  #remember(served: ServedEvent): void {
    this.#recent.push(served);
    this.#recentBytes += served.bytes.length;
    let dropped = 0;
    while (this.#recentBytes > this.#limits.recentBytes && dropped < this.#recent.length - 1) {
      this.#recentBytes -= this.#recent[dropped]?.bytes.length ?? 0;
      dropped += 1;
    }
    if (dropped > 0) this.#recent = this.#recent.slice(dropped);
  }

  #recentFrom(version: number): readonly ServedEvent[] | undefined {
    const first = this.#recent[0];
    if (first === undefined || version < first.version) return undefined;
    return this.#recent.slice(version - first.version);
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
    const page = await this.#page(follower.nextVersion);
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
    const page = await this.#page(newest);
    const last = page.events.at(-1);
    if (last !== undefined) this.#learn(page, last);
  }

  #learn(page: Page, last: ServedEvent): void {
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
    for (const served of events) this.#remember(served);
    const last = events.at(-1);
    if (last?.isTerminal === true) {
      this.#ended = last;
      if (version >= this.#highest) this.#tellEnd({ event: last.event, isResult: false });
    }
    // No follower can be live yet, so these events reach the joining ones from memory.
    this.#drainEarly([]);
    if (this.#highest > version) this.#heal();
  }

  #page(fromVersion: number): Promise<Page> {
    const pages = (this.#pages ??= new Map<number, Promise<Page>>());
    let page = pages.get(fromVersion);
    if (page === undefined) {
      page = this.#source
        .readEvents(fromVersion, this.#limits.pageSize)
        .then((reply) => {
          const { events, nextVersion } = accepted(reply);
          return { events: events.map((event) => new ServedEvent(event)), last: (nextVersion ?? 0) === 0 };
        })
        .finally(() => pages.delete(fromVersion));
      pages.set(fromVersion, page);
    }
    return page;
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
      const page = await this.#page(before + 1);
      const last = page.events.at(-1);
      if (last !== undefined) this.#learn(page, last);
      // The log shows no more than before. Wait for the next comparison instead of reading again at once.
      if (this.#head === before) return;
    }
  }
}

/** Hands over the events that a follower has not received yet. */
function give(follower: Follower, events: readonly ServedEvent[], ended: boolean): void {
  const first = events[0];
  const last = events.at(-1);
  if (first === undefined || last === undefined || last.version < follower.nextVersion) return;
  const unseen = first.version >= follower.nextVersion ? events : events.slice(follower.nextVersion - first.version);
  follower.nextVersion = last.version + 1;
  follower.deliver(unseen, ended);
}
