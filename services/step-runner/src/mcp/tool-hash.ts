import { createHash } from 'node:crypto';
import type { JsonObject, JsonValue, McpTool, McpToolState } from '@batuta/contracts';

/** JSON with the keys of every object sorted, so that equal documents give equal text. */
function sorted(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key] ?? null)]),
  );
}

/** A tool as the protocol says it, with the hash of all that a model or the platform goes by. */
export function shownTool(said: JsonObject): McpTool {
  const { name, title, description, inputSchema, outputSchema, annotations } = said;
  const tool = {
    name: typeof name === 'string' ? name : '',
    ...(typeof title === 'string' ? { title } : {}),
    description: typeof description === 'string' ? description : '',
    inputSchema: inputSchema ?? { type: 'object' },
    ...(outputSchema === undefined ? {} : { outputSchema }),
    ...(annotations === undefined ? {} : { annotations }),
  };
  const hash = createHash('sha256')
    .update(JSON.stringify(sorted(tool)), 'utf8')
    .digest('hex');
  return { ...tool, hash };
}

/** The tools that a server offers now beside those that an admin has consented to. */
export function comparedTools(now: readonly McpTool[], consented: readonly McpTool[]): McpTool[] {
  const known = new Map(consented.map((tool) => [tool.name, tool]));
  const stateOf = ({ name, hash }: McpTool): McpToolState => {
    const before = known.get(name);
    if (before === undefined) return 'new';
    return before.hash === hash ? 'consented' : 'changed';
  };
  const names = new Set(now.map(({ name }) => name));
  return [
    ...now.map((tool) => ({ ...tool, state: stateOf(tool) })),
    ...consented.filter(({ name }) => !names.has(name)).map((tool) => ({ ...tool, state: 'gone' as const })),
  ];
}
