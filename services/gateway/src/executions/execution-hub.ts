import { SlotMap } from '@batuta/collections';
import { subjects, operations } from '@batuta/contracts';
import type { EventsPublished, FollowExecutions, GetVersionsReply, ListEventsReply } from '@batuta/contracts';
import { localHandler, onReconnect, onTaken, serveLocally, textOf } from '@batuta/messaging';
import { gauge } from '@batuta/observability';
import type { Logger } from '@batuta/observability';
import { nuid } from '@nats-io/nats-core';
import type { Subscription } from '@nats-io/nats-core';
import type { Backend } from '../backend/backend.js';
import { wholeEvents } from './payloads.js';
import { ExecutionWatch } from './execution-watch.js';
import type { Ending, WatchLimits } from './execution-watch.js';
import type { Follower } from './follower.js';

interface HubOptions {
  readonly backend: Backend;
  readonly logger: Logger;
  readonly compareEveryMs: number;
  readonly limits?: Partial<WatchLimits>;
}

interface Watched {
  readonly key: string;
  readonly tenantId: string;
  readonly executionId: string;
  readonly watch: ExecutionWatch;
  /** Undefined while followers need only the end, which the owner reports by itself. */
  subscription: Subscription | undefined;
}

/** Ids in one comparison query. */
const COMPARE_AT_ONCE = 1000;
const RETIRE_AFTER_MS = 5;
/**
 * Owners publish the events of a followed execution for this long, in milliseconds. They must be told again within this
 * time.
 */
const FOLLOW_MS = 10_000;
const FOLLOW_AGAIN_MS = 3_000;
/**
 * After this time, in milliseconds, it looks for events that were committed before the owner knew of a new follower.
 */
const HEARD_AFTER_MS = 50;

/** Waits for the end of an execution. It must always be released. */
export interface AwaitedEnd {
  /** Never rejects; stays open until the execution ends. */
  readonly ended: Promise<Ending>;
  /**
   * Call it when the start is a repeat and the execution still runs: its end is reported to the first caller's gateway.
   */
  repeated(): void;
  release(): void;
}

/** Everything that is watched through this gateway: one NATS subscription and one state for each execution. */
export class ExecutionHub {
  readonly #options: HubOptions;
  /** The subject on which owners report the ends of executions whose starts name it. */
  readonly endSubject: string;
  readonly #watched = new SlotMap<string, Watched>();
  readonly #limits: WatchLimits;
  readonly #timer: NodeJS.Timeout;
  readonly #forgetReconnect: () => void;
  readonly #forgetTaken: () => void;
  readonly #endLocal: () => void;
  readonly #gauge = gauge('batuta_gateway_watched_executions', 'Executions watched by clients and waiting requests.');
  readonly #retired: Subscription[] = [];
  readonly #followTimer: NodeJS.Timeout;
  /** Executions that are followed, but were not compared with the log yet. */
  #newlyFollowed: Watched[] = [];
  #comparing: Promise<void> | undefined;
  #compareAgain = false;

