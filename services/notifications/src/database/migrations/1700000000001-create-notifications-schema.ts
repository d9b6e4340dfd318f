import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Callbacks, their deliveries and attempts, inboxes, and the cursor in each partition's log. */
export class CreateNotificationsSchema1700000000001 implements MigrationInterface {
  readonly name = 'CreateNotificationsSchema1700000000001';

  async up(queryRunner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      DROP TABLE notifications.inbox, notifications.callback_attempts, notifications.orchestration_callbacks,
        notifications.destinations, notifications.events, notifications.executions, notifications.cursors,
        notifications.signing_secrets, notifications.callbacks`);
  }
}

// Ids of executions and configs are text, so that an id that the engine accepted can never stop a cursor.
const STATEMENTS = [
  `CREATE TABLE notifications.callbacks (
    id uuid PRIMARY KEY,
    tenant_id text NOT NULL,
    config_id text,
    execution_id text,
    events text[] NOT NULL,
    channel jsonb NOT NULL,
    fallback jsonb NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    disabled_reason text,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (num_nonnulls(config_id, execution_id) = 1)
  )`,
  'CREATE INDEX callbacks_tenant ON notifications.callbacks (tenant_id, id DESC)',
  'CREATE INDEX callbacks_config ON notifications.callbacks (config_id, tenant_id) WHERE config_id IS NOT NULL',
  'CREATE INDEX callbacks_execution ON notifications.callbacks (execution_id) WHERE execution_id IS NOT NULL',

  `CREATE TABLE notifications.signing_secrets (
    id uuid PRIMARY KEY,
    tenant_id text NOT NULL,
    callback_id uuid REFERENCES notifications.callbacks ON DELETE CASCADE,
    secret text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz
  )`,
  // There is one newest secret for each callback, and one for each tenant for the short form.
  `CREATE UNIQUE INDEX signing_secrets_newest ON notifications.signing_secrets
    (tenant_id, coalesce(callback_id, '00000000-0000-0000-0000-000000000000')) WHERE expires_at IS NULL`,
  'CREATE INDEX signing_secrets_callback ON notifications.signing_secrets (tenant_id, callback_id)',

  `CREATE TABLE notifications.cursors (
    partition integer PRIMARY KEY,
    position bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now()
  )`,
  `CREATE TABLE notifications.executions (
    execution_id text PRIMARY KEY,
    tenant_id text NOT NULL,
    trace_id text NOT NULL,
    config_id text NOT NULL,
    config_name text NOT NULL,
    user_id text NOT NULL,
    callback_url text,
    callback_url_gone boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
  )`,
  // json and not jsonb, because it is only passed on.
  `CREATE TABLE notifications.events (
    execution_id text NOT NULL,
    version integer NOT NULL,
    event json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (execution_id, version)
  )`,
  `CREATE TABLE notifications.destinations (
    destination text PRIMARY KEY,
    failures integer NOT NULL DEFAULT 0,
    open_until timestamptz,
    used_at timestamptz NOT NULL DEFAULT now()
  )`,

  `CREATE TABLE notifications.orchestration_callbacks (
    id uuid PRIMARY KEY,
    execution_id text NOT NULL,
    callback_type text NOT NULL CHECK (callback_type IN ('webhook', 'email', 'sms', 'websocket')),
    callback_url text NOT NULL,
    callback_method text,
    callback_headers jsonb NOT NULL DEFAULT '{}',
    callback_body_template text,
    status text NOT NULL DEFAULT 'pending'
      CHECK (status IN ('pending', 'sent', 'delivered', 'failed', 'retrying')),
    retry_count integer NOT NULL DEFAULT 0,
    max_retries integer NOT NULL,
    last_retry_at timestamptz,
    response_status integer,
    response_body text,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    completed_at timestamptz,
    tenant_id text NOT NULL,
    callback_id uuid,
    callback_key text NOT NULL,
    event_type text NOT NULL,
    event_version integer NOT NULL,
    position bigint NOT NULL,
    channel integer NOT NULL,
    channel_settings jsonb NOT NULL,
    fallback jsonb NOT NULL,
    fallback_at timestamptz,
    destination text NOT NULL,
    order_key text NOT NULL,
    open boolean NOT NULL DEFAULT true,
    next_attempt_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    attempts_before integer NOT NULL DEFAULT 0,
    give_up_at timestamptz NOT NULL,
    error text,
    dead_at timestamptz,
    UNIQUE (execution_id, event_version, callback_key, channel)
  )`,
  // Deliveries that may be sent, by destination. So the waiting deliveries of one destination are never read for
  // another.
  `CREATE INDEX orchestration_callbacks_due ON notifications.orchestration_callbacks (destination, next_attempt_at)
    WHERE next_attempt_at IS NOT NULL`,
  `CREATE INDEX orchestration_callbacks_scheduled ON notifications.orchestration_callbacks (order_key)
    WHERE next_attempt_at IS NOT NULL`,
  `CREATE INDEX orchestration_callbacks_order ON notifications.orchestration_callbacks (order_key, position, id)
    WHERE open`,
  `CREATE INDEX orchestration_callbacks_fallback ON notifications.orchestration_callbacks (fallback_at)
    WHERE fallback_at IS NOT NULL`,
  'CREATE INDEX orchestration_callbacks_give_up ON notifications.orchestration_callbacks (give_up_at) WHERE open',
  'CREATE INDEX orchestration_callbacks_tenant ON notifications.orchestration_callbacks (tenant_id, id DESC)',
  'CREATE INDEX orchestration_callbacks_callback ON notifications.orchestration_callbacks (callback_id, id DESC)',
  `CREATE INDEX orchestration_callbacks_dead ON notifications.orchestration_callbacks (tenant_id, id DESC)
    WHERE dead_at IS NOT NULL`,
  'CREATE INDEX orchestration_callbacks_old ON notifications.orchestration_callbacks (created_at) WHERE NOT open',

  `CREATE TABLE notifications.callback_attempts (
    delivery_id uuid NOT NULL REFERENCES notifications.orchestration_callbacks ON DELETE CASCADE,
    attempt integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    duration_ms double precision,
    outcome text NOT NULL DEFAULT 'running'
      CHECK (outcome IN ('running', 'succeeded', 'failed', 'refused', 'interrupted')),
    response_status integer,
    error text,
    PRIMARY KEY (delivery_id, attempt)
  )`,

  `CREATE TABLE notifications.inbox (
    id uuid PRIMARY KEY,
    tenant_id text NOT NULL,
    user_id text NOT NULL,
    execution_id text NOT NULL,
    event_type text NOT NULL,
    content json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    acked_at timestamptz
  )`,
  'CREATE INDEX inbox_waiting ON notifications.inbox (tenant_id, user_id, id) WHERE acked_at IS NULL',
  'CREATE INDEX inbox_old ON notifications.inbox (created_at)',
];
