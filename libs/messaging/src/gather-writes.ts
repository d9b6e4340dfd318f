import type { NatsConnection } from '@nats-io/nats-core';

/**
 * The part of the client's transport that is used here. It is private to the client, so the client's version is pinned.
 */
interface Transport {
  _send?: (frame: Uint8Array) => Promise<void>;
}

interface Gathering {
  /** The next frame is written without waiting for the end of the turn. */
  atOnce: boolean;
}

const gathering = new WeakMap<Transport, Gathering>();

function transportOf(nc: NatsConnection): Transport | undefined {
  return (nc as unknown as { protocol?: { transport?: Transport } }).protocol?.transport;
}

/**
 * Writes the message that was just published at once, instead of with the rest of this turn of the event loop. Use it
 * for a message that must not be lost when the process is killed during a long turn.
 */
export function writeAtOnce(nc: NatsConnection): void {
  const transport = transportOf(nc);
  const state = transport === undefined ? undefined : gathering.get(transport);
  if (state !== undefined) state.atOnce = true;
}

/** A larger write is not gathered: copying it would cost more than the saved system call. */
const LARGEST_GATHERED_BYTES = 64 * 1024;

/**
 * Joins everything that one turn of the event loop sends into one write. The client itself writes once per microtask.
 * With hundreds of requests in flight, that is one system call per message, which took a third of all CPU time.
 *
 * Call it again after each reconnect, because a reconnect has a new transport. It does nothing if the client's private
 * parts are not as expected.
 */
export function gatherWrites(nc: NatsConnection): void {
  const transport = transportOf(nc);
  if (typeof transport?._send !== 'function' || gathering.has(transport)) return;
  const state: Gathering = { atOnce: false };
  gathering.set(transport, state);
  const send = transport._send.bind(transport);
  let frames: Uint8Array[] = [];
  let bytes = 0;
  let written: Promise<void> | undefined;
  let scheduled = false;
  let settle: (outcome: Promise<void>) => void = () => undefined;

  const flush = (): void => {
    if (frames.length === 0) return;
    const [only] = frames;
    const all = frames.length === 1 && only !== undefined ? only : Buffer.concat(frames, bytes);
    frames = [];
    bytes = 0;
    written = undefined;
    settle(send(all));
  };
  transport._send = (frame) => {
    frames.push(frame);
    bytes += frame.length;
    if (written === undefined) {
      written = new Promise<void>((resolve) => {
        settle = resolve;
      });
    }
    if (!scheduled) {
      scheduled = true;
      // Never cleared: clearing an immediate while others of the same turn run makes Node 20's event loop spin.
      setImmediate(() => {
        scheduled = false;
        flush();
      });
    }
    const promise = written;
    if (bytes > LARGEST_GATHERED_BYTES || state.atOnce) {
      state.atOnce = false;
      flush();
    }
    return promise;
  };
}
