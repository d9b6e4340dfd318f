import type { Event, EventsPublished, ListEventsReply } from '@batuta/contracts';
import { isTerminalEventType, TERMINAL_EVENT_TYPES } from '@batuta/contracts';
import type { Msg } from '@nats-io/nats-core';
import { Problem, accepted } from '../http/problem.js';
import { ServedEvent } from './served-event.js';

/** Somebody who wants every event of an execution, in order, from a version on. */
export interface Follower {
  /** First version not yet given to it; the watch moves it on. */
  nextVersion: number;
  /** Takes events in order, without a gap. With `ended`, the last one ends the execution and nothing more will come. */
  deliver(events: readonly ServedEvent[], ended: boolean): void;
  /** The execution ended before `nextVersion`: nothing more will come. */
  nothingMore(): void;
  /** Resolves when what was delivered has left the process, so that history is read no faster than it is taken. */
  drained(): Promise<void>;
  readonly closed: boolean;
}

/** How an execution ended. */
export interface Ending {
  readonly event: Event;
  /** The event, with its payload, is the whole result; otherwise ask for the execution. */
  readonly isResult: boolean;
}

export type EndListener = (ending: Ending) => void;

export interface WatchSource {
  /** A page of the log from a version on, at most `limit` events. */
  readEvents(fromVersion: number, limit: number): Promise<ListEventsReply>;
  /** The newest version in the log; 0 when the execution is unknown. */
  newestVersion(): Promise<number>;
  /** Reports what went wrong in the background; it is tried again at the next comparison. */
  report(error: unknown): void;
}

export interface WatchLimits {
  readonly pageSize: number;
  /** Events kept in memory for those who join late. */
  readonly recentBytes: number;
  /** Events that may wait for a missing one before the log is read instead. */
  readonly earlyEvents: number;
}

interface Page {
  readonly events: readonly ServedEvent[];
  readonly last: boolean;
}

/** Takes an execution up again that had ended. */
const REOPENED: readonly string[] = ['ExecutionRetried', 'ExecutionReopened'];
const END_MARKS = [...TERMINAL_EVENT_TYPES, ...REOPENED].map((type) => Buffer.from(`"${type}"`));
/** All of them begin so, and most messages of a run hold nothing that does. */
const COMMON_MARK = Buffer.from('"Execution');

/** Whether bytes of JSON may hold an event that ends an execution or takes it up again; false only when they hold none. */
function mayEnd(data: Uint8Array): boolean {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const from = bytes.indexOf(COMMON_MARK);
  return from !== -1 && END_MARKS.some((mark) => bytes.includes(mark, from));
}

/**
 * All that this gateway knows of one watched execution: its newest version, the events in memory, and who wants them.
 *
 * Events come from NATS, where any may be lost, doubled or late, and from the log, which has them all. `head` is the
 * newest version handed out; only `head + 1` moves it on, so followers see no gap and no duplicate. A gap is filled from
 * the log (DESIGN section 4).
 */
export class ExecutionWatch {
  readonly #endListeners = new Set<EndListener>();
  // Made when they are needed: most executions are only waited for, and nobody follows their events.
  #followers: Set<Follower> | undefined;
  #early: Map<number, Event> | undefined;
  #pages: Map<number, Promise<Page>> | undefined;
  #recent: ServedEvent[] = [];
  #recentBytes = 0;
  #joining = 0;
  /** Undefined until the log was read to its end once. */
  #head: number | undefined;
  /** Newest version heard of, from NATS, the log or a comparison. */
  #highest = 0;
  /** Newest version whose being the end was looked up for end listeners. */
  #lookedAt = 0;
  #healing = false;
  #ended: ServedEvent | undefined;
  #closed = false;

  constructor(
    private readonly source: WatchSource,
    private readonly limits: WatchLimits,
  ) {}

  get isUnused(): boolean {
    return !this.isFollowed && this.#endListeners.size === 0;
  }

  /** Whether anybody wants its events. */
  get isFollowed(): boolean {
    return this.#joining > 0 || (this.#followers !== undefined && this.#followers.size > 0);
  }

