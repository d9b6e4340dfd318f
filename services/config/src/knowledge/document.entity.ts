import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity({ name: 'knowledge_documents' })
export class DocumentEntity {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ name: 'tenant_id', type: 'text' })
  tenantId!: string;

  @Column({ type: 'text' })
  source!: string;

  @Column({ type: 'text' })
  title!: string;

  @Column({ name: 'content_type', type: 'text' })
  contentType!: string;

  /** SHA-256 of the whole document as it was sent, in hex. */
  @Column({ name: 'content_hash', type: 'text' })
  contentHash!: string;

  @Column({ name: 'content_bytes', type: 'integer' })
  contentBytes!: number;

  @Column({ type: 'integer' })
  passages!: number;

  @Column({ type: 'json' })
  metadata!: object;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;

  @Column({ name: 'updated_at', type: 'timestamptz', default: () => 'now()' })
  updatedAt!: Date;
}
