// Generates the types and methods of libs/client from the schemas and operations of the OpenAPI document.
const REF = '#/components/schemas/';

const quoted = (text) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", String.raw`\'`)}'`;
const key = (name) => (/^[A-Za-z_]\w*$/.test(name) ? name : quoted(name));
const comment = (text, indent) =>
  text === undefined || text === ''
    ? ''
    : `${indent}/** ${text.replaceAll('*/', '*\\/').replaceAll(/\s*\n\s*/g, ' ')} */\n`;
const pascal = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const camel = (name) => name.replaceAll(/[-_](\w)/g, (_, letter) => letter.toUpperCase());

/**
 * The TypeScript type of a schema.
 * @throws Error for a keyword that the document has not used before, so that it is not ignored silently.
 */
function typeOf(schema, indent = '') {
  const known = new Set([
    '$ref',
    'type',
    'properties',
    'required',
    'additionalProperties',
    'items',
    'anyOf',
    'oneOf',
    'enum',
    'const',
    'description',
    'example',
    'default',
    'format',
    'pattern',
    'minimum',
    'maximum',
    'exclusiveMinimum',
    'minLength',
    'maxLength',
    'minItems',
    'maxItems',
    'minProperties',
    'discriminator',
    'title',
    'deprecated',
    'uniqueItems',
    'readOnly',
    'writeOnly',
    'maxProperties',
    'examples',
    'propertyNames',
  ]);
  for (const word of Object.keys(schema)) {
    if (!known.has(word) && !word.startsWith('x-')) {
      throw new Error(`tools/openapi/client.mjs does not know "${word}": ${JSON.stringify(schema)}`);
    }
  }
  if (schema.$ref !== undefined) return schema.$ref.slice(REF.length);
  if (schema.const !== undefined) return typeof schema.const === 'string' ? quoted(schema.const) : String(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((word) => (word === null ? 'null' : quoted(word))).join(' | ');
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return choices.map((choice) => typeOf(choice, indent)).join(' | ');
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeOf({ ...schema, type }, indent)).join(' | ');
  switch (schema.type) {
    case undefined:
      return 'unknown';
    case 'null':
    case 'string':
    case 'boolean':
      return schema.type;
    case 'integer':
    case 'number':
      return 'number';
    case 'array': {
      const item = typeOf(schema.items, indent);
      return /[ |]/.test(item) && !item.startsWith('{') ? `(${item})[]` : `${item}[]`;
    }
    case 'object':
      return objectOf(schema, indent);
    default:
      throw new Error(`tools/openapi/client.mjs does not know the type ${String(schema.type)}`);
  }
}

function objectOf({ properties, required = [], additionalProperties }, indent) {
  if (properties === undefined) {
    const values = typeof additionalProperties === 'object' ? typeOf(additionalProperties, indent) : 'unknown';
    return `Record<string, ${values}>`;
  }
  const inner = `${indent}  `;
  const fields = Object.entries(properties).map(([name, field]) => {
    const optional = required.includes(name) ? '' : '?';
    const type = typeOf(field, inner);
    return `${comment(field.description, inner)}${inner}${key(name)}${optional}: ${type}${optional === '' ? '' : ' | undefined'};\n`;
  });
  return `{\n${fields.join('')}${indent}}`;
}

const HEADER = (what) => `// Generated from docs/openapi.json by \`npm run openapi\`: ${what} Do not edit.\n`;

/** The file with the schemas. */
export function schemasFile({ components }) {
  const types = Object.entries(components.schemas).map(([name, schema]) => {
    const type = typeOf(schema);
    const declared = type.startsWith('{') ? `interface ${name} ${type}` : `type ${name} = ${type};`;
    return `${comment(schema.description, '')}export ${declared}\n`;
  });
  return `${HEADER('what the API takes and answers.')}\n${types.join('\n')}`;
}

const OPTION_OF_HEADER = {
  'If-Match': 'ifMatch',
  'If-None-Match': 'ifNoneMatch',
  'Idempotency-Key': 'idempotencyKey',
  traceparent: 'traceparent',
};

