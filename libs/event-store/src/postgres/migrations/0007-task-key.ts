/**
 * The key of the tokens in tasks, the same for all owners. PostgreSQL's generator is cryptographically strong. 12 of
 * the 256 bits are fixed: version and variant of the UUIDs.
 */
export const taskKey: readonly string[] = [
  `ALTER TABLE execution.settings
    ADD COLUMN task_key bytea NOT NULL
      DEFAULT decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')`,
];
