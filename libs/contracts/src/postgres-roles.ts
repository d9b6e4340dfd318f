import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { POSTGRES_OWNER, POSTGRES_SERVICES, postgresRole } from './postgres-rights.js';
import type { PostgresService } from './postgres-rights.js';
import { postgresTenantRole } from './postgres-tenants.js';

/** Passwords of the roles. */
export type PostgresPasswords = Readonly<Record<PostgresService | 'owner', string>>;

const SCRAM_ITERATIONS = 4096;

/**
 * The verifier that PostgreSQL stores for a password (RFC 5803). So the password itself is never part of a statement,
 * which a server may log. ASCII only, because other texts would need SASLprep.
 */
function scramVerifier(password: string): string {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, SCRAM_ITERATIONS, 32, 'sha256');
  const hmac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest();
  const stored = createHash('sha256').update(hmac('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${SCRAM_ITERATIONS}:${salt.toString('base64')}$${stored}:${hmac('Server Key').toString('base64')}`;
}

/** An arbitrary constant that nothing else uses. When two processes prepare the same database, the second one waits. */
const PREPARE_LOCK = 4_719_263;
/** A statement that waits for an exclusive lock blocks all users of the table, so it must not wait long. */
const LOCK_TIMEOUT_MS = 5_000;

const schemas = POSTGRES_SERVICES.map((service) => `'${service}'`).join(', ');

/**
 * Changes the owner of objects that belong to another role, from a version that used one role for everything. Indexes
 * and the sequences of columns follow their table.
 */
const HAND_OVER = `DO $own$ DECLARE named text; BEGIN
  FOR named IN SELECT format('SCHEMA %I', nspname) FROM pg_namespace
    WHERE nspname IN (${schemas}) AND nspowner <> '${POSTGRES_OWNER}'::regrole
  LOOP EXECUTE format('ALTER %s OWNER TO ${POSTGRES_OWNER}', named); END LOOP;
  FOR named IN SELECT format('%s %s', CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
      ELSE 'TABLE' END, c.oid::regclass)
    FROM pg_class c WHERE relnamespace::regnamespace::text IN (${schemas}) AND relkind IN ('r', 'p', 'S', 'v', 'm')
      AND relowner <> '${POSTGRES_OWNER}'::regrole
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))
  LOOP EXECUTE format('ALTER %s OWNER TO ${POSTGRES_OWNER}', named); END LOOP;
  FOR named IN SELECT p.oid::regprocedure::text FROM pg_proc p
    WHERE pronamespace::regnamespace::text IN (${schemas}) AND proowner <> '${POSTGRES_OWNER}'::regrole
  LOOP EXECUTE format('ALTER ROUTINE %s OWNER TO ${POSTGRES_OWNER}', named); END LOOP;
END $own$`;

/** Revokes the rights that every user of a database has by default, if this user may revoke them. */
const CLOSE_DATABASE = `DO $close$ BEGIN
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT, CREATE ON DATABASE %I TO ${POSTGRES_OWNER}', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO ${POSTGRES_SERVICES.map(postgresRole).join(', ')}', current_database());
  IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    -- Large objects have no owner's schema, and fill the disk.
    REVOKE EXECUTE ON FUNCTION lo_create(oid), lo_creat(integer), lo_from_bytea(oid, bytea) FROM PUBLIC;
    -- Blocks of code (DO) are for migrations.
    REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;
    GRANT USAGE ON LANGUAGE plpgsql TO ${POSTGRES_OWNER};
  END IF;
END $close$`;

/**
 * Statements for one transaction that create or update the roles of a database: the owner of the schemas and one role
 * per service, all without administrator attributes. They may run again at any time. They must be run by a superuser,
 * or by the owner of the database with the right to create roles.
 */
export function prepareRoles(passwords: PostgresPasswords): readonly string[] {
  const roles = [
    [POSTGRES_OWNER, passwords.owner] as const,
    ...POSTGRES_SERVICES.map((service) => [postgresRole(service), passwords[service]] as const),
  ];
  return [
    `SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`,
    `SELECT pg_advisory_xact_lock(${PREPARE_LOCK})`,
    ...roles.flatMap(([role, password]) => [
      `DO $role$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}') THEN CREATE ROLE ${role}; END IF;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}'
          AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)) THEN
          ALTER ROLE ${role} NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS;
        END IF;
      END $role$`,
      // Without inheritance, the policies for tenants' requests do not apply to the service itself.
      `ALTER ROLE ${role} LOGIN NOINHERIT PASSWORD '${scramVerifier(password)}'`,
    ]),
    // A service takes on this role for a tenant's request. Nobody can log in as it.
    ...POSTGRES_SERVICES.map((service) => {
      const role = postgresTenantRole(service);
      return `DO $role$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}') THEN CREATE ROLE ${role} NOLOGIN; END IF;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}'
          AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)) THEN
          ALTER ROLE ${role} NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS;
        END IF;
        GRANT ${role} TO ${postgresRole(service)};
      END $role$`;
    }),
    // A user that changes an owner must be a member of the new owner's role.
    `DO $member$ BEGIN
      IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT ${POSTGRES_OWNER} TO %I', current_user);
      END IF;
    END $member$`,
    CLOSE_DATABASE,
    HAND_OVER,
  ];
}
