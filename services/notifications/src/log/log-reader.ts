import { CALLBACK_EVENTS, isTerminalEventType, operations } from '@batuta/contracts';
import type { CallbackEvent, Event, EventType, ReadLogReply, ReadLogRequest, TopologyReply } from '@batuta/contracts';
import { UnavailableError } from '@batuta/messaging';
import type { ControlClient } from '@batuta/messaging';
import { counter, gauge } from '@batuta/observability';
import type { Logger } from '@batuta/observability';
import type { DataSource, EntityManager } from 'typeorm';
import { setTimeout as delay } from 'node:timers/promises';
import type { ChannelDefinition } from '../callbacks/channel-definition.js';
import type { AddedDeliveries, DeliveryQueue, NewDelivery } from '../deliveries/delivery-queue.js';
import { callbackEventOf, messageOf } from '../templates/message.js';
import type { Message } from '../templates/message.js';
import * as sql from './log-sql.js';
import { executionsOf } from './page-executions.js';
import type { PageExecution, PageExecutions } from './page-executions.js';

/** These are told nobody, but their execution has not ended any more. */
const TAKEN_UP: readonly EventType[] = ['ExecutionRetried', 'ExecutionReopened'];
/** Nobody is told of it: everything that is kept of its execution is deleted, and what was not delivered is not. */
const DELETED: EventType = 'ExecutionDeleted';
const TYPES: EventType[] = [...Object.values(CALLBACK_EVENTS), ...TAKEN_UP, DELETED];
/** Events of one reading, over all its partitions; their payloads together must fit a message, which the execution service sees to. */
const READING = 3_200;
/** Events of one partition in a reading. */
const PAGE = 200;
/** Partitions that are read and committed together. */
const ROUND = 64;
/** Milliseconds from the beginning of one pass over what is new to that of the next. */
const BUSY_PAUSE_MS = 25;
/** The same when the last passes found nothing that anybody wants to hear of: the first who does waits this long at most. */
const UNWANTED_PAUSE_MS = 75;
/** Passes without a delivery before the longer pause. */
const UNWANTED_PASSES = 4;
/** Passes that read everything after one that read only whether anything is new to be kept, and was refused. */
const FULL_PASSES = 50;
/** What is read while nobody wants to hear of anything: starts that name a callback_url, and what may need one of those again. */
const CALLED_BACK: EventType[] = ['ExecutionStarted', ...TAKEN_UP, DELETED];
/** What the short form tells: that the execution has ended. */
const SHORT_FORM_EVENTS: ReadonlySet<CallbackEvent> = new Set(['completed', 'failed', 'cancelled']);

const NOTHING: AddedDeliveries = { made: 0, waiting: 0, atOnce: [] };

const eventsRead = counter('batuta_notifications_events_read_total', 'Events read from the log, by type', ['type']);
const deliveriesMade = counter('batuta_notifications_deliveries_created_total', 'Deliveries made from events');
const unknownExecutions = counter(
  'batuta_notifications_events_without_execution_total',
  'Events of executions whose start is not known any more',
);
const lag = gauge(
  'batuta_notifications_cursor_lag_seconds',
  'Age of the oldest event that the last reading of a partition found, the largest of all partitions; 0 when all is read',
);

export interface LogReaderOptions {
  readonly dataSource: DataSource;
  readonly control: ControlClient;
  readonly queue: DeliveryQueue;
  readonly logger: Logger;
  readonly pollMs: number;
  /** Events older than this are not told any more. */
  readonly maxAgeMs: number;
  /** Told when new deliveries are committed. */
  readonly onDeliveries: (added: AddedDeliveries) => void;
}

interface CallbackRow {
  id: string;
  tenant_id: string;
  config_id: string | null;
  execution_id: string | null;
  events: CallbackEvent[];
  channel: ChannelDefinition;
  fallback: ChannelDefinition[];
}

interface CursorRow {
  partition: number;
  position: string;
}

type JudgedAll = Omit<Judged, 'configs'>;

interface Judged {
  /** Whether any config has an enabled callback: then events of every execution may be wanted. */
  readonly configs: boolean;
  readonly wanted: boolean;
  readonly moved: readonly number[];
}

/** What one reading of a partition gave. */
interface Reading {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  readonly events: readonly Event[];
  /** It may have been cut: there may be more. */
  readonly full: boolean;
}

