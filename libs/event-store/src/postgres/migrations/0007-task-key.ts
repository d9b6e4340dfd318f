/**
 * The key of the tokens that tasks carry, the same for all owners. PostgreSQL's own generator is a strong one; of the 256 bits 12
 * are a UUID's version and variant.
 */
export const taskKey: readonly string[] = [
  `ALTER TABLE execution.settings
    ADD COLUMN task_key bytea NOT NULL
      DEFAULT decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')`,
];
