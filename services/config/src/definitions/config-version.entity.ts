import { Column, Entity, PrimaryColumn } from 'typeorm';

/** One immutable version of a config's document. */
@Entity({ name: 'orchestration_config_versions' })
export class ConfigVersionEntity {
  @PrimaryColumn({ name: 'config_id', type: 'uuid' })
  configId!: string;

  @PrimaryColumn({ type: 'integer' })
  version!: number;

  @Column({ name: 'tenant_id', type: 'text' })
  tenantId!: string;

  /** Whether this version is global. Earlier versions stay the owner's own. */
  @Column({ name: 'is_global', type: 'boolean' })
  isGlobal!: boolean;

  @Column({ type: 'json' })
  definition!: object;

  /** UTF-8 bytes of the document as JSON. */
  @Column({ name: 'definition_bytes', type: 'integer' })
  definitionBytes!: number;

  @Column({ name: 'has_input_schema', type: 'boolean' })
  hasInputSchema!: boolean;

  @Column({ name: 'created_by', type: 'text' })
  createdBy!: string;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;
}
