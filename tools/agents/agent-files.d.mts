/** The files by path, made of the agents and, for the document, of the text around its tables. */
export function agentFiles(builtInAgents: unknown, Sandbox: unknown): Promise<Record<string, string>>;
