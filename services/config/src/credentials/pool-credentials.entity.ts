import { Column, Entity, PrimaryColumn } from 'typeorm';

/** NATS credentials of a pool's workers. The credentials file itself is not stored. */
@Entity({ name: 'pool_credentials' })
export class PoolCredentialsEntity {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ name: 'tenant_id', type: 'text' })
  tenantId!: string;

  @Column({ type: 'text' })
  pool!: string;

  @Column({ type: 'text' })
  name!: string;

  /** The public key of the NATS user. Revocations name it. */
  @Column({ name: 'public_key', type: 'text' })
  publicKey!: string;

  @Column({ name: 'created_by', type: 'text' })
  createdBy!: string;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;

  @Column({ name: 'expires_at', type: 'timestamptz' })
  expiresAt!: Date;

  @Column({ name: 'revoked_at', type: 'timestamptz', nullable: true })
  revokedAt!: Date | null;
}
