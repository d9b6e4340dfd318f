import type { FastifyReply } from 'fastify';

/** Told once when the client's connection is gone before it was answered. */
export interface Leaving {
  readonly gone: boolean;
  /** Replaces the listener of before. */
  onGone(listener: (() => void) | undefined): void;
}

/** Watches the connection of an answer that takes its time. */
export function leavingOf(reply: FastifyReply): Leaving {
  const response = reply.raw;
  let gone = response.destroyed;
  let listener: (() => void) | undefined;
  response.once('close', () => {
    if (response.writableFinished) return;
    gone = true;
    listener?.();
  });
  return {
    get gone() {
      return gone;
    },
    onGone(next) {
      listener = next;
    },
  };
}
