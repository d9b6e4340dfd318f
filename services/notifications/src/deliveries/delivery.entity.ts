import type { CallbackEvent, CallbackType, DeliveryStatus } from '@batuta/contracts';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { ChannelDefinition } from '../callbacks/channel-definition.js';

/** One delivery: one event, one callback, one channel. */
@Entity({ name: 'orchestration_callbacks' })
export class DeliveryEntity {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ name: 'execution_id', type: 'text' })
  executionId!: string;

  @Column({ name: 'callback_type', type: 'text' })
  callbackType!: CallbackType;

  @Column({ name: 'callback_url', type: 'text' })
  callbackUrl!: string;

  @Column({ name: 'callback_method', type: 'text', nullable: true })
  callbackMethod!: string | null;

  @Column({ name: 'callback_headers', type: 'jsonb' })
  callbackHeaders!: Record<string, string>;

  @Column({ name: 'callback_body_template', type: 'text', nullable: true })
  callbackBodyTemplate!: string | null;

  @Column({ type: 'text' })
  status!: DeliveryStatus;

  @Column({ name: 'retry_count', type: 'integer' })
  retryCount!: number;

  @Column({ name: 'max_retries', type: 'integer' })
  maxRetries!: number;

  @Column({ name: 'last_retry_at', type: 'timestamptz', nullable: true })
  lastRetryAt!: Date | null;

  @Column({ name: 'response_status', type: 'integer', nullable: true })
  responseStatus!: number | null;

  @Column({ name: 'response_body', type: 'text', nullable: true })
  responseBody!: string | null;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt!: Date;

  @Column({ name: 'sent_at', type: 'timestamptz', nullable: true })
  sentAt!: Date | null;

  @Column({ name: 'completed_at', type: 'timestamptz', nullable: true })
  completedAt!: Date | null;

  @Column({ name: 'tenant_id', type: 'text' })
  tenantId!: string;

  @Column({ name: 'callback_id', type: 'uuid', nullable: true })
  callbackId!: string | null;

  /** The callback's id, or `callback_url` for the short form. */
  @Column({ name: 'callback_key', type: 'text' })
  callbackKey!: string;

  @Column({ name: 'event_type', type: 'text' })
  eventType!: CallbackEvent;

  @Column({ name: 'event_version', type: 'integer' })
  eventVersion!: number;

  @Column({ type: 'bigint' })
  position!: string;

  /** 0 for the callback's own channel, then its fallbacks. */
  @Column({ type: 'integer' })
  channel!: number;

  @Column({ name: 'channel_settings', type: 'jsonb' })
  channelSettings!: ChannelDefinition;

  @Column({ type: 'jsonb' })
  fallback!: ChannelDefinition[];

  /** When the first channel of `fallback` takes over. */
  @Column({ name: 'fallback_at', type: 'timestamptz', nullable: true })
  fallbackAt!: Date | null;

  @Column({ type: 'text' })
  destination!: string;

  /** Deliveries with the same key are sent one after the other, by position. */
  @Column({ name: 'order_key', type: 'text' })
  orderKey!: string;

  /** Whether the delivery is still to be sent. */
  @Column({ type: 'boolean' })
  open!: boolean;

  /**
   * Null while an earlier delivery of its order is open, and when it is finished. While an attempt runs: the end of its
   * lease.
   */
  @Column({ name: 'next_attempt_at', type: 'timestamptz', nullable: true })
  nextAttemptAt!: Date | null;

  @Column({ type: 'integer' })
  attempts!: number;

  /** Attempts before it was sent again as a dead letter. */
  @Column({ name: 'attempts_before', type: 'integer' })
  attemptsBefore!: number;

  @Column({ name: 'give_up_at', type: 'timestamptz' })
  giveUpAt!: Date;

  @Column({ type: 'text', nullable: true })
  error!: string | null;

  /** Set when it was given up. It is a dead letter then. */
  @Column({ name: 'dead_at', type: 'timestamptz', nullable: true })
  deadAt!: Date | null;
}