/** The properties of an operation that the client needs. */
function read(document, path, method, operation) {
  const [namespace, name] = operation.operationId.split('.');
  const parameters = operation.parameters ?? [];
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, one]) =>
    parameters.find((each) => each.in === 'path' && each.name === one),
  );
  const query = parameters.filter((each) => each.in === 'query');
  const headers = parameters.filter((each) => each.in === 'header' && OPTION_OF_HEADER[each.name] !== undefined);
  const [media, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const answers = new Set(
    Object.entries(operation.responses)
      .filter(([status]) => status.startsWith('2'))
      .flatMap(([, response]) => Object.values(response.content ?? {}).map(({ schema }) => typeOf(schema))),
  );
  const answer = [...answers].join(' | ') || 'undefined';
  const page = document.components.schemas[answer]?.properties ?? {};
  const list = 'next_cursor' in page ? Object.entries(page).find(([, field]) => field.type === 'array') : undefined;
  return {
    namespace,
    name,
    path,
    method: method.toUpperCase(),
    summary: operation.summary,
    inPath,
    query,
    headers,
    answer,
    media,
    body: content === undefined ? undefined : typeOf(content.schema),
    bodyRequired: operation.requestBody?.required === true,
    paged:
      list === undefined
        ? undefined
        : {
            field: list[0],
            item: typeOf(list[1].items),
          },
  };
}

/** The file with the operations: their HTTP requests, and a class of methods for each namespace. */
export function operationsFile(document) {
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => read(document, path, method, operation)),
  );
  const namespaces = groupBy(operations);
  const used = new Set();
  const use = (type) => {
    for (const [word] of type.matchAll(/\b[A-Z]\w*/g)) {
      if (document.components.schemas[word] !== undefined) used.add(word);
    }
    return type;
  };
  const table = operations.map(
    ({ namespace, name, method, path, query, headers, media, paged }) =>
      `  '${namespace}.${name}': { method: '${method}', path: '${path}', query: [${query.map((each) => `'${each.name}'`).join(', ')}], headers: [${headers.map((each) => `'${each.name}'`).join(', ')}]${media === undefined ? '' : `, media: '${media}'`}${paged === undefined ? '' : `, items: '${paged.field}'`} },\n`,
  );
  const classes = [...namespaces].map(([namespace, list]) => {
    const options = [];
    const methods = list.map((one) => {
      const type = `${pascal(namespace)}${pascal(one.name)}Options`;
      const own = [
        ...one.query.map(
          (each) =>
            `${comment(each.description, '  ')}  ${each.name}${each.required ? '' : '?'}: ${use(typeOf(each.schema))}${each.required ? '' : ' | undefined'};\n`,
        ),
        ...one.headers.map(
          (each) => `${comment(each.description, '  ')}  ${OPTION_OF_HEADER[each.name]}?: string | undefined;\n`,
        ),
      ];
      if (own.length > 0) options.push(`export interface ${type} extends CallOptions {\n${own.join('')}}\n`);
      const needed = one.query.some((each) => each.required);
      const taken = [
        ...one.inPath.map((each) => `${camel(each.name)}: ${typeOf(each.schema)}`),
        ...(one.body === undefined ? [] : [`body${one.bodyRequired ? '' : '?'}: ${use(one.body)}`]),
        `options${needed ? '' : '?'}: ${own.length > 0 ? type : 'CallOptions'}`,
      ];
      const path = `{ ${one.inPath.map((each) => (each.name === camel(each.name) ? each.name : `${each.name}: ${camel(each.name)}`)).join(', ')} }`;
      const request = `{ path: ${path === '{  }' ? '{}' : path}${one.body === undefined ? '' : ', body'}, options }`;
      const answer = use(one.answer);
      return one.paged === undefined
        ? `${comment(one.summary, '  ')}  ${one.name}(${taken.join(', ')}): Answer<${answer}> {\n    return this.caller.call<${answer}>('${namespace}.${one.name}', ${request});\n  }\n`
        : `${comment(one.summary, '  ')}  ${one.name}(${taken.join(', ')}): Pages<${answer}, ${use(one.paged.item)}> {\n    return this.caller.pages<${answer}, ${one.paged.item}>('${namespace}.${one.name}', ${request});\n  }\n`;
    });
    return `${options.join('\n')}${options.length > 0 ? '\n' : ''}export class ${pascal(namespace)}Operations {\n  constructor(protected readonly caller: Caller) {}\n\n${methods.join('\n')}}\n`;
  });
  const imports = [...used].toSorted();
  return `${HEADER('its operations as methods.')}import type { Answer } from '../answer.js';
import type { CallOptions, Caller, OperationSpec } from '../caller.js';
import type { Pages } from '../pages.js';
import type { ${imports.join(', ')} } from './schemas.js';

export const OPERATIONS = {
${table.join('')}} as const satisfies Record<string, OperationSpec>;

export type OperationId = keyof typeof OPERATIONS;

${classes.join('\n')}
/** The methods of every namespace. */
export const NAMESPACES = [${[...namespaces.keys()].map((each) => `'${each}'`).join(', ')}] as const;
`;
}

function groupBy(operations) {
  const groups = new Map();
  for (const one of operations) groups.set(one.namespace, [...(groups.get(one.namespace) ?? []), one]);
  return groups;
}
