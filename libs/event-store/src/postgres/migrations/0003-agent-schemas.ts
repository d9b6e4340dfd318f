/** Schemas beside the pool in the copies of agents. Statements run one by one in a transaction. */
export const agentSchemas: readonly string[] = [
  `ALTER TABLE execution.agents ADD COLUMN input_schema jsonb, ADD COLUMN output_schema jsonb`,
  // Copies made before do not say which schemas an agent has; each is made again when the agent is next looked up.
  `DELETE FROM execution.agents`,
];
