import type { CallbackEvent, CallbackType } from '@batuta/contracts';
import { networkReason } from '@batuta/outbound-http';
import type { ChannelDefinition } from '../callbacks/channel-definition.js';
import type { Message } from '../templates/message.js';

/** One message to send. */
export interface Outgoing {
  /** The same on every attempt, so that receivers recognise repeats. */
  readonly id: string;
  readonly tenantId: string;
  readonly executionId: string;
  /** Null for the short form. */
  readonly callbackId: string | null;
  readonly event: CallbackEvent;
  /** 0 for the callback's own channel, then its fallbacks. */
  readonly channelIndex: number;
  /** The channel's settings, without the values of headers. */
  readonly settings: ChannelDefinition;
  readonly message: Message;
  /** W3C trace context of the attempt, to send with it. Undefined when tracing is off. */
  readonly traceparent?: string | undefined;
  readonly signal: AbortSignal;
}

interface Answer {
  readonly responseStatus?: number | undefined;
  readonly responseBody?: string | undefined;
}

interface Succeeded extends Answer {
  /** `sent`: handed over, arrival unknown. `delivered`: the receiver confirmed it. */
  readonly result: 'delivered' | 'sent';
}

interface Failed extends Answer {
  readonly result: 'failed';
  readonly error: string;
  /** Whether the destination as a whole does not work. Then it counts for the circuit breaker. */
  readonly unreachable: boolean;
  /** Milliseconds that the destination asks to wait. */
  readonly retryAfterMs?: number | undefined;
}

/** Another attempt cannot help. */
interface RefusedForGood extends Answer {
  readonly result: 'refused';
  readonly error: string;
  /** The destination wants no more messages of this callback. */
  readonly gone?: boolean;
}

export type Outcome = Succeeded | Failed | RefusedForGood;

/**
 * A way to notify somebody. `send` returns expected failures as outcomes. It throws only for bugs and for outages of
 * the platform.
 */
export interface Channel {
  readonly type: CallbackType;
  send(outgoing: Outgoing): Promise<Outcome>;
  close?(): Promise<void>;
}

/** The cause of a failure in a few words, without addresses, credentials or payloads. */
export function reasonOf(error: unknown): string {
  return networkReason(error).slice(0, 500);
}
