import type { OutgoingTask } from '../../src/partitions/ports/ports.js';
import type { World } from './world.js';

export interface QueuedTask {
  readonly sequence: number;
  readonly task: OutgoingTask;
  deliveries: number;
  /** Not delivered again before this time. */
  invisibleUntil: number;
}

const DEDUP_MS = 120_000;
export const ACK_WAIT_MS = 2_000;

/** A model of the JetStream work queue: deduplication by message id, redelivery after ack_wait, acks by sequence. */
export class TaskQueue {
  readonly #world: World;
  #messages: QueuedTask[] = [];
  #seen = new Map<string, number>();
  #created = 1;
  #exists = false;
  lastSequence = 0;
  /** Called when something may be delivered. */
  ready: () => void = () => undefined;

  constructor(world: World) {
    this.#world = world;
  }

  get identity(): { created: string; lastSequence: number } | undefined {
    return this.#exists ? { created: String(this.#created), lastSequence: this.lastSequence } : undefined;
  }

  ensure(): void {
    if (this.#exists) return;
    this.#exists = true;
    this.#created += 1;
  }

  publish(task: OutgoingTask): 'stored' | 'stream_missing' {
    if (!this.#exists) return 'stream_missing';
    const seen = this.#seen.get(task.messageId);
    if (seen !== undefined && seen > this.#world.now - DEDUP_MS) {
      this.#world.note('queue', () => `drops ${task.messageId}: a repeat`);
      return 'stored';
    }
    this.#seen.set(task.messageId, this.#world.now);
    this.lastSequence += 1;
    this.#messages.push({ sequence: this.lastSequence, task, deliveries: 0, invisibleUntil: 0 });
    this.#world.after(0, () => this.ready());
    return 'stored';
  }

  holds(subject: string): boolean {
    return this.#messages.some((message) => message.task.subject === subject);
  }

  /** Tasks that were delivered and not finished. */
  get taken(): number {
    return this.#messages.filter(({ deliveries }) => deliveries > 0).length;
  }

  /** The next task, out of order when the world is troubled. */
  take(): QueuedTask | undefined {
    const { now } = this.#world;
    const visible = this.#messages.filter((message) => message.invisibleUntil <= now);
    const taken = this.#world.strikes(0.2) ? this.#world.random.pick(visible) : visible[0];
    if (taken === undefined) return undefined;
    taken.deliveries += 1;
    this.extend(taken.sequence);
    return taken;
  }

  /** Keeps a delivered task away from others for another ack_wait. */
  extend(sequence: number): void {
    const message = this.#messages.find((item) => item.sequence === sequence);
    if (message === undefined) return;
    message.invisibleUntil = this.#world.now + ACK_WAIT_MS;
    this.#world.after(ACK_WAIT_MS, () => this.ready());
  }

  /** Handed back: delivered again at once, or later. */
  nak(sequence: number, delayMs = 0): void {
    const message = this.#messages.find((item) => item.sequence === sequence);
    if (message === undefined) return;
    message.invisibleUntil = this.#world.now + delayMs;
    this.#world.after(delayMs, () => this.ready());
  }

  /** Whether a task waits for a runner. */
  get waits(): boolean {
    return this.#messages.some((message) => message.invisibleUntil <= this.#world.now);
  }

  /** Removes whatever has that sequence now: after a wipe that can be another task. */
  ack(sequence: number): void {
    this.#messages = this.#messages.filter((message) => message.sequence !== sequence);
  }

  /** Loses acknowledged messages, which the queue's identity does not tell. */
  strand(): void {
    const [lost] = this.#world.random.some(this.#messages, 0.5);
    if (lost === undefined) return;
    this.#world.note('queue', () => `loses ${lost.task.messageId} silently`);
    this.ack(lost.sequence);
  }

  /** The whole store is deleted; without `remake` the stream is missing until somebody makes it. */
  wipe(remake: boolean): void {
    this.#world.note('queue', () => `is wiped${remake ? ' and made anew' : ''}`);
    this.#messages = [];
    this.#seen = new Map();
    this.#exists = false;
    this.lastSequence = 0;
    if (remake) this.ensure();
  }
}
