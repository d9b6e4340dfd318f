import { operations } from '@batuta/contracts';
import type { Event, LifecycleNotice, ReadLogReply, ReadLogRequest, TopologyReply } from '@batuta/contracts';
import { UnavailableError } from '@batuta/messaging';
import type { ControlClient } from '@batuta/messaging';
import type { Logger } from '@batuta/observability';
import { setTimeout as delay } from 'node:timers/promises';
import type { CursorTable } from './cursor-table.js';

/**
 * Most events of one reading, over all its partitions. Their payloads together must fit into a message; the execution
 * service ensures this.
 */
const READING = 3_200;
/** Most events of one partition in a reading. */
const PAGE = 200;
/** Partitions that are read and committed together. */
const ROUND = 64;

/** The result of reading one partition. */
export interface Reading {
  readonly partition: number;
  /** Where its cursor stood. */
  readonly from: number;
  readonly to: number;
  readonly events: readonly Event[];
  /** Whether the page may have been cut, so that there may be more. */
  readonly full: boolean;
}

/** What became of readings. */
export interface Committed {
  /** The partitions whose cursor moved. Another replica has moved the cursors of the others. */
  readonly moved: ReadonlySet<number>;
  /** Partitions that cannot be handled yet, and whose cursor stays until the next poll. */
  readonly postponed?: ReadonlySet<number>;
}

/** One way of reading what is new. */
export interface LogPass {
  /** The events to read. */
  readonly select: Pick<ReadLogRequest, 'types' | 'onlyCalledBackStarts'>;
  /**
   * Stores what follows from the events and moves the cursors, in one transaction, if they are still at `from`. Returns
   * `undefined` when these events are not enough. Then nothing was written, and the next pass reads from the same
   * positions. Every reading has moved on, but it may have no events.
   */
  commit(readings: readonly Reading[]): Promise<Committed | undefined>;
}

/** What a service does with the events of the log. */
export interface LogFollower {
  /** Called before partitions are read. The passes are tried in order until one is enough. The last one always is. */
  passes(): readonly LogPass[];
  /** Called before the partitions are read once more. Returns the milliseconds from the start of the previous time. */
  pauseMs(): number;
  /** Called with the age in seconds of the oldest event in the last reading, the largest of all partitions. */
  lag?(seconds: number): void;
}

export interface LogReaderOptions {
  readonly control: ControlClient;
  readonly follower: LogFollower;
  readonly cursors: CursorTable;
  /** Runs a statement on the database that has the cursors, and returns its rows. */
  readonly query: <Row>(text: string, values: unknown[]) => Promise<Row[]>;
  readonly logger: Logger;
  readonly pollMs: number;
}

/**
 * Reads every partition's log from its cursor on, and hands the events to a follower. A service that hears of new events calls
 * `wake` or `heard`; a poll finds what nobody was told of. Replicas may read the same events: the follower moves a cursor
 * only if it is still where the reading began, so nothing is made twice. Partitions with new events at the same time are
 * committed together.
 */
export class LogReader {
  readonly #options: LogReaderOptions;
  /** Partitions to read, each with a position that is known to exist. */
  readonly #dirty = new Map<number, number>();
  readonly #positions = new Map<number, number>();
  readonly #lag = new Map<number, number>();
  #partitions = 0;
  #timer: NodeJS.Timeout | undefined;
  #asking: Promise<void> = Promise.resolve();
  #reading: Promise<void> | undefined;
  #closing = false;
  #lastTime = -Infinity;
  readonly #stopping = new AbortController();

  constructor(options: LogReaderOptions) {
    this.#options = options;
  }

  /** Asks for the partitions until the execution service answers, then reads. Does not wait for any of this. */
  start(): void {
    this.#poll();
  }