/**
 * Reads every partition's log and makes the deliveries. Deliveries and the cursors' moves are one transaction, and a cursor
 * moves only from where the reading began: replicas that read the same make nothing twice. Partitions that have something
 * new at the same time share a transaction.
 *
 * While nobody wants to hear of what was read, one statement asks so and moves the cursors, and nothing is kept of the
 * executions. After some such passes only starts that name a callback_url are read, as long as there is nobody at all. A callback hears of what happens after the answer of the request that made it: what was read then was committed after
 * it, and the statement that asks who wants to hear of it begins later still. Of what happened before, it may miss anything.
 */
export class LogReader {
  readonly #options: LogReaderOptions;
  /** Partitions to read, each with the position that is known to be there. */
  readonly #dirty = new Map<number, number>();
  readonly #positions = new Map<number, number>();
  readonly #lag = new Map<number, number>();
  #partitions = 0;
  #timer: NodeJS.Timeout | undefined;
  #asking: Promise<void> = Promise.resolve();
  #reading: Promise<void> | undefined;
  #closing = false;
  #lastPass = -Infinity;
  /** Passes since one made a delivery. */
  #unwanted = 0;
  /** Passes that read everything before one may do with less. */
  #fullPasses = 0;
  readonly #stopping = new AbortController();

  constructor(options: LogReaderOptions) {
    this.#options = options;
  }

  /** Asks for the partitions until the execution service answers, then reads; does not wait for any of it. */
  start(): void {
    this.#poll();
  }

  /** Reads a partition soon, up to a position that is known to be there; all of them when none is named. */
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

