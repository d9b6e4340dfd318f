/** The description of each tag. A tag in camel case is also the namespace of its operations. */
export const TAGS: Readonly<Record<string, string>> = {
  Operations: 'Routes that need no key: health, metrics and documentation.',
  Configs: 'Orchestration configs and their versions.',
  Executions: 'Start, follow and control executions.',
  Schedules: 'Executions that start at given times.',
  Tasks: 'Agents that run once, now or at a time.',
  Workflows: 'Named sequences of tasks.',
  Processes: 'Sequences of workflows and tasks that wait for each other.',
  Agents: 'The agents that run steps.',
  Pools: 'The pools of workers that serve agents.',
  Pauses: 'Tenants, agents and pools whose tasks are held back.',
  Models: 'The language models that steps ask.',
  'MCP servers': 'Servers whose tools steps call, and consent to their tools.',
  Secrets: 'Secret values that configs and callbacks refer to by name.',
  'Retention policies': 'Which executions are deleted automatically.',
  Knowledge: 'Documents that agents search.',
  'API keys': 'Users’ keys and their roles.',
  Audit: 'Who has changed what, or was refused.',
  Tenants: 'Tenants and their limits.',
  Callbacks: 'Who is notified of which events.',
  Notifications: 'Your inbox.',
};

export const camelCase = (text: string): string =>
  text.toLowerCase().replaceAll(/[^a-z0-9]+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

const TAG_OF = new Map(Object.keys(TAGS).map((tag) => [camelCase(tag), tag]));

/** The tag of an operation, by its name. @throws TypeError when its namespace has none. */
export function tagOf(operation: string): string {
  const [namespace = ''] = operation.split('.');
  const tag = TAG_OF.get(namespace);
  if (tag === undefined) throw new TypeError(`${operation}: describe its namespace in TAGS of openapi-tags.ts`);
  return tag;
}