  /** Whether the log has shown this execution to this gateway. */
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
   * live or has got the terminal event; rejects with the problem when the log cannot be read.
   */
  async join(follower: Follower): Promise<void> {
    this.#joining += 1;
    try {
      while (!follower.closed && !this.#closed) {
        if (this.#head !== undefined && follower.nextVersion > this.#head) {
          // Nothing is awaited between this check and the joining, so that no event can slip through.
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

  /** Takes a message of the execution's event subject. */
  receive(message: Msg): void {
    if (!this.isFollowed) {
      // Those who wait for the end only need the last message; looking for its mark is much cheaper than parsing all.
      if (!mayEnd(message.data)) return;
    }
    try {
      const published = message.json<EventsPublished>();
      this.take(published.events, published.withoutPayload === true, published.plainResult === true);
    } catch (error) {
      this.source.report(error);
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

  /** Takes notice of the newest version in the log, and whether that is the end: it may be news when messages were lost. */
  compare(version: number, ended = true): void {
    if (version === 0 || this.#closed) return;
    this.#highest = Math.max(this.#highest, version);
    if (this.#head !== undefined && this.#highest > this.#head) {
      this.#heal();
    } else if (ended && this.#head === undefined && this.#endListeners.size > 0 && version > this.#lookedAt) {
      this.#lookedAt = version;
      this.source.readEvents(version, 1).then(
        (reply) => this.#lookForEnd(reply),
        (error: unknown) => {
          this.#lookedAt = 0;
          this.source.report(error);
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

  /** Puts an event behind the head, aside for later, or away when it is old. */
  #place(event: Event, fresh: ServedEvent[]): void {
    if (this.#head !== undefined && event.version <= this.#head) return;
    if (this.#head !== undefined && event.version === this.#head + 1) {
      fresh.push(this.#advance(new ServedEvent(event)));
    } else if (this.#head !== undefined || this.#joining > 0) {
      this.#early ??= new Map();
      if (this.#early.size < this.limits.earlyEvents) this.#early.set(event.version, event);
    }
    // Otherwise nobody wants it now, and whoever joins later gets it from the log.
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
    while (this.#recentBytes > this.limits.recentBytes && dropped < this.#recent.length - 1) {
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
    // Behind an end that is not the newest version heard of, the execution was taken up again.
    const ended = last.isTerminal && last.version >= this.#highest;
    for (const follower of this.#followers) {
      give(follower, events, ended);
      if (ended) this.#followers.delete(follower);
    }
  }

  /** Reads on for a joining follower; joins reads of the same page, and lets the live side learn from what was read. */
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

  /** The log has nothing from the asked version on: where does it end, and is the execution over? */
  async #findEnd(): Promise<void> {
    const newest = await this.source.newestVersion();
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
    // No follower can be live yet, so what drains here reaches the joining ones from memory.
    this.#drainEarly([]);
    if (this.#highest > version) this.#heal();
  }

  #page(fromVersion: number): Promise<Page> {
    const pages = (this.#pages ??= new Map<number, Promise<Page>>());
    let page = pages.get(fromVersion);
    if (page === undefined) {
      page = this.source
        .readEvents(fromVersion, this.limits.pageSize)
        .then((reply) => {
          const { events, nextVersion } = accepted(reply);
          return { events: events.map((event) => new ServedEvent(event)), last: (nextVersion ?? 0) === 0 };
        })
        .finally(() => pages.delete(fromVersion));
      pages.set(fromVersion, page);
    }
    return page;
  }

  /** Fills the gap behind the head from the log; one at a time, tried again at the next comparison when it fails. */
  #heal(): void {
    if (this.#healing || this.#closed) return;
    this.#healing = true;
    this.#readGap()
      .catch((error: unknown) => this.source.report(error))
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
      // The log shows no more than before: let the next comparison ask again instead of asking in circles.
      if (this.#head === before) return;
    }
  }
}

/** Hands over the part of a run of events that a follower has not had. */
function give(follower: Follower, events: readonly ServedEvent[], ended: boolean): void {
  const first = events[0];
  const last = events.at(-1);
  if (first === undefined || last === undefined || last.version < follower.nextVersion) return;
  const unseen = first.version >= follower.nextVersion ? events : events.slice(follower.nextVersion - first.version);
  follower.nextVersion = last.version + 1;
  follower.deliver(unseen, ended);
}
