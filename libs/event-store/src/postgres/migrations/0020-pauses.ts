/** Tenants, agents and pools whose tasks are held back. Statements run one by one in a transaction. */
export const pauses: readonly string[] = [
  // tenant_id: whose tasks. A pool that the platform's tenant has paused is paused for all.
  `CREATE TABLE execution.pauses (
    tenant_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('tenant', 'agent', 'pool')),
    name text NOT NULL,
    reason text NOT NULL,
    paused_by text NOT NULL,
    paused_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, kind, name)
  )`,
];
