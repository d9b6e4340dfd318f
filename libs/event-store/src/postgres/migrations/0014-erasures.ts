/** Which tenants were erased, when, and how many rows of each table. Statements run one by one in a transaction. */
export const erasures: readonly string[] = [
  `CREATE TABLE execution.erasures (
    tenant_id text PRIMARY KEY,
    began_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    removed jsonb NOT NULL DEFAULT '{}'
  )`,
];