  /** Reads a partition soon, up to a position that is known to exist. Without a partition, reads all of them. */
  wake(partition?: number, position = 0): void {
    if (this.#closing || this.#partitions === 0) return;
    if (partition === undefined) {
      for (let each = 0; each < this.#partitions; each += 1) this.#mark(each, 0);
    } else if (Number.isInteger(partition) && partition >= 0 && partition < this.#partitions) {
      if (position > 0 && position <= (this.#positions.get(partition) ?? 0)) return;
      this.#mark(partition, position);
    }
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = undefined;
    });
  }

  /** Reads what a notice of the stream LIFECYCLE names. Reads everything when it is not a notice. */
  heard(data: Uint8Array): void {
    const notice = noticeOf(data);
    if (notice === undefined) return this.wake();
    // proto-JSON omits a partition of 0.
    this.wake(notice.partition ?? 0, notice.position);
    for (const { partition, position } of notice.others ?? []) this.wake(partition ?? 0, position);
  }

  /** Ends after the current reading. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#stopping.abort();
    clearTimeout(this.#timer);
    this.#dirty.clear();
    await this.#asking;
    await this.#reading;
  }

  #mark(partition: number, position: number): void {
    this.#dirty.set(partition, Math.max(position, this.#dirty.get(partition) ?? 0));
  }

  #poll(): void {
    const again = (ms: number): void => {
      if (this.#closing) return;
      // A random delay, so that not all replicas read at the same moment.
      this.#timer = setTimeout(() => this.#poll(), ms * (0.75 + Math.random() / 2));
    };
    if (this.#partitions > 0) {
      this.wake();
      again(this.#options.pollMs);
      return;
    }
    this.#asking = this.#topology().then(
      () => again(0),
      (error: unknown) => {
        this.#failed(error, 'the partitions cannot be requested yet');
        again(Math.min(1_000, this.#options.pollMs));
      },
    );
  }

  async #topology(): Promise<void> {
    const { control, query, cursors } = this.#options;
    const { partitions } = await control.request<TopologyReply>(operations.engine.topology.subject, {});
    if (!Number.isInteger(partitions) || partitions < 1) throw new Error('the topology names no partitions');
    await query(cursors.add, [partitions]);
    this.#partitions = partitions;
  }

  async #readAll(): Promise<void> {
    let left = 0;
    while (this.#dirty.size > 0 && !this.#closing) {
      if (left <= 0) {
        await this.#breathe();
        left = this.#dirty.size;
      }
      left -= ROUND;
      const round = new Map([...this.#dirty].slice(0, ROUND));
      for (const partition of round.keys()) this.#dirty.delete(partition);
      try {
        await this.#readRound(round);
      } catch (error) {
        this.#failed(error, 'reading the log failed; the next poll continues');
      }
    }
  }

  /** Waits a little, so that each reading has several events and not only one. */
  async #breathe(): Promise<void> {
    const wait = this.#lastTime + this.#options.follower.pauseMs() - performance.now();
    if (wait > 0) await delay(wait, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    this.#lastTime = performance.now();
  }

  /** `round`: partitions with the positions that are known to exist. */
  async #readRound(round: ReadonlyMap<number, number>): Promise<void> {
    await this.#loadPositions([...round.keys()].filter((partition) => !this.#positions.has(partition)));
    const passes = this.#options.follower.passes();
    for (const [place, pass] of passes.entries()) {
      const isLast = place === passes.length - 1;
      if (await this.#tryPass(pass, isLast, round)) return;
    }
  }

  /** Returns false when the next pass has to be tried. */
  async #tryPass(pass: LogPass, isLast: boolean, round: ReadonlyMap<number, number>): Promise<boolean> {
    const news = (await this.#read([...round.keys()], pass)).filter(({ from, to }) => to > from);
    if (news.length === 0) return true;
    try {
      return await this.#commit(pass, news, round);
    } catch (error) {
      if (news.length === 1 || !isLast) throw error;
      // One by one, so that a partition with an event that cannot be stored does not stop the others.
      for (const one of news) {
        await this.#commit(pass, [one], round).catch((alone: unknown) =>
          this.#failed(alone, 'a partition could not be read', one.partition),
        );
      }
      return true;
    }
  }

  /** Empty when the execution service does not answer; the next poll asks again. */
  async #read(partitions: readonly number[], { select }: LogPass): Promise<Reading[]> {
    const cursors = partitions.map((partition) => ({ partition, afterPosition: this.#positions.get(partition) ?? 0 }));
    const limit = Math.min(PAGE, Math.ceil(READING / partitions.length));
    const request: ReadLogRequest = { cursors, limit, ...select };
    try {
      const { pages = [] } = await this.#options.control.request<ReadLogReply>(operations.engine.log.subject, request);
      return cursors.flatMap(({ partition, afterPosition: from }, place) => {
        const page = pages[place];
        if (page === undefined) return [];
        this.#measure(partition, page.events);
        const full = page.more === true || page.events.length >= limit;
        if (full && page.position === from) this.#mark(partition, from + 1);
        return [{ partition, from, to: page.position, events: page.events, full }];
      });
    } catch (error) {
      this.#failed(error, 'reading the log failed; the next poll continues');
      return [];
    }
  }

  /** Returns false when these events are not enough. */
  async #commit(pass: LogPass, readings: readonly Reading[], known: ReadonlyMap<number, number>): Promise<boolean> {
    const committed = await pass.commit(readings);
    if (committed === undefined) return false;
    const { moved, postponed } = committed;
    for (const { partition, to, events, full } of readings) {
      if (postponed?.has(partition) === true) continue;
      const target = known.get(partition) ?? 0;
      if (!moved.has(partition)) {
        this.#positions.delete(partition);
        this.#mark(partition, target);
        continue;
      }
      this.#positions.set(partition, to);
      // A poll knows no position, and a page may be cut by its size. So only an empty page means that a partition is
      // read to its end.
      if (full || to < target || (target === 0 && events.length > 0)) this.#mark(partition, target);
    }
    return true;
  }

  async #loadPositions(partitions: readonly number[]): Promise<void> {
    if (partitions.length === 0) return;
    const { query, cursors } = this.#options;
    const rows = await query<{ partition: number; position: string }>(cursors.positions, [partitions]);
    for (const { partition, position } of rows) this.#positions.set(partition, Number(position));
  }

  #failed(error: unknown, message: string, partition?: number): void {
    const level = error instanceof UnavailableError ? 'debug' : 'error';
    this.#options.logger[level]({ err: error, partition }, message);
  }

  #measure(partition: number, events: readonly Event[]): void {
    const { follower } = this.#options;
    const [oldest] = events;
    if (oldest === undefined) this.#lag.delete(partition);
    else this.#lag.set(partition, Math.max(0, Date.now() - oldest.at) / 1000);
    follower.lag?.(Math.max(0, ...this.#lag.values()));
  }
}

/** The first three parameters of every statement that moves cursors: partitions, old positions, new positions. */
export function cursorMoves(readings: readonly Reading[]): [number[], number[], number[]] {
  return [readings.map(({ partition }) => partition), readings.map(({ from }) => from), readings.map(({ to }) => to)];
}

/** Undefined when it is not a notice. */
function noticeOf(data: Uint8Array): Partial<LifecycleNotice> | undefined {
  try {
    const notice = JSON.parse(Buffer.from(data).toString('utf8')) as Partial<LifecycleNotice> | null;
    const readable = typeof notice?.executionId === 'string' && Array.isArray(notice.others ?? []);
    return readable ? notice : undefined;
  } catch {
    return undefined;
  }
}
