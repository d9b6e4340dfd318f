import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';

/** Told once when the client's connection is gone before it was answered. */
export interface Leaving {
  readonly gone: boolean;
  /** Replaces the listener of before. */
  onGone(listener: (() => void) | undefined): void;
}

/** Watches the connection of an answer that takes its time. */
export function leavingOf(reply: FastifyReply): Leaving {
  return new ResponseLeaving(reply.raw);
}

// V8 keeps what an object literal with a getter makes as a hash table, which cost more than all else here.
class ResponseLeaving implements Leaving {
  gone: boolean;
  #listener: (() => void) | undefined;

  constructor(response: ServerResponse) {
    this.gone = response.destroyed;
    response.once('close', () => {
      if (response.writableFinished) return;
      this.gone = true;
      this.#listener?.();
    });
  }

  onGone(listener: (() => void) | undefined): void {
    this.#listener = listener;
  }
}
