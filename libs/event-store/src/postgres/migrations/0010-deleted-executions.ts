/**
 * The links of removed events, on which signed checkpoints depend. `last_of` marks the last link before the event that
 * records the deletion. Statements run one by one in a transaction.
 */
export const deletedExecutions: readonly string[] = [
  `CREATE TABLE execution.removed_links (
    partition int NOT NULL,
    position bigint NOT NULL,
    link bytea NOT NULL,
    last_of uuid,
    CONSTRAINT removed_links_partition_position PRIMARY KEY (partition, position)
  )`,
  `CREATE UNIQUE INDEX removed_links_last ON execution.removed_links (last_of) WHERE last_of IS NOT NULL`,
];
