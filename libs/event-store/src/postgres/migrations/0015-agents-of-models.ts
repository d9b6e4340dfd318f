/** What an agent is made of, where that is a model. Statements run one by one in a transaction. */
export const agentsOfModels: readonly string[] = ['ALTER TABLE execution.agents ADD COLUMN model jsonb'];
