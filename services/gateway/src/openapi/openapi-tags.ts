/** The description of each tag. A tag in camel case is also the namespace of its operations. */
export const TAGS: Readonly<Record<string, string>> = {
  Operations: 'What operators and newcomers ask without a key.',
  Configs: 'Orchestration configs and their versions.',
  Executions: 'Start executions, follow them, steer them.',
  Schedules: 'Executions that start by themselves.',
  Agents: 'The agents that steps run on.',
  Pools: 'The pools of workers that serve agents.',
  Models: 'The language models that steps ask.',
  Secrets: 'What configs and callbacks refer to and must not hold.',
  'Retention policies': 'Which executions are deleted by themselves.',
  Knowledge: 'Documents that agents search.',
  'API keys': 'Who may do what.',
  Audit: 'Who has changed what, or was refused.',
  Tenants: 'Tenants, and what each may use.',
  Callbacks: 'Whom to tell about what happens.',
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
