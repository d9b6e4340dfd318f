import type { OutputPart } from '@batuta/contracts';
import type { Queryable } from '@batuta/service';
import type { Clock, EngineLog } from '../partitions/ports/ports.js';
import { STORE_PARTS } from './sql.js';

/** Limits of one statement. */
const BATCH_PARTS = 500;
const BATCH_BYTES = 1024 * 1024;
/** Parts that come within this time are stored together. */
const GATHER_MS = 5;
const RETRY_MS = 250;
/** Bytes that a part counts besides its texts. */
const PART_COST = 100;

/** The attempt that a part belongs to. */
interface Attempt {
  readonly executionId: string;
  readonly stepId: string;
  readonly attempt: number;
}

/** A part that is to be stored. */
export interface NumberedPart<Of extends Attempt> extends OutputPart {
  readonly of: Of;
  readonly seq: number;
  readonly at: number;
}

interface PartWriterParts<Of extends Attempt> {
  readonly clock: Clock;
  readonly log: EngineLog;
  readonly pool: Queryable;
  readonly stored: (batch: readonly NumberedPart<Of>[]) => void;
}

/** Stores parts in batches. Tenants take turns. What cannot be stored now is tried again. */
export class PartWriter<Of extends Attempt> {
  readonly #parts: PartWriterParts<Of>;
  /** Parts that are to be stored, of each tenant in their order. */
  readonly #queues = new Map<string, NumberedPart<Of>[]>();
  #waitingBytes = 0;
  #storing: Promise<void> | undefined;
  #cancelGather: (() => void) | undefined;
  #stopped = false;

  constructor(parts: PartWriterParts<Of>) {
    this.#parts = parts;
  }

  /** Bytes that are not stored yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Stores the parts that wait. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelGather?.();
    await this.#storing;
    if (this.#queues.size > 0) await this.#store(true);
  }

  /** Stores parts of an attempt soon. The first one has the number `from`. */
  add(tenantId: string, of: Of, from: number, taken: readonly OutputPart[], at: number): void {
    let queue = this.#queues.get(tenantId);
    if (queue === undefined) this.#queues.set(tenantId, (queue = []));
    for (const [place, part] of taken.entries()) {
      queue.push({ ...part, of, seq: from + place, at });
      this.#waitingBytes += costOf(part);
    }
    if (this.#storing === undefined) {
      this.#cancelGather ??= this.#parts.clock.after(GATHER_MS, () => this.#startStoring());
    }
  }

  #startStoring(): void {
    this.#cancelGather = undefined;
    this.#storing ??= this.#store(false);
  }

  /** Stores all parts that wait, in batches. With `once`, parts that cannot be stored now are left: their senders send them to another owner. */
  async #store(once: boolean): Promise<void> {
    for (;;) {
      const batch = this.#nextBatch();
      if (batch.length === 0) {
        // Set in the same turn in which nothing is left, so that the next part starts storing again.
        this.#storing = undefined;
        return;
      }
      for (;;) {
        try {
          await this.#write(batch);
          break;
        } catch (error) {
          this.#parts.log.warn({ err: error, parts: batch.length }, 'partial output cannot be stored now');
          if (once || this.#stopped) return;
          await new Promise<void>((resolve) => this.#parts.clock.after(RETRY_MS, resolve));
        }
      }
      for (const part of batch) this.#waitingBytes -= costOf(part);
      this.#parts.stored(batch);
    }
  }

  /** Some parts of each tenant in turn, so that a tenant with much output delays others by one batch at most. */
  #nextBatch(): NumberedPart<Of>[] {
    const batch: NumberedPart<Of>[] = [];
    let bytes = 0;
    for (let more = true; more;) {
      more = false;
      for (const [tenantId, queue] of this.#queues) {
        const share = queue.splice(0, 50);
        batch.push(...share);
        for (const part of share) bytes += costOf(part);
        if (queue.length === 0) this.#queues.delete(tenantId);
        else more = true;
        if (batch.length >= BATCH_PARTS || bytes >= BATCH_BYTES) {
          // The next turn of this tenant comes after those of the others.
          if (queue.length > 0) {
            this.#queues.delete(tenantId);
            this.#queues.set(tenantId, queue);
          }
          return batch;
        }
      }
    }
    return batch;
  }

  async #write(batch: readonly NumberedPart<Of>[]): Promise<void> {
    await this.#parts.pool.query({
      ...STORE_PARTS,
      values: [
        batch.map(({ of }) => of.executionId),
        batch.map(({ of }) => of.stepId),
        batch.map(({ of }) => of.attempt),
        batch.map(({ seq }) => seq),
        batch.map(({ at }) => at),
        batch.map(({ kind }) => kind),
        batch.map(({ text }) => text),
        batch.map(({ id }) => id ?? null),
        batch.map(({ name }) => name ?? null),
      ],
    });
  }
}

const costOf = ({ text }: OutputPart): number => text.length * 2 + PART_COST;
