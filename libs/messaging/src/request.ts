import { NoRespondersError, RequestError } from '@nats-io/nats-core';
import type { MsgHdrs, NatsConnection, Payload } from '@nats-io/nats-core';
import { isConnected, onReconnect } from './connection.js';
import { UnavailableError } from './errors.js';
import type { JsonMessage } from './local-delivery.js';
import { onAbort } from './on-abort.js';
import { onTaken } from './on-taken.js';
import { requestMux } from './request-mux.js';
import type { Answer, RequestOutcome } from './request-mux.js';

interface ResendOptions {
  /** Milliseconds to wait for one answer. Default 1,000. */
  readonly timeoutMs?: number;
  /** Ends the waiting. The promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly headers?: MsgHdrs | undefined;
  /** Milliseconds in total, after which the promise rejects with `UnavailableError`. Default: none. */
  readonly deadlineMs?: number | undefined;
  /** Number of attempts after which the promise rejects with `UnavailableError`. Default: no limit. */
  readonly attempts?: number | undefined;
  /** Called at each repeat, for logs and metrics. */
  readonly onRepeat?:
    ((repeat: { attempt: number; reason: 'timeout' | 'no_responders' | 'disconnected' }) => void) | undefined;
}

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1_000;

/**
 * Sends a request until it is answered. It repeats the same payload after a time-out, after "no responders" (the
 * partition is moving) and after a reconnect. The pauses grow, and end early when an owner has taken over partitions.
 * The other side must recognise repeats.
 *
 * Rejects with the signal's reason; or with `UnavailableError` after `deadlineMs` or `attempts`, or when the connection
 * is closed for good.
 */
export async function requestUntilAnswered(
  nc: NatsConnection,
  subject: string,
  payload: Payload | JsonMessage,
  options: ResendOptions = {},
): Promise<Answer> {
  const { timeoutMs = 1_000, signal, headers, deadlineMs, attempts = Infinity } = options;
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
      const outcome = await sendOnce(nc, subject, payload, headers, Math.max(1, Math.min(timeoutMs, left)), signal);
      if (typeof outcome !== 'string') return outcome;
      reason = outcome === 'lost' ? 'timeout' : outcome;
    } else if (nc.isClosed()) {
      throw new UnavailableError(`${subject} cannot be asked: the NATS connection is closed`);
    } else {
      reason = 'disconnected';
    }
    if (attempt >= attempts) throw new UnavailableError(`${subject} was not answered (${reason})`);
    options.onRepeat?.({ attempt, reason });
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempt - 1, 10));
    await pauseUntilBetter(nc, Math.min(pause * (0.5 + Math.random() / 2), Math.max(0, left)), signal);
  }
}

export function isNoResponders(error: unknown): boolean {
  return error instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders());
}

/** Sends a request once. Rejects with the signal's reason, otherwise resolves with the outcome. */
function sendOnce(
  nc: NatsConnection,
  subject: string,
  payload: Payload | JsonMessage,
  headers: MsgHdrs | undefined,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<RequestOutcome> {
  return new Promise((resolve, reject) => {
    const forgetAbort = onAbort(signal, () => {
      forget();
      reject(signal?.reason as Error);
    });
    const forget = requestMux(nc).send(subject, payload, headers, timeoutMs, (outcome) => {
      forgetAbort();
      resolve(outcome);
    });
  });
}

function pauseUntilBetter(nc: NatsConnection, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      forget();
      forgetTaken();
      forgetAbort();
      resolve();
    };
    const timer = setTimeout(finish, ms);
    const forget = onReconnect(nc, finish);
    const forgetTaken = onTaken(nc, finish);
    const forgetAbort = onAbort(signal, finish);
  });
}
