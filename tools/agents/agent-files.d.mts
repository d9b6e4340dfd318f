/**
 * Returns the generated files by path. They are made from the agents and, for documents, from the text around their
 * tables.
 */
export function agentFiles(builtInAgents: unknown, Sandbox: unknown): Promise<Record<string, string>>;
