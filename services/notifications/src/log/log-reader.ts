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

/** No callback gets these events, but after them the execution is running again. */
const TAKEN_UP: readonly EventType[] = ['ExecutionRetried', 'ExecutionReopened'];
/**
 * No callback gets this event. Everything stored about the execution is deleted, and its open deliveries are not sent.
 */
const DELETED: EventType = 'ExecutionDeleted';
const TYPES: EventType[] = [...Object.values(CALLBACK_EVENTS), ...TAKEN_UP, DELETED];
/**
 * Most events of one reading, over all its partitions. Their payloads together must fit into a message; the execution
 * service ensures this.
 */
const READING = 3_200;
/** Most events of one partition in a reading. */
const PAGE = 200;
/** Partitions that are read and committed together. */
const ROUND = 64;
/** Milliseconds between the starts of two passes while there are new events. */
const BUSY_PAUSE_MS = 25;
/** The same when the last passes found no wanted events. So the first wanted event waits this long at most. */
const UNWANTED_PAUSE_MS = 75;
/** Passes without a delivery before the longer pause. */
const UNWANTED_PASSES = 4;
/** After a refused quick pass, this many full passes follow before the next quick pass. */
const FULL_PASSES = 50;
/**
 * The events to read while no callback is enabled: starts that name a callback_url, and events after which such a start
 * may matter again.
 */
const CALLED_BACK: EventType[] = ['ExecutionStarted', ...TAKEN_UP, DELETED];
/** The events of the short form: the ends of an execution. */
const SHORT_FORM_EVENTS: ReadonlySet<CallbackEvent> = new Set(['completed', 'failed', 'cancelled']);

const NOTHING: AddedDeliveries = { made: 0, waiting: 0, atOnce: [] };

const eventsRead = counter('batuta_notifications_events_read_total', 'Events read from the log, by type', ['type']);
const deliveriesMade = counter('batuta_notifications_deliveries_created_total', 'Deliveries made from events');
const unknownExecutions = counter(
  'batuta_notifications_events_without_execution_total',
  'Events of executions whose start is unknown',
);
const lag = gauge(
  'batuta_notifications_cursor_lag_seconds',
  'Age of the oldest event in the last reading, the largest of all partitions; 0 when everything is read',
);

export interface LogReaderOptions {
  readonly dataSource: DataSource;
  readonly control: ControlClient;
  readonly queue: DeliveryQueue;
  readonly logger: Logger;
  readonly pollMs: number;
  /** Older events are not delivered any more. */
  readonly maxAgeMs: number;
  /** Called when new deliveries are committed. */
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
  /** Whether any config has an enabled callback. Then events of every execution may be wanted. */
  readonly configs: boolean;
  readonly wanted: boolean;
  readonly moved: readonly number[];
}

/** The result of reading one partition. */
interface Reading {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  readonly events: readonly Event[];
  /** Whether the page may have been cut, so that there may be more. */
  readonly full: boolean;
}

/**
 * Reads every partition's log and makes the deliveries. One transaction stores deliveries and moves the cursors. A
 * cursor moves only if it is still where the reading began, so replicas that read the same events make nothing twice.
 * Partitions with new events at the same time share a transaction.
 *
 * While no callback wants the events, one statement checks this and moves the cursors, and nothing is stored about the
 * executions. After some such passes, only starts that name a callback_url are read, as long as no callback is enabled.
 *
 * A callback gets every event after the answer to the request that made it: such an event was committed after the
 * callback, and the check for callbacks runs later still. The callback may miss any earlier event.
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
  #lastPass = -Infinity;
  /** Passes since the last one that made a delivery. */
  #unwanted = 0;
  /** Full passes to make before a quick pass is allowed again. */
  #fullPasses = 0;
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
        this.#failed(error, 'reading the log failed; the next poll continues');
      }
    }
  }

  /** Waits a little between passes, so that each pass reads several events and not only one. */
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
      // One by one, so that a partition with an event that cannot be stored does not stop the others.
      for (const one of news) {
        await this.#commit([one], round).catch((alone: unknown) =>
          this.#failed(alone, 'a partition could not be read', one.partition),
        );
      }
    }
  }

  /**
   * Moves the cursors without reading the skipped events. This works only if no callback may want them and no start
   * names a callback_url. Returns whether this was possible.
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
   * that name a callback_url, and of later events only retries.
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
      this.#failed(error, 'reading the log failed; the next poll continues');
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
    if (failure !== undefined) {
      this.#failed(failure, 'the starts of executions cannot be requested; the next poll continues');
    }
    const ready = readings.filter((reading) => !reading.events.some((event) => unanswered.has(event.executionId)));
    if (ready.length === 0) return;
    const { moved, added } = await dataSource.transaction(async (manager) => {
      const [rows] = await manager.query<[{ partition: number }[], number]>(sql.MOVE, cursorMoves(ready));
      const partitions = new Set(rows.map(({ partition }) => partition));
      const found = eventsOf(ready, partitions);
      const made = await this.#make(manager, found, executions);
      // After the locks of the deliveries' orders: the same sequence as when a short form is closed.
      await this.#keep(manager, found, executions.known, judged.configs);
      await this.#forget(manager, found);
      return { moved: partitions, added: made };
    });
    this.#settle(ready, moved, added, known);
  }

  async #moveUnlessWanted(readings: readonly Reading[]): Promise<Judged> {
    const events = readings.flatMap((reading) => reading.events);
    const ids = new Set(events.map(({ executionId }) => executionId));
    // When an execution runs again, its start is requested again, because the stored facts of an ended execution may be
    // removed.
    const itself = events.some(
      (event) =>
        event.type === DELETED ||
        TAKEN_UP.includes(event.type) ||
        (event.type === 'ExecutionStarted' && Boolean(event.data.callbackUrl)),
    );
    return this.#judge<Judged>(sql.MOVE_UNLESS_WANTED, [...cursorMoves(readings), [...ids], itself]);
  }

  /** Runs a statement that moves cursors only if its own check allows it. */
  async #judge<Row extends JudgedAll>(statement: string, parameters: unknown[]): Promise<Row> {
    const [judged] = await this.#options.dataSource.query<Row[]>(statement, parameters);
    if (judged === undefined) throw new Error('moving the cursors gave no answer');
    return judged;
  }

  /** Updates the state after readings. Another replica has moved the cursors that did not move here. */
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
      // A poll knows no position, and a page may be cut by its size. So only an empty page means that a partition is
      // read to its end.
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

  /** Makes the deliveries for events. */
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

  /** Deletes everything stored about deleted executions, including open deliveries. */
  async #forget(manager: EntityManager, events: readonly Event[]): Promise<void> {
    const ids = events.filter(({ type }) => type === DELETED).map(({ executionId }) => executionId);
    if (ids.length === 0) return;
    for (const statement of sql.FORGET) await manager.query(statement, [ids]);
  }

  /**
   * Stores what later events of these executions will need: for every execution while configs have callbacks, else for
   * those that name a callback_url or have their own callback. For stored executions, it records ends and retries.
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
        // A global config has callbacks of several tenants. Each callback gets only events of its own tenant's
        // executions.
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
