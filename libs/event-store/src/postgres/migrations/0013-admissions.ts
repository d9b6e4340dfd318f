/**
 * Starts that count against the limits of tenants. The tables may lose their rows, because executions are counted by
 * their own rows. Statements run one by one in a transaction.
 */
export const admissions: readonly string[] = [
  // One row for each tenant that has limits; its lock gives the turn. paid_until belongs to the generic cell rate
  // algorithm (ITU-T I.371).
  `CREATE UNLOGGED TABLE execution.tenant_use (
    tenant_id text PRIMARY KEY,
    paid_until double precision NOT NULL DEFAULT 0,
    unfinished int NOT NULL DEFAULT 0,
    counted_at double precision NOT NULL DEFAULT 0,
    count_took double precision NOT NULL DEFAULT 0
  ) WITH (fillfactor = 50)`,
  // Admitted commands that may not be committed yet. version: the execution's version at that time, 0 before its start.
  `CREATE UNLOGGED TABLE execution.admissions (
    tenant_id text NOT NULL,
    command_id text NOT NULL,
    execution_id uuid NOT NULL,
    version int NOT NULL,
    until double precision NOT NULL,
    PRIMARY KEY (tenant_id, command_id)
  )`,
  `CREATE UNLOGGED TABLE execution.tenant_sockets (
    tenant_id text NOT NULL,
    gateway text NOT NULL,
    sockets int NOT NULL,
    seen_at double precision NOT NULL,
    PRIMARY KEY (tenant_id, gateway)
  ) WITH (fillfactor = 50)`,
  // refusal: null, starts or unfinished. Times are milliseconds since the epoch.
  `CREATE FUNCTION execution.admit(
    a_tenant text, a_command text, a_execution uuid, a_start boolean,
    per_second double precision, most double precision, holds_ms double precision,
    OUT refusal text, OUT retry_ms double precision, OUT starts_left double precision, OUT held int
  ) LANGUAGE plpgsql AS $$
  DECLARE
    use execution.tenant_use;
    now_ms double precision;
    cost double precision := CASE WHEN per_second > 0 THEN 1000 / per_second ELSE 0 END;
    burst double precision := greatest(1000, cost);
    paid double precision;
    row_version int;
    row_wake bigint;
  BEGIN
    INSERT INTO execution.tenant_use AS t (tenant_id) VALUES (a_tenant)
      ON CONFLICT (tenant_id) DO UPDATE SET tenant_id = excluded.tenant_id RETURNING t.* INTO use;
    now_ms := extract(epoch FROM clock_timestamp()) * 1000;
    paid := greatest(use.paid_until, now_ms);
    starts_left := CASE WHEN cost > 0 THEN floor((now_ms + burst - paid) / cost + 1e-6) ELSE 0 END;
    IF EXISTS (SELECT FROM execution.admissions WHERE tenant_id = a_tenant AND command_id = a_command) THEN
      RETURN;
    END IF;
    SELECT version, wake_at INTO row_version, row_wake
      FROM execution.orchestration_executions WHERE id = a_execution AND tenant_id = a_tenant;
    -- It runs already, or was started before: nothing begins.
    IF row_version IS NOT NULL AND (a_start OR row_wake IS NOT NULL) THEN
      RETURN;
    END IF;
    IF cost > 0 AND starts_left < 1 THEN
      refusal := 'starts';
      retry_ms := paid + cost - burst - now_ms;
      RETURN;
    END IF;
    IF most > 0 AND (use.counted_at = 0 OR now_ms - use.counted_at >= 60000
      OR (use.unfinished >= most AND now_ms - use.counted_at >= greatest(200, 20 * use.count_took)))
    THEN
      DELETE FROM execution.admissions a WHERE a.tenant_id = a_tenant AND (a.until < now_ms OR a.version <> coalesce(
        (SELECT x.version FROM execution.orchestration_executions x WHERE x.id = a.execution_id), 0));
      SELECT (SELECT count(*) FROM execution.admissions WHERE tenant_id = a_tenant)
        + (SELECT count(*) FROM execution.orchestration_executions WHERE tenant_id = a_tenant AND wake_at IS NOT NULL)
        INTO use.unfinished;
      use.counted_at := now_ms;
      use.count_took := extract(epoch FROM clock_timestamp()) * 1000 - now_ms;
    ELSIF most <= 0 THEN
      -- Nobody counts now; whoever does next begins anew.
      use.counted_at := 0;
      IF random() < 0.01 THEN
        DELETE FROM execution.admissions WHERE tenant_id = a_tenant AND until < now_ms;
      END IF;
    END IF;
    held := use.unfinished;
    IF most > 0 AND use.unfinished >= most THEN
      refusal := 'unfinished';
      retry_ms := greatest(200, 20 * use.count_took);
    ELSE
      INSERT INTO execution.admissions VALUES (a_tenant, a_command, a_execution, coalesce(row_version, 0), now_ms + holds_ms);
      use.unfinished := use.unfinished + 1;
      paid := paid + cost;
      starts_left := CASE WHEN cost > 0 THEN floor((now_ms + burst - paid) / cost + 1e-6) ELSE 0 END;
    END IF;
    UPDATE execution.tenant_use SET paid_until = paid, unfinished = use.unfinished, counted_at = use.counted_at,
      count_took = use.count_took WHERE tenant_id = a_tenant;
  END $$`,
  `CREATE FUNCTION execution.admit_sockets(
    a_tenant text, a_gateway text, a_sockets int, most double precision, silent_ms double precision
  ) RETURNS int LANGUAGE plpgsql AS $$
  DECLARE
    now_ms double precision;
    others int;
  BEGIN
    INSERT INTO execution.tenant_use AS t (tenant_id) VALUES (a_tenant)
      ON CONFLICT (tenant_id) DO UPDATE SET tenant_id = excluded.tenant_id;
    now_ms := extract(epoch FROM clock_timestamp()) * 1000;
    DELETE FROM execution.tenant_sockets WHERE tenant_id = a_tenant AND (seen_at < now_ms - silent_ms OR sockets = 0);
    SELECT coalesce(sum(sockets), 0) INTO others
      FROM execution.tenant_sockets WHERE tenant_id = a_tenant AND gateway <> a_gateway;
    IF most > 0 AND others + a_sockets > most THEN
      RETURN others;
    END IF;
    INSERT INTO execution.tenant_sockets AS s VALUES (a_tenant, a_gateway, a_sockets, now_ms)
      ON CONFLICT (tenant_id, gateway) DO UPDATE SET sockets = excluded.sockets, seen_at = excluded.seen_at;
    RETURN -1;
  END $$`,
];
