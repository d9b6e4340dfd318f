import { setTimeout as delay } from 'node:timers/promises';
import type { OutputPlace, OutputPublished, ReadStreamReply } from '@batuta/contracts';
import { itemsOf, partItem } from './stream-items.js';
import type { StreamItem } from './stream-items.js';

/** How many messages are kept while the store is read. If more come, the store is read again. */
const MOST_HEARD = 500;
/** Output that was published may be stored this much later. */
const STORED_AFTER_MS = 40;
const BEGINNING: OutputPlace = { attempt: 0, seq: 0 };

interface StepStreamParts {
  /** Parts and ends after a place. */
  read(place: OutputPlace): Promise<ReadStreamReply>;
  /** Receives the next items, in order. */
  deliver(items: readonly StreamItem[]): void;
  /** Resolves when what was delivered has left the process. */
  drained(): Promise<void>;
  readonly closed: boolean;
  /** Reading failed. The follower must connect again. */
  failed(error: unknown): void;
}

/**
 * The output of one step for one follower: every part and end once, in order. Parts come from messages, which may be lost or doubled, and
 * from the store, which has all of them a moment later. Only the part after the last one is delivered, so nothing is left out and nothing
 * comes twice.
 */
export class StepStream {
  readonly #parts: StepStreamParts;
  #place: OutputPlace;
  #heard: OutputPublished[] = [];
  #reading: Promise<void> | undefined;
  #readAgain = false;
  /** The last answer said that no more attempts come. */
  over = false;
  /** Version of the execution when the store was first read. */
  version = 0;

  constructor(
    readonly stepId: string,
    place: OutputPlace | undefined,
    parts: StepStreamParts,
  ) {
    this.#parts = parts;
    this.#place = place ?? BEGINNING;
  }

  get place(): OutputPlace {
    return this.#place;
  }

  heard(output: OutputPublished): void {
    if (this.#reading !== undefined) {
      if (this.#heard.length < MOST_HEARD) this.#heard.push(output);
      this.#readAgain ||= this.#heard.length >= MOST_HEARD;
      return;
    }
    if (!this.#take(output)) void this.catchUp();
  }

  /** Reads stored items that were not delivered yet. Never rejects. */
  catchUp(): Promise<void> {
    if (this.#reading !== undefined) {
      this.#readAgain = true;
      return this.#reading;
    }
    this.#reading = this.#read();
    return this.#reading;
  }

  /** Delivers the parts of a message that come next. False when an earlier part is missing. */
  #take({ stepId, attempt, from, parts, at }: OutputPublished): boolean {
    const { attempt: now, seq } = this.#place;
    if (attempt < now || (attempt === now && seq === Infinity)) return true;
    const begins = attempt > now && (now === 0 ? attempt === 1 : attempt === now + 1 && seq === Infinity);
    if (attempt > now && !begins) return false;
    const last = begins ? 0 : seq;
    if (from > last + 1) return false;
    const fresh = parts.slice(last + 1 - from);
    if (fresh.length === 0) return true;
    this.#deliver(fresh.map((part, place) => partItem(stepId, { ...part, attempt, seq: last + 1 + place, at })));
    return true;
  }

  #deliver(items: readonly StreamItem[]): void {
    const last = items.at(-1);
    if (last === undefined || this.#parts.closed) return;
    this.#place = { attempt: last.attempt, seq: last.seq };
    this.#parts.deliver(items);
  }

  /** Reads until nothing is left. It ends in the same turn, so that the next message starts a new read. */
  async #read(): Promise<void> {
    try {
      await this.#readOn(() => {
        this.#reading = undefined;
      });
    } catch (error) {
      this.#reading = undefined;
      this.#parts.failed(error);
    }
  }

  async #readOn(done: () => void): Promise<void> {
    for (;;) {
      this.#readAgain = false;
      const reply = await this.#parts.read(this.#place);
      if (this.#parts.closed) return done();
      if (this.version === 0) this.version = reply.version ?? 0;
      this.#deliver(itemsOf(this.stepId, reply).filter((item) => isBehind(item, this.#place)));
      if (reply.more === true) {
        await this.#parts.drained();
        continue;
      }
      this.over = reply.over === true;
      const heard = this.#heard.splice(0);
      const early = heard.find((output) => !this.#take(output));
      if (early !== undefined && !this.over) {
        await delay(STORED_AFTER_MS);
        continue;
      }
      if (!this.#readAgain) return done();
    }
  }
}

const isBehind = (item: OutputPlace, place: OutputPlace): boolean =>
  item.attempt > place.attempt || (item.attempt === place.attempt && item.seq > place.seq);
