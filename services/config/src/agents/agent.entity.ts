import { Column, Entity, PrimaryColumn } from 'typeorm';

/** An agent in a tenant's registry. The workers of its pool run it. */
@Entity({ name: 'agents' })
export class AgentEntity {
  @PrimaryColumn({ name: 'tenant_id', type: 'text' })
  tenantId!: string;

  @PrimaryColumn({ type: 'text' })
  name!: string;

  @Column({ type: 'text' })
  pool!: string;

  @Column({ type: 'text' })
  description!: string;

  @Column({ name: 'input_schema', type: 'json', nullable: true })
  inputSchema!: unknown;

  @Column({ name: 'output_schema', type: 'json', nullable: true })
  outputSchema!: unknown;

  /** What a model is told, for an agent that is made of one; its pool is empty. */
  @Column({ type: 'json', nullable: true })
  llm!: unknown;

  /** Agents of the registry that its model may call. */
  @Column({ type: 'text', array: true })
  uses!: string[];

  /** Of the executions that an agent of a model works in. */
  @Column({ name: 'config_id', type: 'uuid' })
  configId!: string;

  @Column({ type: 'integer' })
  revision!: number;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;

  @Column({ name: 'updated_at', type: 'timestamptz', default: () => 'now()' })
  updatedAt!: Date;
}
