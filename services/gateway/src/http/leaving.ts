import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';

/** Calls a listener once when the client's connection closes before the answer. */
export interface Leaving {
  readonly gone: boolean;
  /** Replaces the previous listener. */
  onGone(listener: (() => void) | undefined): void;
}

/** Watches the connection of an answer that takes time. */
export function leavingOf(reply: FastifyReply): Leaving {
  return new ResponseLeaving(reply.raw);
}

// A class and not an object literal with a getter: V8 stores such a literal as a hash table, which cost more than
// everything else here.
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
