import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A piece of a document that the search finds by itself. The database maintains the column `search`. */
@Entity({ name: 'knowledge_passages' })
export class PassageEntity {
  @PrimaryColumn({ name: 'document_id', type: 'uuid' })
  documentId!: string;

  @PrimaryColumn({ name: 'passage_index', type: 'integer' })
  passageIndex!: number;

  @Column({ name: 'tenant_id', type: 'text' })
  tenantId!: string;

  @Column({ type: 'text' })
  title!: string;

  @Column({ type: 'jsonb' })
  headings!: string[];

  @Column({ name: 'heading_text', type: 'text' })
  headingText!: string;

  @Column({ type: 'text' })
  text!: string;

  @Column({ name: 'first_line', type: 'integer' })
  firstLine!: number;

  @Column({ name: 'last_line', type: 'integer' })
  lastLine!: number;
}
