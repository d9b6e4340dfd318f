// Makes the files that repeat the definitions of the built-in agents: their names, descriptions and schemas for all
// services, and the tables of docs/agents.md.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';

const root = join(import.meta.dirname, '../..');
const CONTRACTS = 'libs/contracts/src/built-in-agents.ts';
/** The documents that may contain the tables. */
const DOCUMENTS = ['docs/agents.md', 'docs/models.md'];

/** Options for agents that only describe themselves and therefore need no services. */
const options = (sandbox) => ({
  control: { request: () => Promise.reject(new Error('nobody answers')), close: () => Promise.resolve() },
  sandbox,
  logDirectories: [],
  allowedAddresses: [],
  statusAddresses: [],
  dnsServers: [],
  dnsTimeoutMs: 1_000,
});

/**
 * Returns the generated files by path. They are made from the agents and, for documents, from the text around their
 * tables.
 */
export async function agentFiles(builtInAgents, Sandbox) {
  const sandbox = new Sandbox({ threads: 1 });
  const builtIn = builtInAgents(options(sandbox));
  try {
    const described = builtIn.agents.map(({ name, description = '', input, output }) => ({
      name,
      description,
      ...(input === undefined ? {} : { inputSchema: input }),
      ...(output === undefined ? {} : { outputSchema: output }),
    }));
    const files = {
      [CONTRACTS]: contractsOf(described),
      ...documentsOf(described),
    };
    const entries = Object.entries(files).map(async ([path, text]) => {
      // Documents keep their line breaks.
      if (DOCUMENTS.includes(path)) return [path, text];
      const filepath = join(root, path);
      return [path, await format(text, { ...(await resolveConfig(filepath)), filepath })];
    });
    return Object.fromEntries(await Promise.all(entries));
  } finally {
    await builtIn.close();
    await sandbox.close();
  }
}

function contractsOf(agents) {
  const all = agents.map((agent) => JSON.stringify(agent)).join(',\n');
  const names = agents.map(({ name }) => JSON.stringify(name)).join(', ');
  return `// Written by \`npm run agents\` from what the agents of the step-runner say of themselves.
import type { JsonObject } from './common.js';

/** Agents that every step-runner of the pool \`default\` serves. */
export const BUILT_IN_AGENTS = [${names}] as const;
export type BuiltInAgent = (typeof BUILT_IN_AGENTS)[number];

export interface AgentDescription {
  readonly name: BuiltInAgent;
  readonly description: string;
  readonly inputSchema?: JsonObject;
  readonly outputSchema?: JsonObject;
}

export const BUILT_IN_AGENT_DESCRIPTIONS: readonly AgentDescription[] = [${all}];
`;
}

/** Replaces the text between the marks of tables. Throws when a table has no marks, or marks have no table. */
function documentsOf(agents) {
  const tables = {
    all: ['| agent | |', '| --- | --- |', ...agents.map(({ name, description }) => `| \`${name}\` | ${description} |`)],
    ...Object.fromEntries(
      agents.flatMap(({ name, inputSchema, outputSchema }) => [
        ...(inputSchema === undefined ? [] : [[`${name} input`, tableOf('parameter', inputSchema)]]),
        ...(outputSchema === undefined ? [] : [[`${name} output`, tableOf('output', outputSchema)]]),
      ]),
    ),
  };
  const missing = new Set(Object.keys(tables));
  const written = DOCUMENTS.map((path) => {
    const text = readFileSync(join(root, path), 'utf8');
    const filled = text.replace(/(<!-- agents: ([\w ]+) -->\n)[^]*?(<!-- end -->)/g, (_, begin, name, end) => {
      if (tables[name] === undefined) throw new Error(`${path} has a table "${name}", but no agent has one`);
      missing.delete(name);
      return `${begin}\n${tables[name].join('\n')}\n\n${end}`;
    });
    return [path, filled];
  });
  if (missing.size > 0) {
    const marks = [...missing].map((name) => `<!-- agents: ${name} -->\n<!-- end -->`).join('\n');
    throw new Error(`${DOCUMENTS[0]} has no place for these tables; put where they belong:\n${marks}`);
  }
  return Object.fromEntries(written);
}

function tableOf(title, { properties = {}, required = [] }) {
  return [
    `| ${title} | |`,
    '| --- | --- |',
    ...Object.entries(properties).map(([name, schema]) => {
      const said = [
        schema.description ?? '',
        schema.default === undefined ? '' : `default \`${JSON.stringify(schema.default).replace(/^"(.*)"$/, '$1')}\``,
        title === 'parameter' ? limitsOf(schema) : '',
        required.includes(name) ? 'required' : '',
      ];
      return `| \`${name}\` | ${said
        .filter((part) => part !== '')
        .join('; ')
        .replaceAll('|', '\\|')} |`;
    }),
  ];
}

function limitsOf({ minimum, maximum }) {
  if (minimum === undefined || maximum === undefined || maximum === Number.MAX_SAFE_INTEGER) return '';
  return `${minimum} to ${maximum}`;
}
