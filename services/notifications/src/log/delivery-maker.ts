import { CALLBACK_EVENTS, isTerminalEventType } from '@batuta/contracts';
import type { CallbackEvent, Event, EventType } from '@batuta/contracts';
import { LogReader, cursorMoves } from '@batuta/log-reader';
import type { Committed, LogFollower, LogPass, Reading } from '@batuta/log-reader';
import type { ControlClient } from '@batuta/messaging';
import { counter, gauge } from '@batuta/observability';
import type { Logger } from '@batuta/observability';
import type { DataSource, EntityManager } from 'typeorm';
import type { ChannelDefinition } from '../callbacks/channel-definition.js';
import type { AddedDeliveries, NewDelivery } from '../deliveries/delivery.js';
import type { DeliveryQueue } from '../deliveries/delivery-queue.js';
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

interface DeliveryMakerOptions {
  readonly dataSource: DataSource;
  readonly control: ControlClient;
  readonly queue: DeliveryQueue;
  readonly logger: Logger;
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

type JudgedAll = Omit<Judged, 'configs'>;

interface Judged {
  /** Whether any config has an enabled callback. Then events of every execution may be wanted. */
  readonly configs: boolean;
  readonly wanted: boolean;
  readonly moved: readonly number[];
}

/** Reads the log and makes the deliveries. */
export function deliveryLogReader(options: DeliveryMakerOptions & { readonly pollMs: number }): LogReader {
  const { dataSource, control, logger, pollMs } = options;
  return new LogReader({
    control,
    logger,
    pollMs,
    cursors: sql.CURSORS,
    query: (text, values) => dataSource.query(text, values),
    follower: new DeliveryMaker(options),
  });
}

/**
 * Makes deliveries from events. One transaction stores deliveries and moves the cursors.
 *
 * While no callback wants the events, one statement checks this and moves the cursors, and nothing is stored about the
 * executions. After some such passes, only starts that name a callback_url are read, as long as no callback is enabled.
 *
 * A callback gets every event after the answer to the request that made it: such an event was committed after the
 * callback, and the check for callbacks runs later still. The callback may miss any earlier event.
 */
class DeliveryMaker implements LogFollower {
  readonly #options: DeliveryMakerOptions;
  /** Passes since the last one that made a delivery. */
  #unwanted = 0;
  /** Full passes to make before a quick pass is allowed again. */
  #fullPasses = 0;
  readonly #full: LogPass = { select: { types: TYPES }, commit: (readings) => this.#commit(readings) };
  /** Of starts only those that name a callback_url, and of later events only retries. */
  readonly #quick: LogPass = {
    select: { types: CALLED_BACK, onlyCalledBackStarts: true },
    commit: (readings) => this.#passQuietly(readings),
  };

  constructor(options: DeliveryMakerOptions) {
    this.#options = options;
  }

  passes(): readonly LogPass[] {
    if (this.#unwanted < UNWANTED_PASSES) return [this.#full];
    if (this.#fullPasses > 0) {
      this.#fullPasses -= 1;
      return [this.#full];
    }
    return [this.#quick, this.#full];
  }

  pauseMs(): number {
    const pause = this.#unwanted < UNWANTED_PASSES ? BUSY_PAUSE_MS : UNWANTED_PAUSE_MS;
    this.#unwanted += 1;
    return pause;
  }

  lag(seconds: number): void {
    lag.set(seconds);
  }

  /**
   * Moves the cursors without reading the skipped events. This works only if no callback may want them and no start
   * names a callback_url.
   */
  async #passQuietly(readings: readonly Reading[]): Promise<Committed | undefined> {
    if (readings.some(({ events }) => events.length > 0)) return undefined;
    const judged = await this.#judge<JudgedAll>(sql.MOVE_UNLESS_ANYBODY, cursorMoves(readings));
    if (judged.wanted) {
      this.#fullPasses = FULL_PASSES;
      return undefined;
    }
    return this.#count(readings, new Set(judged.moved), NOTHING);
  }

  async #commit(readings: readonly Reading[]): Promise<Committed> {
    const { dataSource, logger } = this.#options;
    const judged = await this.#moveUnlessWanted(readings);
    if (!judged.wanted) return this.#count(readings, new Set(judged.moved), NOTHING);
    const events = readings.flatMap((reading) => reading.events);
    const executions = await executionsOf(this.#options, events, judged.configs);
    const { unanswered, failure } = executions;
    if (failure !== undefined) {
      logger.debug({ err: failure }, 'the starts of executions cannot be requested; the next poll continues');
    }
    const ready = readings.filter((reading) => !reading.events.some((event) => unanswered.has(event.executionId)));
    const postponed = new Set(readings.filter((reading) => !ready.includes(reading)).map((one) => one.partition));
    if (ready.length === 0) return { moved: new Set(), postponed };
    const { moved, added } = await dataSource.transaction(async (manager) => {
      const [rows] = await manager.query<[{ partition: number }[], number]>(sql.CURSORS.move, cursorMoves(ready));
      const partitions = new Set(rows.map(({ partition }) => partition));
      const found = eventsOf(ready, partitions);
      const made = await this.#make(manager, found, executions);
      // After the locks of the deliveries' orders: the same sequence as when a short form is closed.
      await this.#keep(manager, found, executions.known, judged.configs);
      await this.#forget(manager, found);
      return { moved: partitions, added: made };
    });
    return { ...this.#count(ready, moved, added), postponed };
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

  /** Counts what was done with readings. */
  #count(readings: readonly Reading[], moved: ReadonlySet<number>, added: AddedDeliveries): Committed {
    for (const event of eventsOf(readings, moved)) eventsRead.inc({ type: event.type });
    deliveriesMade.inc(added.made);
    if (added.made > 0) {
      this.#unwanted = 0;
      this.#options.onDeliveries(added);
    }
    return { moved };
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
