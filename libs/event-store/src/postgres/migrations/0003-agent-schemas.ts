/** Adds the schemas to the copies of agents. Statements run one by one in a transaction. */
export const agentSchemas: readonly string[] = [
  `ALTER TABLE execution.agents ADD COLUMN input_schema jsonb, ADD COLUMN output_schema jsonb`,
  // Existing copies do not tell which schemas an agent has. The next lookup of an agent copies it again.
  `DELETE FROM execution.agents`,
];
