import type { Priority } from '@batuta/contracts';
import type { Msg, MsgHdrs } from '@nats-io/nats-core';

/** A task that reached the pool without going through its queue. */
export interface DirectDelivery extends Delivery {
  /** Gives the slot back. The pool that takes the task sets it. */
  onFreeSlot: (() => void) | undefined;
}

/** One delivery of a task. Its lease is renewed from its arrival until `ack`, `nak` or `drop` settles it. */
export interface Delivery {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
  readonly priority: Priority;
  /** Size of the task as it arrived, in bytes; 0 for a task that takes no memory of its own. */
  readonly bytes: number;
  /** 1 for the first delivery. JetStream counts it, and starts again when the consumer is recreated. */
  readonly deliveries: number;
  readonly settled: boolean;
  /** Releases the memory of `data`, once the task was read. */
  letGo(): void;
  /** Gives the slot to another task, because the agent is done and only the engine's answer is missing. */
  freeSlot(): void;
  /** The task is done: the queue removes it. */
  ack(): void;
  /** Hands the task back. It is delivered again at once, or after `delayMs` milliseconds. */
  nak(delayMs?: number): void;
  /** The task can never be run: the queue removes it without counting it as done. */
  drop(): void;
}

const encoder = new TextEncoder();
const ACK = encoder.encode('+ACK');
const NAK = encoder.encode('-NAK');
const TERM = encoder.encode('+TERM');
/**
 * Data of a larger message are copied. The client reads such a message into a buffer that grows by doubling, most of
 * which may be empty.
 */
const LARGEST_UNCOPIED = 64 * 1024;
const NO_DATA = new Uint8Array();

/** What a delivery needs from the loop of its pool. */
interface SettlingLoop {
  settle(delivery: QueuedDelivery, verdict: Uint8Array): void;
}

/** What a delivery needs from the queue that it came from. */
interface DeliveringQueue {
  readonly priority: Priority;
  readonly generation: number;
}

/** A delivery of a task that came from the queue. */
export class QueuedDelivery implements Delivery {
  readonly #loop: SettlingLoop;
  readonly #queue: DeliveringQueue;
  readonly #generation: number;
  settled = false;
  onFreeSlot: (() => void) | undefined;
  /** When its lease was last renewed, by `performance.now()`. */
  touched = performance.now();
  readonly subject: string;
  readonly headers: MsgHdrs | undefined;
  readonly bytes: number;
  #data: Uint8Array;

  constructor(
    /** Unique in this process. */
    readonly id: number,
    loop: SettlingLoop,
    { subject, headers, data }: Msg,
    readonly reply: string,
    queue: DeliveringQueue,
    readonly deliveries: number,
    /**
     * The generation of its queue. An acknowledgement must not reach a consumer or a stream that was created after the
     * original was lost.
     */
    generation: number,
  ) {
    this.#loop = loop;
    this.#queue = queue;
    this.#generation = generation;
    this.subject = subject;
    this.headers = headers;
    this.bytes = data.length;
    // Keeps no reference to the message: its parts are views of the buffer that it was read into.
    this.#data = data.length > LARGEST_UNCOPIED ? data.slice() : data;
  }

  get priority(): Priority {
    return this.#queue.priority;
  }

  /** Whether the server still knows the delivery by its reply subject. */
  get known(): boolean {
    return this.#generation === this.#queue.generation;
  }

  get data(): Uint8Array {
    return this.#data;
  }

  letGo(): void {
    this.#data = NO_DATA;
  }

  freeSlot(): void {
    this.onFreeSlot?.();
  }

  ack(): void {
    this.#loop.settle(this, ACK);
  }

  nak(delayMs = 0): void {
    this.#loop.settle(this, delayMs > 0 ? encoder.encode(`-NAK {"delay":${delayMs * 1e6}}`) : NAK);
  }

  drop(): void {
    this.#loop.settle(this, TERM);
  }
}
