import { NoRespondersError, RequestError, TimeoutError } from '@nats-io/nats-core';
import type { Msg, MsgHdrs, NatsConnection, Payload } from '@nats-io/nats-core';
import { isConnected, onReconnect } from './connection.js';
import { UnavailableError } from './errors.js';

export interface ResendOptions {
  /** Milliseconds to wait for one answer. Default 1,000. */
  readonly timeoutMs?: number;
  /** Ends the waiting; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly headers?: MsgHdrs | undefined;
  /** Milliseconds in all, after which the promise rejects with `UnavailableError`. Default: none. */
  readonly deadlineMs?: number | undefined;
  /** Told about every repeat, for logs and metrics. */
  readonly onRepeat?:
    ((repeat: { attempt: number; reason: 'timeout' | 'no_responders' | 'disconnected' }) => void) | undefined;
}

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1_000;

/**
 * Sends a request until it is answered: again with the same payload after a time-out, after "no responders" (its
 * partition is moving) and after a reconnect, with growing pauses. The other side must take repeats for what they are.
 *
 * Rejects with the signal's reason, with `UnavailableError` after `deadlineMs`, or when the connection is closed for good.
 */
export async function requestUntilAnswered(
  nc: NatsConnection,
  subject: string,
  payload: Payload,
  options: ResendOptions = {},
): Promise<Msg> {
  const { timeoutMs = 1_000, signal, headers, deadlineMs } = options;
  const deadline = deadlineMs === undefined ? Infinity : performance.now() + deadlineMs;
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    const left = deadline - performance.now();
    if (left <= 0) {
      throw new UnavailableError(`${subject} was not answered within ${deadlineMs} ms`);
    }
    let reason: 'timeout' | 'no_responders' | 'disconnected';
    // Publishing while disconnected would only pile up copies in the client's buffer.
    if (isConnected(nc)) {
      try {
        const request = nc.request(subject, payload, {
          timeout: Math.max(1, Math.min(timeoutMs, left)),
          ...(headers === undefined ? {} : { headers }),
        });
        return await orLost(request, nc, signal);
      } catch (error) {
        signal?.throwIfAborted();
        const kind = resendReason(error);
        if (kind === undefined) throw error;
        reason = kind;
      }
    } else if (nc.isClosed()) {
      throw new UnavailableError(`${subject} cannot be asked: the NATS connection is closed`);
    } else {
      reason = 'disconnected';
    }
    options.onRepeat?.({ attempt, reason });
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempt - 1, 10));
    await pauseOrReconnect(nc, Math.min(pause * (0.5 + Math.random() / 2), Math.max(0, left)), signal);
  }
}

/** Why a failed request is worth repeating; undefined when it is not. */
function resendReason(error: unknown): 'timeout' | 'no_responders' | undefined {
  if (isNoResponders(error)) return 'no_responders';
  return isTimeout(error) ? 'timeout' : undefined;
}

export function isNoResponders(error: unknown): boolean {
  return error instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders());
}

export function isTimeout(error: unknown): boolean {
  return error instanceof TimeoutError || (error instanceof Error && error.cause instanceof TimeoutError);
}

/** Ends early when the signal fires, and when a reconnect says that the answer is lost: then it may be asked again. */
function orLost(request: Promise<Msg>, nc: NatsConnection, signal: AbortSignal | undefined): Promise<Msg> {
  return new Promise<Msg>((resolve, reject) => {
    const forget = onReconnect(nc, () => {
      detach();
      reject(new TimeoutError());
    });
    const abort = (): void => {
      detach();
      reject(signal?.reason as Error);
    };
    const detach = (): void => {
      forget();
      signal?.removeEventListener('abort', abort);
    };
    signal?.addEventListener('abort', abort, { once: true });
    request.then(
      (answer) => {
        detach();
        resolve(answer);
      },
      (error: unknown) => {
        detach();
        reject(error as Error);
      },
    );
  });
}

function pauseOrReconnect(nc: NatsConnection, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      forget();
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    const forget = onReconnect(nc, finish);
    signal?.addEventListener('abort', finish, { once: true });
  });
}
