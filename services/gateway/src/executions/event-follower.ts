import { CLOSE } from '../realtime/close-codes.js';
import type { ClientSocket } from '../realtime/client-socket.js';
import type { Follower } from './follower.js';
import type { ServedEvent } from './served-event.js';

/** Sends an execution's events to one socket and ends with the terminal one. */
export class EventFollower implements Follower {
  readonly #socket: ClientSocket;
  readonly #onFinished: (last: ServedEvent | undefined) => void;
  nextVersion: number;

  constructor(
    socket: ClientSocket,
    fromVersion: number,
    /** Called with the terminal event, or undefined when that event is before the requested version. */
    onFinished: (last: ServedEvent | undefined) => void = () => socket.close(CLOSE.finished, 'the execution has ended'),
  ) {
    this.#socket = socket;
    this.#onFinished = onFinished;
    this.nextVersion = fromVersion;
  }

  get closed(): boolean {
    return this.#socket.closed;
  }

  deliver(events: readonly ServedEvent[], ended: boolean): void {
    this.#socket.send(events.map(({ bytes }) => bytes));
    if (ended) this.#onFinished(events.at(-1));
  }

  nothingMore(): void {
    this.#onFinished(undefined);
  }

  drained(): Promise<void> {
    return this.#socket.drained();
  }
}
