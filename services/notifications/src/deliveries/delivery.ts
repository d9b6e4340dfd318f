import type { CallbackEvent, CallbackType } from '@batuta/contracts';
import type { ChannelDefinition } from '../callbacks/channel-definition.js';
import type { InboxEntry } from '../inbox/inbox-entry.js';
import type { Message } from '../templates/message.js';

export interface DeliveryRules {
  readonly leaseMs: number;
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
  readonly maxRetries: number;
  readonly giveUpMs: number;
  readonly breakerFailures: number;
  readonly breakerOpenMs: number;
  readonly destinationConcurrency: number;
  readonly keepMs: number;
}

/** A delivery to add. The first of `channels` is used first; the others are its fallbacks. */
export interface NewDelivery {
  readonly executionId: string;
  readonly tenantId: string;
  /** Null for the short form. */
  readonly callbackId: string | null;
  readonly event: CallbackEvent;
  readonly version: number;
  readonly position: number;
  readonly userId: string;
  readonly channels: readonly [ChannelDefinition, ...ChannelDefinition[]];
  /** Index of the first of `channels` in the callback's list. */
  readonly channelIndex: number;
  readonly message: Message;
}

/** A delivery that was complete when it was added: its notification is in the inbox and must only be announced. */
interface DeliveredAtOnce {
  readonly entry: InboxEntry;
  readonly settings: ChannelDefinition;
  readonly message: Message;
}

/** The result of adding deliveries. */
export interface AddedDeliveries {
  /** How many are new. */
  readonly made: number;
  /** How many of them must be sent. */
  readonly waiting: number;
  /** To be announced after the caller's transaction is committed. */
  readonly atOnce: readonly DeliveredAtOnce[];
}

/** A delivery that this process is attempting. */
export interface ClaimedDelivery {
  readonly id: string;
  readonly executionId: string;
  readonly tenantId: string;
  readonly callbackId: string | null;
  readonly type: CallbackType;
  readonly event: CallbackEvent;
  readonly destination: string;
  readonly orderKey: string;
  /** 0 for the callback's own channel, then its fallbacks. */
  readonly channelIndex: number;
  /** The channel's settings, without the values of headers. */
  readonly settings: ChannelDefinition;
  readonly message: Message;
  /** 1 for the first attempt. Together with `id` it decides who may report the outcome. */
  readonly attempt: number;
  /** Retries so far, including this attempt if it is a retry. */
  readonly retryCount: number;
  /** Only for a retry: when the previous attempt failed and when this one was due, in epoch milliseconds. */
  readonly backoff?: { readonly failedAt: number; readonly dueAt: number } | undefined;
}
