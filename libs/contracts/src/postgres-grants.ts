import { createHash } from 'node:crypto';
import { POSTGRES_OWNER, POSTGRES_RIGHTS, postgresRole } from './postgres-rights.js';
import type { PostgresService } from './postgres-rights.js';
import { POSTGRES_ALL_TENANTS_SETTING, POSTGRES_ROWS, postgresTenantRole, tenantRights } from './postgres-tenants.js';

/** The part of `grantRights` for the role of tenants' requests. */
function grantTenantRights(service: PostgresService): string {
  const role = postgresTenantRole(service);
  const grants = Object.keys(POSTGRES_ROWS[service]).flatMap((table) => {
    const rights = tenantRights(service, table);
    const revoke = `REVOKE ALL ON ${service}.${table} FROM ${role};`;
    return rights.length === 0 ? [revoke] : [revoke, `GRANT ${rights.join(', ')} ON ${service}.${table} TO ${role};`];
  });
  return `IF EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}') THEN
      GRANT USAGE ON SCHEMA ${service} TO ${role};
      GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${service} TO ${role};
      ${grants.join('\n      ')}
    END IF;`;
}

/**
 * One statement that gives the service's role, and the role of its tenants' requests, their rights on its tables, and
 * revokes all others. The owner of the schema runs it after its migrations. It does nothing if the role does not exist,
 * because an installation may use one role for everything.
 */
export function grantRights(service: PostgresService): string {
  const role = postgresRole(service);
  const grants = Object.entries(POSTGRES_RIGHTS[service]).flatMap(([table, rights]) => [
    `REVOKE ALL ON ${service}.${table} FROM PUBLIC, ${role};`,
    `GRANT ${rights.join(', ')} ON ${service}.${table} TO ${role};`,
  ]);
  return `DO $grants$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}') THEN RETURN; END IF;
    GRANT USAGE ON SCHEMA ${service} TO ${role};
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ${service} FROM PUBLIC;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${service} TO ${role};
    ${grants.join('\n    ')}
    ${grantTenantRights(service)}
  END $grants$`;
}

const INTERNAL_ERROR = 'XX000';
const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Whether a change of the schema failed because another process changed the same row of the catalogue, as when two
 * processes start together. PostgreSQL has no code of its own for it, does nothing, and expects another try.
 */
export function isConcurrentSchemaChange(error: unknown): boolean {
  const { code, message, driverError } = error as { code?: unknown; message?: unknown; driverError?: unknown };
  if (driverError !== undefined) return isConcurrentSchemaChange(driverError);
  return code === INTERNAL_ERROR && /^tuple concurrently (updated|deleted)$/.test(String(message));
}

/** Whether another try of a schema change may succeed: somebody else held a table's lock, or changed the same thing. */
export function isPassingSchemaConflict(error: unknown): boolean {
  const { code, driverError } = error as { code?: unknown; driverError?: { code?: unknown } };
  return (code ?? driverError?.code) === LOCK_NOT_AVAILABLE || isConcurrentSchemaChange(error);
}

/** A query whose column `secured` tells whether requests over this connection are under row level security. */
export function isSecured(service: PostgresService): string {
  return `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = '${postgresTenantRole(service)}' AND pg_has_role(oid, 'MEMBER'))
    AND EXISTS (SELECT FROM pg_policy WHERE polname = 'tenant' AND polrelid::regclass::text LIKE '${service}.%') AS secured`;
}

/**
 * Statements that enable row level security, one for each table. The owner of the schema runs them after its
 * migrations, each in its own transaction. A table that has it already is left unchanged, so that nobody waits for its
 * lock at each start. In an installation with one role for everything they do nothing, because that role would see no
 * rows.
 */
export function secureRows(service: PostgresService): readonly string[] {
  const all = postgresRole(service);
  const tenant = postgresTenantRole(service);
  return Object.entries(POSTGRES_ROWS[service]).flatMap(([table, rows]) => {
    if ('platform' in rows) return [];
    const name = `${service}.${table}`;
    const policies = [
      // Work for all tenants (engine, projections, deliveries) logs in as the service itself.
      `CREATE POLICY service ON ${name} TO ${all} USING (true)`,
      `CREATE POLICY owner ON ${name} TO ${POSTGRES_OWNER} USING (current_setting('${POSTGRES_ALL_TENANTS_SETTING}', true) = 'on')`,
      `CREATE POLICY tenant ON ${name} TO ${tenant} USING (${rows.own})`,
      ...(rows.published === undefined
        ? []
        : [`CREATE POLICY published ON ${name} FOR SELECT TO ${tenant} USING (${rows.published})`]),
    ];
    const mark = `policies ${createHash('sha256').update(policies.join(';')).digest('hex').slice(0, 16)}`;
    return [
      `DO $rows$ DECLARE policy name; BEGIN
        IF (SELECT count(*) FROM pg_roles WHERE rolname IN ('${all}', '${tenant}', '${POSTGRES_OWNER}')) < 3
          OR NOT EXISTS (SELECT FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
            WHERE c.oid = '${name}'::regclass AND (r.rolsuper OR r.rolname = '${POSTGRES_OWNER}'))
        THEN RETURN; END IF;
        IF EXISTS (SELECT FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid AND p.polname = 'tenant'
          WHERE c.oid = '${name}'::regclass AND c.relrowsecurity AND c.relforcerowsecurity
            AND obj_description(p.oid, 'pg_policy') = '${mark}'
            AND (SELECT count(*) FROM pg_policy o WHERE o.polrelid = c.oid) = ${policies.length})
        THEN RETURN; END IF;
        FOR policy IN SELECT polname FROM pg_policy WHERE polrelid = '${name}'::regclass
        LOOP EXECUTE format('DROP POLICY %I ON ${name}', policy); END LOOP;
        ${policies.join(';\n        ')};
        COMMENT ON POLICY tenant ON ${name} IS '${mark}';
        ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
      END $rows$`,
    ];
  });
}
