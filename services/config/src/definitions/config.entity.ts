import { Column, Entity, PrimaryColumn } from 'typeorm';

/** The newest version of an orchestration config. The table of versions has its document. */
@Entity({ name: 'orchestration_configs' })
export class ConfigEntity {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ type: 'varchar', length: 255 })
  name!: string;

  @Column({ type: 'text' })
  description!: string;

  @Column({ type: 'text' })
  strategy!: string;

  @Column({ type: 'jsonb' })
  steps!: object;

  @Column({ type: 'jsonb' })
  settings!: object;

  @Column({ type: 'jsonb' })
  metadata!: object;

  @Column({ name: 'owner_id', type: 'text' })
  ownerId!: string;

  @Column({ name: 'tenant_id', type: 'text' })
  tenantId!: string;

  @Column({ name: 'is_global', type: 'boolean' })
  isGlobal!: boolean;

  /** Agents of the tenant's registry that the newest version uses. */
  @Column({ type: 'text', array: true })
  agents!: string[];

  @Column({ type: 'integer' })
  version!: number;

  /** False after a deletion. */
  @Column({ name: 'is_active', type: 'boolean' })
  isActive!: boolean;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;

  @Column({ name: 'updated_at', type: 'timestamptz', default: () => 'now()' })
  updatedAt!: Date;

  @Column({ name: 'deleted_at', type: 'timestamptz', nullable: true })
  deletedAt!: Date | null;
}
