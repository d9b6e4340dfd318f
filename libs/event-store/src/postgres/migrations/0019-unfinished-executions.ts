const FIELDS = 'id, tenant_id, config_id, config_name, user_id, session_id, status, created_at';
const fieldsOf = (row: string): string =>
  FIELDS.split(', ')
    .map((field) => `${row}.${field}`)
    .join(', ');
const CHANGING = FIELDS.split(', ').slice(1);
/** Whether the row, as it is here, has changed. Most commits change neither: they only move the wake-up. */
const SAME = `(${fieldsOf('OLD')}, OLD.wake_at IS NULL) IS NOT DISTINCT FROM (${fieldsOf('NEW')}, NEW.wake_at IS NULL)`;
const TABLE = 'execution.orchestration_executions';

const index = (name: string, column: string, more = ''): string =>
  `CREATE INDEX IF NOT EXISTS unfinished_executions_by_${name} ON execution.unfinished_executions
    (tenant_id, ${column}created_at DESC, id DESC)${more}`;

/**
 * The executions that have not ended, for lists: a row and its place in the indexes is written when an execution starts,
 * ends or changes its status. The same indexes on orchestration_executions would get a new entry with each commit, because
 * each commit moves the indexed wake-up. Triggers write the rows, so that the previous version does it too. Statements run
 * one by one in a transaction, and again with each turn of `SOME_UNFINISHED`.
 */
export const unfinishedExecutions: readonly string[] = [
  // The rows come and go, so dead ones are removed early.
  `CREATE TABLE IF NOT EXISTS execution.unfinished_executions (
    id uuid PRIMARY KEY,
    tenant_id text NOT NULL,
    config_id text NOT NULL,
    config_name text NOT NULL,
    user_id text NOT NULL,
    session_id text,
    status text NOT NULL,
    created_at timestamptz NOT NULL
  ) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000)`,
  index('age', ''),
  index('config', 'config_id, '),
  index('config_name', 'config_name, '),
  index('user', 'user_id, '),
  index('session', 'session_id, ', ' WHERE session_id IS NOT NULL'),
  index('status', 'status, '),
  `CREATE OR REPLACE FUNCTION execution.note_unfinished() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF TG_OP = 'TRUNCATE' THEN
      DELETE FROM execution.unfinished_executions;
    ELSIF TG_OP = 'DELETE' THEN
      DELETE FROM execution.unfinished_executions WHERE id = OLD.id;
    ELSIF NEW.wake_at IS NULL THEN
      DELETE FROM execution.unfinished_executions WHERE id = NEW.id;
    ELSE
      INSERT INTO execution.unfinished_executions (${FIELDS}) VALUES (${fieldsOf('NEW')})
      ON CONFLICT (id) DO UPDATE SET ${CHANGING.map((field) => `${field} = excluded.${field}`).join(', ')};
    END IF;
    RETURN NULL;
  END $$`,
  `CREATE OR REPLACE TRIGGER started AFTER INSERT ON ${TABLE}
    FOR EACH ROW WHEN (NEW.wake_at IS NOT NULL) EXECUTE FUNCTION execution.note_unfinished()`,
  `CREATE OR REPLACE TRIGGER changed AFTER UPDATE ON ${TABLE}
    FOR EACH ROW WHEN (NOT (${SAME})) EXECUTE FUNCTION execution.note_unfinished()`,
  `CREATE OR REPLACE TRIGGER removed AFTER DELETE ON ${TABLE}
    FOR EACH ROW WHEN (OLD.wake_at IS NOT NULL) EXECUTE FUNCTION execution.note_unfinished()`,
  `CREATE OR REPLACE TRIGGER emptied AFTER TRUNCATE ON ${TABLE} EXECUTE FUNCTION execution.note_unfinished()`,
];

/**
 * Adds executions that started before the table existed, some at a time, so that commits wait only briefly for locked rows.
 * The lock keeps an execution from ending between the reading and the writing: its row would stay here.
 */
export const SOME_UNFINISHED = `
WITH found AS (
  SELECT ${fieldsOf('x')} FROM ${TABLE} x
  WHERE x.wake_at IS NOT NULL AND NOT EXISTS (SELECT FROM execution.unfinished_executions u WHERE u.id = x.id)
  LIMIT 10000 FOR SHARE OF x
)
INSERT INTO execution.unfinished_executions (${FIELDS}) SELECT ${FIELDS} FROM found ON CONFLICT (id) DO NOTHING`;
