import type { CallbackEvent, CallbackType } from '@batuta/contracts';
import { networkReason } from '@batuta/outbound-http';
import type { ChannelDefinition } from '../callbacks/channel-definition.js';
import type { Message } from '../templates/message.js';

/** One message on its way out. */
export interface Outgoing {
  /** The same on every attempt: receivers know repeats by it. */
  readonly id: string;
  readonly tenantId: string;
  readonly executionId: string;
  /** Null for the short form. */
  readonly callbackId: string | null;
  readonly event: CallbackEvent;
  /** 0 for the callback's own channel, then its fallbacks. */
  readonly channelIndex: number;
  /** Without the values of headers. */
  readonly settings: ChannelDefinition;
  readonly message: Message;
  /** W3C trace context of the attempt, to send along; undefined when nothing is traced. */
  readonly traceparent?: string | undefined;
  readonly signal: AbortSignal;
}

interface Answer {
  readonly responseStatus?: number | undefined;
  readonly responseBody?: string | undefined;
}

export interface Succeeded extends Answer {
  /** `sent`: handed over, arrival unknown; `delivered`: the receiver said so. */
  readonly result: 'delivered' | 'sent';
}

export interface Failed extends Answer {
  readonly result: 'failed';
  readonly error: string;
  /** The destination as a whole does not work: counts for its circuit breaker. */
  readonly unreachable: boolean;
  /** Milliseconds that the destination asked to wait. */
  readonly retryAfterMs?: number | undefined;
}

/** Trying again cannot help. */
export interface RefusedForGood extends Answer {
  readonly result: 'refused';
  readonly error: string;
  /** The destination wants nothing more of this callback. */
  readonly gone?: boolean;
}

export type Outcome = Succeeded | Failed | RefusedForGood;

/** A way to tell somebody. Expected failures are outcomes; what `send` throws is a bug or an outage of ours. */
export interface Channel {
  readonly type: CallbackType;
  send(outgoing: Outgoing): Promise<Outcome>;
  close?(): Promise<void>;
}

/** Why something failed, in a few words, without addresses, credentials or payloads. */
export function reasonOf(error: unknown): string {
  return networkReason(error).slice(0, 500);
}
