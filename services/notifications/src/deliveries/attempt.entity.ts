import type { DeliveryAttempt } from '@batuta/contracts';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** One attempt of a delivery. */
@Entity({ name: 'callback_attempts' })
export class AttemptEntity {
  @PrimaryColumn({ name: 'delivery_id', type: 'uuid' })
  deliveryId!: string;

  @PrimaryColumn({ type: 'integer' })
  attempt!: number;

  @Column({ name: 'started_at', type: 'timestamptz', default: () => 'now()' })
  startedAt!: Date;

  @Column({ name: 'duration_ms', type: 'double precision', nullable: true })
  durationMs!: number | null;

  @Column({ type: 'text' })
  outcome!: DeliveryAttempt['outcome'];

  @Column({ name: 'response_status', type: 'integer', nullable: true })
  responseStatus!: number | null;

  @Column({ type: 'text', nullable: true })
  error!: string | null;
}
