import type { CallbackEvent } from '@batuta/contracts';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A notification in a user's inbox; its id is the delivery's. */
@Entity({ name: 'inbox' })
export class InboxEntity {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ name: 'tenant_id', type: 'text' })
  tenantId!: string;

  @Column({ name: 'user_id', type: 'text' })
  userId!: string;

  @Column({ name: 'execution_id', type: 'text' })
  executionId!: string;

  @Column({ name: 'event_type', type: 'text' })
  eventType!: CallbackEvent;

  @Column({ type: 'json' })
  content!: unknown;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;

  @Column({ name: 'acked_at', type: 'timestamptz', nullable: true })
  ackedAt!: Date | null;
}
