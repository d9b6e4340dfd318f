import type { CallbackEvent } from '@batuta/contracts';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { ChannelDefinition } from './channel-definition.js';

/** Who is notified of which events of a config's executions, or of one execution. */
@Entity({ name: 'callbacks' })
export class CallbackEntity {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ name: 'tenant_id', type: 'text' })
  tenantId!: string;

  @Column({ name: 'config_id', type: 'text', nullable: true })
  configId!: string | null;

  @Column({ name: 'execution_id', type: 'text', nullable: true })
  executionId!: string | null;

  @Column({ type: 'text', array: true })
  events!: CallbackEvent[];

  @Column({ type: 'jsonb' })
  channel!: ChannelDefinition;

  @Column({ type: 'jsonb' })
  fallback!: ChannelDefinition[];

  @Column({ type: 'boolean' })
  enabled!: boolean;

  @Column({ name: 'disabled_reason', type: 'text', nullable: true })
  disabledReason!: string | null;

  @Column({ name: 'created_by', type: 'text' })
  createdBy!: string;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;

  @Column({ name: 'updated_at', type: 'timestamptz', default: () => 'now()' })
  updatedAt!: Date;
}
