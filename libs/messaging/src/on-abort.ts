import { SlotMap } from '@batuta/collections';

interface Listeners {
  readonly known: SlotMap<number, () => void>;
  last: number;
}

const bySignal = new WeakMap<AbortSignal, Listeners>();

/**
 * Calls `listener` once when the signal fires. Call the returned function to remove it. Made for signals that outlive
 * thousands of listeners: an EventTarget chains its listeners, and a removed one still points to its neighbours and
 * keeps what they reference in memory (see `SlotMap`).
 */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => undefined;
  let listeners = bySignal.get(signal);
  if (listeners === undefined) {
    const known = new SlotMap<number, () => void>();
    listeners = { known, last: 0 };
    bySignal.set(signal, listeners);
    signal.addEventListener(
      'abort',
      () => {
        for (const [id, one] of known) {
          known.delete(id);
          one();
        }
      },
      { once: true },
    );
  }
  const { known } = listeners;
  const id = (listeners.last += 1);
  known.set(id, listener);
  return () => {
    known.delete(id);
  };
}
