/**
 * Links of an execution's chain, and signed checkpoints of a partition's links. Events from before this migration have
 * no link, and neither have events that the previous version writes after it. Statements run one by one in a
 * transaction.
 */
export const chain: readonly string[] = [
  // NULL: no link. Empty: the link is on the execution's last event of the same commit.
  `ALTER TABLE execution.events ADD COLUMN link bytea`,
  `CREATE TABLE execution.checkpoints (
    partition int NOT NULL,
    after_position bigint NOT NULL,
    position bigint NOT NULL CHECK (position > after_position),
    at bigint NOT NULL,
    links int NOT NULL,
    root bytea NOT NULL,
    previous bytea NOT NULL,
    key_id text NOT NULL,
    signature bytea NOT NULL,
    CONSTRAINT checkpoints_partition_position PRIMARY KEY (partition, position),
    CONSTRAINT checkpoints_do_not_overlap UNIQUE (partition, after_position)
  )`,
];
