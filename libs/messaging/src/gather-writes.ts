import type { NatsConnection } from '@nats-io/nats-core';

/** What of the client's transport is used here; private to the client, whose version is pinned. */
interface Transport {
  _send?: (frame: Uint8Array) => Promise<void>;
}

interface Gathering {
  /** What is sent next does not wait for the end of the turn. */
  atOnce: boolean;
}

const gathering = new WeakMap<Transport, Gathering>();

function transportOf(nc: NatsConnection): Transport | undefined {
  return (nc as unknown as { protocol?: { transport?: Transport } }).protocol?.transport;
}

/**
 * Writes what was just published without waiting for what else this turn of the event loop sends: for what must not be lost
 * should the process be killed in a long turn.
 */
export function writeAtOnce(nc: NatsConnection): void {
  const transport = transportOf(nc);
  const state = transport === undefined ? undefined : gathering.get(transport);
  if (state !== undefined) state.atOnce = true;
}

/** Beyond this a write is not worth waiting for: copying would cost more than the call saves. */
const LARGEST_GATHERED_BYTES = 64 * 1024;

/**
 * Joins everything that one turn of the event loop sends into one write. The client itself writes once a microtask, which
 * with hundreds of requests in flight is a system call for each message, and that was a third of all CPU.
 *
 * To be called again after each reconnect, which has a new transport. Does nothing when the client is another than expected.
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
      // Never cleared: clearing an immediate while others of its turn run leaves Node 20's event loop spinning.
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
