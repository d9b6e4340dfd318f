import { eventToUserJson, isTerminalEventType } from '@batuta/contracts';
import type { Event } from '@batuta/contracts';

/** One event on its way to its watchers, written as JSON once for all of them. */
export class ServedEvent {
  #bytes: Buffer | undefined;

  constructor(readonly event: Event) {}

  get version(): number {
    return this.event.version;
  }

  get isTerminal(): boolean {
    return isTerminalEventType(this.event.type);
  }

  /** The event as users meet it, as UTF-8 JSON. */
  get bytes(): Buffer {
    this.#bytes ??= Buffer.from(JSON.stringify(eventToUserJson(this.event)));
    return this.#bytes;
  }
}
