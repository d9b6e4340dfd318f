import { Column, Entity, PrimaryColumn } from 'typeorm';

/** NATS credentials of the workers of a pool; the file itself is stored nowhere. */
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

  /** Of the user of NATS: by it the server is told whom it lets in no more. */
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