  /** Ends after the reading that is under way. */
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
      // Not all replicas at the same moment.
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
        this.#failed(error, 'the partitions cannot be asked for yet');
        again(Math.min(1_000, this.#options.pollMs));
      },
    );
  }

  async #topology(): Promise<void> {
    const { control, dataSource } = this.#options;
    const { partitions } = await control.request<TopologyReply>(operations.engine.topology.subject, {});
    if (!Number.isInteger(partitions) || partitions < 1) throw new Error('the topology names no partitions');
    await dataSource.query(sql.ADD_CURSORS, [partitions]);
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
        this.#failed(error, 'reading the log failed; the next poll reads on');
      }
    }
  }

  /** Passes that follow each other closely would each read next to nothing: a pause lets what is new gather. */
  async #breathe(): Promise<void> {
    const pause = this.#unwanted < UNWANTED_PASSES ? BUSY_PAUSE_MS : UNWANTED_PAUSE_MS;
    this.#unwanted += 1;
    const wait = this.#lastPass + pause - performance.now();
    if (wait > 0) await delay(wait, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    this.#lastPass = performance.now();
  }

  async #readRound(round: ReadonlyMap<number, number>): Promise<void> {
    await this.#loadPositions([...round.keys()].filter((partition) => !this.#positions.has(partition)));
    if (await this.#passQuietly(round)) return;
    const news = (await this.#read([...round.keys()])).filter(({ from, to }) => to > from);
    if (news.length === 0) return;
    try {
      await this.#commit(news, round);
    } catch (error) {
      if (news.length === 1) throw error;
      // So that one partition with something that cannot be kept stops no other.
      for (const one of news) {
        await this.#commit([one], round).catch((alone: unknown) =>
          this.#failed(alone, 'a partition could not be read', one.partition),
        );
      }
    }
  }

  /**
   * Moves the cursors without reading what passes, if there is nobody at all who may want to hear of it and no start that
   * names a callback_url; whether that was all there was to do.
   */
  async #passQuietly(round: ReadonlyMap<number, number>): Promise<boolean> {
    if (this.#unwanted < UNWANTED_PASSES) return false;
    if (this.#fullPasses > 0) {
      this.#fullPasses -= 1;
      return false;
    }
    const readings = await this.#read([...round.keys()], true);
    if (readings.some(({ events }) => events.length > 0)) return false;
    const news = readings.filter(({ from, to }) => to > from);
    if (news.length === 0) return true;
    const judged = await this.#judge<JudgedAll>(sql.MOVE_UNLESS_ANYBODY, cursorMoves(news));
    if (judged.wanted) {
      this.#fullPasses = FULL_PASSES;
      return false;
    }
    this.#settle(news, new Set(judged.moved), NOTHING, round);
    return true;
  }

  /**
   * Empty when the execution service does not answer; the next poll asks again. `onlyCalledBack`: of starts only those
   * that name a callback_url, and nothing of how executions went on but retries.
   */
  async #read(partitions: readonly number[], onlyCalledBack = false): Promise<Reading[]> {
    const cursors = partitions.map((partition) => ({ partition, afterPosition: this.#positions.get(partition) ?? 0 }));
    const limit = Math.min(PAGE, Math.ceil(READING / partitions.length));
    const request: ReadLogRequest = onlyCalledBack
      ? { cursors, limit, types: CALLED_BACK, onlyCalledBackStarts: true }
      : { cursors, limit, types: TYPES };
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
      this.#failed(error, 'reading the log failed; the next poll reads on');
      return [];
    }
  }

  async #commit(readings: readonly Reading[], known: ReadonlyMap<number, number>): Promise<void> {
    const { dataSource } = this.#options;
    const judged = await this.#moveUnlessWanted(readings);
    if (!judged.wanted) return this.#settle(readings, new Set(judged.moved), NOTHING, known);
    const events = readings.flatMap((reading) => reading.events);
    const executions = await executionsOf(this.#options, events, judged.configs);
    const { unanswered, failure } = executions;
    if (failure !== undefined) this.#failed(failure, 'how executions began cannot be asked; the next poll reads on');
    const ready = readings.filter((reading) => !reading.events.some((event) => unanswered.has(event.executionId)));
    if (ready.length === 0) return;
    const { moved, added } = await dataSource.transaction(async (manager) => {
      const [rows] = await manager.query<[{ partition: number }[], number]>(sql.MOVE, cursorMoves(ready));
      const partitions = new Set(rows.map(({ partition }) => partition));
      const found = eventsOf(ready, partitions);
      const made = await this.#make(manager, found, executions);
      // After the locks of deliveries' orders, as whoever ends a short form takes them.
      await this.#keep(manager, found, executions.known, judged.configs);
      await this.#forget(manager, found);
      return { moved: partitions, added: made };
    });
    this.#settle(ready, moved, added, known);
  }

  async #moveUnlessWanted(readings: readonly Reading[]): Promise<Judged> {
    const events = readings.flatMap((reading) => reading.events);
    const ids = new Set(events.map(({ executionId }) => executionId));
    // What is taken up again is asked about, because what was kept of an execution that had ended may be gone.
    const itself = events.some(
      (event) =>
        event.type === DELETED ||
        TAKEN_UP.includes(event.type) ||
        (event.type === 'ExecutionStarted' && Boolean(event.data.callbackUrl)),
    );
    return this.#judge<Judged>(sql.MOVE_UNLESS_WANTED, [...cursorMoves(readings), [...ids], itself]);
  }

  /** Moves cursors by a statement that judges whether it may. */
  async #judge<Row extends JudgedAll>(statement: string, parameters: unknown[]): Promise<Row> {
    const [judged] = await this.#options.dataSource.query<Row[]>(statement, parameters);
    if (judged === undefined) throw new Error('moving the cursors gave no answer');
    return judged;
  }

  /** Puts down what became of readings; those that did not move, another replica has moved. */
  #settle(
    readings: readonly Reading[],
    moved: ReadonlySet<number>,
    added: AddedDeliveries,
    known: ReadonlyMap<number, number>,
  ): void {
    for (const { partition, to, events: page, full } of readings) {
      const target = known.get(partition) ?? 0;
      if (!moved.has(partition)) {
        this.#positions.delete(partition);
        this.#mark(partition, target);
        continue;
      }
      this.#positions.set(partition, to);
      // A poll knows of no position, and a page may be cut by its size: only an empty one is the end for it.
      if (full || to < target || (target === 0 && page.length > 0)) this.#mark(partition, target);
    }
    for (const event of eventsOf(readings, moved)) eventsRead.inc({ type: event.type });
    deliveriesMade.inc(added.made);
    if (added.made === 0) return;
    this.#unwanted = 0;
    this.#options.onDeliveries(added);
  }

  async #loadPositions(partitions: readonly number[]): Promise<void> {
    if (partitions.length === 0) return;
    const rows = await this.#options.dataSource.query<CursorRow[]>(sql.POSITIONS, [partitions]);
    for (const { partition, position } of rows) this.#positions.set(partition, Number(position));
  }

  #failed(error: unknown, message: string, partition?: number): void {
    const level = error instanceof UnavailableError ? 'debug' : 'error';
    this.#options.logger[level]({ err: error, partition }, message);
  }

  #measure(partition: number, events: readonly Event[]): void {
    const [oldest] = events;
    if (oldest === undefined) this.#lag.delete(partition);
    else this.#lag.set(partition, Math.max(0, Date.now() - oldest.at) / 1000);
    lag.set(Math.max(0, ...this.#lag.values()));
  }

  /** Makes the deliveries of events. */
  async #make(
    manager: EntityManager,
    events: readonly Event[],
    { known, unknown }: PageExecutions,
  ): Promise<AddedDeliveries> {
    if (events.length === 0) return NOTHING;
    const ids = [...new Set(events.map((event) => event.executionId))];
    const configs = [...new Set(ids.flatMap((id) => known.get(id)?.config_id ?? []))];
    const callbacks = await manager.query<CallbackRow[]>(sql.CALLBACKS, [ids, configs]);
    const messages = new Map<string, { execution_id: string; version: number; event: Message }>();
    const deliveries: NewDelivery[] = [];
    const oldest = Date.now() - this.#options.maxAgeMs;
    for (const event of events) {
      const name = callbackEventOf(event.type);
      if (name === undefined || event.at < oldest) continue;
      const execution = known.get(event.executionId);
      if (execution === undefined) {
        if (unknown.has(event.executionId)) unknownExecutions.inc();
        continue;
      }
      const wanted = wantedBy(event, name, execution, callbacks);
      if (wanted.length === 0) continue;
      const version = event.version;
      const message = messageOf(event, name, execution);
      messages.set(`${event.executionId}/${version}`, { execution_id: event.executionId, version, event: message });
      deliveries.push(...wanted.map((one) => ({ ...one, message })));
    }
    if (deliveries.length === 0) return NOTHING;
    await manager.query(sql.KEEP_EVENTS, [JSON.stringify([...messages.values()])]);
    return this.#options.queue.add(manager, deliveries);
  }

  /** Deletes all that is kept of executions that were deleted, what waits to be delivered included. */
  async #forget(manager: EntityManager, events: readonly Event[]): Promise<void> {
    const ids = events.filter(({ type }) => type === DELETED).map(({ executionId }) => executionId);
    if (ids.length === 0) return;
    for (const statement of sql.FORGET) await manager.query(statement, [ids]);
  }

  /**
   * Keeps what will be needed when more is read of these executions: of every one while configs have callbacks, else of those
   * that name a callback_url or have a callback of their own. Of what is kept it is noted when an execution ends or is retried.
   */
  async #keep(
    manager: EntityManager,
    events: readonly Event[],
    known: ReadonlyMap<string, PageExecution>,
    all: boolean,
  ): Promise<void> {
    const lasts = new Map(events.map((event) => [event.executionId, event.type]));
    const changed = [...lasts].flatMap(([id, last]) => {
      const execution = known.get(id);
      if (execution === undefined) return [];
      const { kept, own, callback_url_gone: _gone, ...columns } = execution;
      const ended = isTerminalEventType(last);
      const wanted = all || own || columns.callback_url !== null;
      return (kept === 'not' ? wanted : ended !== (kept === 'ended')) ? [{ ...columns, ended }] : [];
    });
    if (changed.length > 0) await manager.query(sql.KEEP, [JSON.stringify(changed)]);
  }
}

