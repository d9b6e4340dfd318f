// The registries that list the files of a folder: events, and kinds of steps in the schema and in the engine.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';

const NOTE = '// Written by `npm run registries` from the files of this folder.\n';

const camel = (name) => name.replaceAll(/-([a-z])/g, (_, letter) => letter.toUpperCase());
const pascal = (name) => camel(name).replace(/^[a-z]/, (letter) => letter.toUpperCase());

/** Names of the files of a folder, without extension, whose text has a match. */
function files(folder, has) {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.spec.ts'))
    .map((name) => name.slice(0, -'.ts'.length))
    .filter((name) => readFileSync(join(folder, `${name}.ts`), 'utf8').includes(has(name)))
    .toSorted();
}

function eventsOf(folder) {
  const events = files(folder, (name) => `export const ${camel(name)}: EventDefinition<'${pascal(name)}'>`);
  return `${NOTE}
import type { EventType } from '@batuta/contracts';
${events.map((name) => `import { ${camel(name)} } from './${name}.js';`).join('\n')}
import type { EventDefinition } from './definition.js';

/** Every event of an execution's log, one file each. */
export const EVENTS: { readonly [T in EventType]: EventDefinition<T> } = {
  ${events.map((name) => `${pascal(name)}: ${camel(name)},`).join('\n')}
};
`;
}

function schemasOf(folder) {
  const definitions = files(folder, (name) => `export const ${camel(name)}Definitions`);
  const fields = files(folder, (name) => `export const ${camel(name)}Field: KindField`);
  const imported = (name) =>
    [...(fields.includes(name) ? [`${camel(name)}Field`] : []), `${camel(name)}Definitions`].toSorted().join(', ');
  return `${NOTE}
${definitions.map((name) => `import { ${imported(name)} } from './${name}.js';`).join('\n')}
import type { KindField } from './kind.js';

/** Definitions of the schema for kinds of steps, by their names in the contract. */
export const KIND_DEFINITIONS = {
  ${definitions.map((name) => `...${camel(name)}Definitions,`).join('\n')}
} as const;

/** Kinds of steps that replace the agent by a field of their own. */
export const KIND_FIELDS = {
  ${fields.map((name) => `${camel(name)}: ${camel(name)}Field,`).join('\n')}
} as const satisfies Readonly<Record<string, KindField>>;

export const KIND_NAMES = Object.keys(KIND_FIELDS) as readonly (keyof typeof KIND_FIELDS)[];
`;
}

function kindsOf(folder) {
  const kinds = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    // A step without the rules of any kind is an agent's.
    .toSorted((one, other) => Number(one === 'agent') - Number(other === 'agent') || (one < other ? -1 : 1));
  return `${NOTE}
${kinds.map((name) => `import { ${camel(name)}Kind } from './${name}/${name}.js';`).join('\n')}

/**
 * Every kind of step, one folder each. A step has the first kind whose rules it contains. Every other step is an
 * agent's.
 */
export const KINDS = {
  ${kinds.map((name) => `${camel(name)}: ${camel(name)}Kind,`).join('\n')}
};
`;
}

const REGISTRIES = [
  { folder: 'services/execution/src/domain/events', file: 'index.ts', textOf: eventsOf },
  { folder: 'services/execution/src/domain/kinds', file: 'registry.ts', textOf: kindsOf },
  { folder: 'libs/contracts/src/config-schema/kinds', file: 'index.ts', textOf: schemasOf },
];

/** What each registry should contain, by its path in the repository. */
export async function registries(root) {
  return Promise.all(
    REGISTRIES.map(async ({ folder, file, textOf }) => {
      const path = `${folder}/${file}`;
      const options = await resolveConfig(join(root, path));
      return { path, text: await format(textOf(join(root, folder)), { ...options, filepath: path }) };
    }),
  );
}
