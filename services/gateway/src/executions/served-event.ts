import { eventToUserJson, isTerminalEventType } from '@batuta/contracts';
import type { Event } from '@batuta/contracts';

/** One event for its followers. It is serialised to JSON once for all of them. */
export class ServedEvent {
  #bytes: Buffer | undefined;

  constructor(readonly event: Event) {}

  get version(): number {
    return this.event.version;
  }

  get isTerminal(): boolean {
    return isTerminalEventType(this.event.type);
  }

  /** The event in the form of the API, as UTF-8 JSON. */
  get bytes(): Buffer {
    this.#bytes ??= Buffer.from(JSON.stringify(eventToUserJson(this.event)));
    return this.#bytes;
  }
}