/** The first three parameters of every statement that moves cursors. */
function cursorMoves(readings: readonly Reading[]): [number[], number[], number[]] {
  return [readings.map(({ partition }) => partition), readings.map(({ from }) => from), readings.map(({ to }) => to)];
}

function eventsOf(readings: readonly Reading[], partitions: ReadonlySet<number>): Event[] {
  return readings.flatMap(({ partition, events }) => (partitions.has(partition) ? events : []));
}

function wantedBy(
  event: Event,
  name: CallbackEvent,
  execution: PageExecution,
  callbacks: readonly CallbackRow[],
): Omit<NewDelivery, 'message'>[] {
  const common = {
    executionId: event.executionId,
    tenantId: execution.tenant_id,
    event: name,
    version: event.version,
    position: event.position,
    userId: execution.user_id,
    channelIndex: 0,
  };
  const wanted: Omit<NewDelivery, 'message'>[] = callbacks
    .filter(
      (callback) =>
        // A global config has callbacks of several tenants: each hears of its own executions.
        callback.tenant_id === execution.tenant_id &&
        (callback.execution_id === event.executionId || callback.config_id === execution.config_id) &&
        callback.events.includes(name),
    )
    .map(({ id, channel, fallback }) => ({ ...common, callbackId: id, channels: [channel, ...fallback] }));
  const { callback_url: url, callback_url_gone: gone } = execution;
  if (url !== null && url !== '' && !gone && SHORT_FORM_EVENTS.has(name)) {
    wanted.push({
      ...common,
      callbackId: null,
      channels: [{ type: 'webhook', callback_url: url, callback_method: 'POST', callback_headers: {} }],
    });
  }
  return wanted;
}
