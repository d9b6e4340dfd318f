import { createHash } from 'node:crypto';
import { newId } from '@batuta/contracts';
import type { CallbackEvent, CallbackType, JsonValue } from '@batuta/contracts';
import type { ChannelDefinition } from '../callbacks/channel-definition.js';
import { withoutHeaderValues } from '../callbacks/callback-headers.js';
import { CHANNELS } from '../channels/index.js';
import type { ChannelKind } from '../channels/kind.js';
import type { NotificationsSettings } from '../settings.js';
import { defaultContent } from '../templates/message.js';
import type { Message } from '../templates/message.js';
import type { ClaimedDelivery, DeliveryRules, NewDelivery } from './delivery.js';

/** A row of the statement that claims deliveries. */
export interface ClaimedRow {
  id: string;
  execution_id: string;
  tenant_id: string;
  callback_id: string | null;
  callback_type: CallbackType;
  event_type: CallbackEvent;
  destination: string;
  order_key: string;
  channel: number;
  channel_settings: ChannelDefinition;
  message: Message;
  attempts: number;
  retry_count: number;
  /** Null for a first attempt, and when the previous attempt was cut off. */
  failed_at: number | null;
  due_at: number;
}

export function claimedOf(row: ClaimedRow): ClaimedDelivery {
  return {
    id: row.id,
    executionId: row.execution_id,
    tenantId: row.tenant_id,
    callbackId: row.callback_id,
    type: row.callback_type,
    event: row.event_type,
    destination: row.destination,
    orderKey: row.order_key,
    channelIndex: row.channel,
    settings: row.channel_settings,
    message: row.message,
    attempt: row.attempts,
    retryCount: row.retry_count,
    backoff: row.failed_at === null ? undefined : { failedAt: row.failed_at, dueAt: row.due_at },
  };
}

/** A delivery whose channel did not succeed in time. */
export interface FallbackRow {
  execution_id: string;
  tenant_id: string;
  callback_id: string | null;
  event_type: CallbackEvent;
  event_version: number;
  position: string;
  channel: number;
  fallback: ChannelDefinition[];
  user_id: string;
  message: Message;
}

/** The delivery of the next channel, or none. */
export function fallbackOf(row: FallbackRow): NewDelivery[] {
  const [first, ...rest] = row.fallback;
  if (first === undefined) return [];
  return [
    {
      executionId: row.execution_id,
      tenantId: row.tenant_id,
      callbackId: row.callback_id,
      event: row.event_type,
      version: row.event_version,
      position: Number(row.position),
      userId: row.user_id,
      channels: [first, ...rest],
      channelIndex: row.channel + 1,
      message: row.message,
    },
  ];
}

/** The columns of a new delivery. */
export function rowOf(delivery: NewDelivery, rules: DeliveryRules) {
  const [whole, ...others] = delivery.channels;
  // Credentials are stored only in the callback, encrypted.
  const channel = withoutHeaderValues(whole);
  const fallback = others.map(withoutHeaderValues);
  const kind: ChannelKind<NotificationsSettings> = CHANNELS[channel.type];
  const target = kind.target(channel, delivery.userId);
  const [next] = fallback;
  return {
    id: newId(),
    execution_id: delivery.executionId,
    callback_type: channel.type,
    callback_url: target,
    callback_method: channel.callback_method ?? null,
    callback_headers: channel.callback_headers ?? {},
    callback_body_template: channel.callback_body_template ?? null,
    max_retries: channel.max_retries ?? rules.maxRetries,
    tenant_id: delivery.tenantId,
    callback_id: delivery.callbackId,
    callback_key: delivery.callbackId ?? 'callback_url',
    event_type: delivery.event,
    event_version: delivery.version,
    position: delivery.position,
    channel: delivery.channelIndex,
    channel_settings: channel,
    fallback,
    fallback_after_ms: next === undefined ? null : (next.after_ms ?? 0),
    destination: kind.destination?.(channel, delivery.tenantId) ?? channel.type,
    order_key: createHash('sha256')
      .update(JSON.stringify([delivery.executionId, channel.type, target]))
      .digest('base64url'),
    give_up_after_ms: rules.giveUpMs,
  };
}

/** The columns of a notification that can be written to the inbox at once, else none. */
export function inboxColumns({ channels: [channel], userId, message }: NewDelivery): {
  readonly inbox_user: string | null;
  readonly content: JsonValue | null;
} {
  const user = channel.to?.[0] ?? userId;
  return channel.type === 'websocket' && channel.callback_body_template === undefined && user !== ''
    ? { inbox_user: user, content: defaultContent(message) }
    : { inbox_user: null, content: null };
}