  constructor(options: HubOptions) {
    this.#options = options;
    this.#limits = { pageSize: 500, recentBytes: 128 * 1024, earlyEvents: 1024, ...options.limits };
    this.endSubject = subjects.end(nuid.next());
    options.backend.nats.subscribe(this.endSubject, {
      callback: (error, message) => {
        if (error === null) this.#toldEnd(message.string());
        else options.logger.warn({ err: error }, 'ends of executions cannot be received');
      },
    });
    this.#endLocal = serveLocally(options.backend.nats, this.endSubject, ({ payload }) =>
      this.#toldEnd(textOf(payload)),
    );
    this.#forgetTaken = onTaken(options.backend.nats, () => this.#ownersChanged());
    this.#timer = setInterval(() => this.#compareSoon(), options.compareEveryMs);
    this.#timer.unref();
    this.#followTimer = setInterval(() => this.#followAgain(), FOLLOW_AGAIN_MS);
    this.#followTimer.unref();
    this.#forgetReconnect = onReconnect(options.backend.nats, () => {
      this.#followAgain();
      this.#compareSoon();
    });
  }

  /** How many executions are watched. */
  get size(): number {
    return this.#watched.size;
  }

  /**
   * Gives a follower the events of an execution of the tenant. Resolves when it is live or has received the last event.
   * Rejects with the problem (not_found, unavailable) and has then removed the follower.
   */
  async follow(tenantId: string, executionId: string, follower: Follower): Promise<void> {
    const watched = this.#open(tenantId, executionId);
    this.#listen(watched);
    try {
      await watched.watch.join(follower);
    } catch (error) {
      watched.watch.leave(follower);
      throw error;
    } finally {
      this.#closeUnused(watched);
    }
  }

  unfollow(tenantId: string, executionId: string, follower: Follower): void {
    const watched = this.#watched.get(`${tenantId}/${executionId}`);
    if (watched === undefined) return;
    watched.watch.leave(follower);
    this.#closeUnused(watched);
  }

  /** Whether a client follows the execution under this tenant. If so, it exists there and may be followed. */
  isFollowed(tenantId: string, executionId: string): boolean {
    const watch = this.#watched.get(`${tenantId}/${executionId}`)?.watch;
    return watch?.isKnown === true && watch.isFollowed;
  }

  /**
   * Listens for the end of an execution from now on, also of one that is not started yet. With `told`, its start names
   * `endSubject`, so it needs no subscription of its own.
   */
  awaitEnd(tenantId: string, executionId: string, { told = false } = {}): AwaitedEnd {
    const watched = this.#open(tenantId, executionId);
    if (!told) this.#listen(watched);
    let listener!: (ending: Ending) => void;
    const ended = new Promise<Ending>((resolve) => {
      listener = resolve;
    });
    watched.watch.onEnd(listener);
    return {
      ended,
      repeated: () => {
        this.#listen(watched);
        // After the loss of a gateway many come at once, so they are compared together.
        this.#compareSoon();
      },
      release: () => {
        watched.watch.offEnd(listener);
        this.#closeUnused(watched);
      },
    };
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    clearInterval(this.#followTimer);
    this.#forgetReconnect();
    this.#forgetTaken();
    this.#endLocal();
    await this.#comparing;
    for (const watched of this.#watched.values()) this.#close(watched);
    this.#endRetired();
  }

  #open(tenantId: string, executionId: string): Watched {
    const key = `${tenantId}/${executionId}`;
    const known = this.#watched.get(key);
    if (known !== undefined) return known;
    const { backend, logger } = this.#options;
    const watch = new ExecutionWatch(
      {
        readEvents: async (fromVersion, limit) => {
          const asked = { tenantId, executionId, fromVersion, limit };
          const page = await backend.ask<ListEventsReply>(operations.executions.events.subject, asked);
          return { ...page, events: await wholeEvents(backend, tenantId, page.events ?? []) };
        },
        newestVersion: async () => (await this.#versions([executionId])).versions[0] ?? 0,
        report: (error) => logger.warn({ err: error, executionId }, 'watching an execution, will try again'),
      },
      this.#limits,
    );
    const watched: Watched = { key, tenantId, executionId, watch, subscription: undefined };
    this.#watched.set(key, watched);
    this.#gauge.inc();
    return watched;
  }

  /** Subscribes to all events of a watched execution. */
  #listen(watched: Watched): void {
    if (watched.subscription !== undefined) return;
    const { backend, logger } = this.#options;
    const { tenantId, executionId, watch } = watched;
    watched.subscription = backend.nats.subscribe(subjects.event(tenantId, executionId), {
      callback: (error, message) => {
        if (error === null) watch.receive(message);
        else logger.warn({ err: error, execution_id: executionId }, 'event subscription');
      },
    });
    this.#sayFollowed([executionId]);
    this.#newlyFollowed.push(watched);
    if (this.#newlyFollowed.length > 1) return;
    setTimeout(() => {
      const since = this.#newlyFollowed;
      this.#newlyFollowed = [];
      void this.#compareThese(since);
    }, HEARD_AFTER_MS).unref();
  }

  /** Tells the owners, in this process or in others, which events are wanted. */
  #sayFollowed(executionIds: string[]): void {
    const { nats } = this.#options.backend;
    const follow: FollowExecutions = { executionIds, forMs: FOLLOW_MS };
    const text = JSON.stringify(follow);
    localHandler(nats, subjects.follow)?.({ payload: text, headers: undefined, reply: undefined });
    if (!nats.isClosed()) nats.publish(subjects.follow, text);
  }

  #followAgain(): void {
    const followed = [...this.#watched.values()]
      .filter(({ subscription, watch }) => subscription !== undefined && !watch.hasEnded)
      .map(({ executionId }) => executionId);
    for (let start = 0; start < followed.length; start += COMPARE_AT_ONCE) {
      this.#sayFollowed(followed.slice(start, start + COMPARE_AT_ONCE));
    }
  }

  /**
   * A new owner does not report the ends of executions that were started before. So from now on the hub subscribes to
   * them.
   */
  #ownersChanged(): void {
    this.#followAgain();
    let told = false;
    for (const watched of this.#watched.values()) {
      if (watched.subscription !== undefined) continue;
      told = true;
      this.#listen(watched);
    }
    // Finds executions that ended in between.
    if (told) this.#compareSoon();
  }

  /** Handles the end of an execution that was started through this gateway. */
  #toldEnd(text: string): void {
    try {
      const { tenantId, executionId, events, withoutPayload, plainResult } = JSON.parse(text) as EventsPublished;
      const watched = this.#watched.get(`${tenantId}/${executionId}`);
      watched?.watch.take(events, withoutPayload === true, plainResult === true);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'the end of an execution cannot be read');
    }
  }

  #closeUnused(watched: Watched): void {
    if (watched.watch.isUnused) this.#close(watched);
  }

  #close(watched: Watched): void {
    if (this.#watched.get(watched.key) !== watched) return;
    this.#watched.delete(watched.key);
    this.#gauge.dec();
    watched.watch.close();
    if (watched.subscription !== undefined) this.#retire(watched.subscription);
  }

  /** Ends subscriptions in groups, because one write to NATS then serves many that ended together. */
  #retire(subscription: Subscription): void {
    this.#retired.push(subscription);
    if (this.#retired.length > 1) return;
    setTimeout(() => this.#endRetired(), RETIRE_AFTER_MS).unref();
  }

  #endRetired(): void {
    for (const subscription of this.#retired.splice(0)) {
      if (!subscription.isClosed()) subscription.unsubscribe();
    }
  }

  #versions(executionIds: readonly string[]): Promise<GetVersionsReply> {
    const { backend } = this.#options;
    return backend.ask<GetVersionsReply>(operations.engine.versions.subject, { executionIds });
  }

  /** Compares everything watched. A call during a comparison starts another one afterwards. */
  #compareSoon(): void {
    if (this.#comparing !== undefined) {
      this.#compareAgain = true;
      return;
    }
    this.#comparing = this.#compareAll().finally(() => {
      this.#comparing = undefined;
      if (this.#compareAgain) {
        this.#compareAgain = false;
        this.#compareSoon();
      }
    });
  }

  async #compareAll(): Promise<void> {
    await this.#compareThese([...this.#watched.values()]);
  }

  async #compareThese(these: readonly Watched[]): Promise<void> {
    const all = these.filter(({ watch }) => !watch.hasEnded && !watch.isUnused);
    for (let start = 0; start < all.length; start += COMPARE_AT_ONCE) {
      await this.#compare(all.slice(start, start + COMPARE_AT_ONCE));
    }
  }

  async #compare(some: readonly Watched[]): Promise<void> {
    try {
      const { versions, ended } = await this.#versions(some.map(({ executionId }) => executionId));
      for (const [index, { watch }] of some.entries()) watch.compare(versions[index] ?? 0, ended?.[index]);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'comparing versions, will try again');
    }
  }
}
