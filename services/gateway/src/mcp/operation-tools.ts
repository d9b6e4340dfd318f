import { ALL_OPERATIONS } from '@batuta/contracts';
import type { AnyOperation, JsonObject, JsonValue } from '@batuta/contracts';
import type { Tool } from '@modelcontextprotocol/server';
import type { OpenAPIObject } from '@nestjs/swagger';
import { isJsonObject } from '../dto/checked.js';
import type { OpenApiSchema } from '../openapi/openapi-schema.js';
import { routeOf } from '../routes/operation-route.js';
import type { RestRequest } from './rest-calls.js';

interface Parameter {
  readonly in: string;
  readonly name: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema?: OpenApiSchema;
}

interface Described {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: {
    readonly required?: boolean;
    readonly description?: string;
    readonly content: Readonly<Record<string, { readonly schema?: OpenApiSchema }>>;
  };
}

/** An operation of the platform as a tool. */
export interface OperationTool {
  readonly operation: AnyOperation;
  readonly tool: Tool;
  readonly path: readonly string[];
  readonly query: readonly string[];
}

/** Arguments that become headers, by the name of the header. */
const HEADERS: Readonly<Record<string, string>> = { 'Idempotency-Key': 'idempotency_key', 'If-Match': 'if_match' };
const BODY = 'body';
const COMPONENT = '#/components/schemas/';

/** The name of an operation as the name of a tool. Many clients allow no dots. */
export const toolNameOf = ({ name }: Pick<AnyOperation, 'name'>): string => name.replaceAll('.', '_');

/**
 * The operations that say `tool`, with the schemas of the OpenAPI document: what a client of the API may send is what an
 * assistant may send.
 */
export function operationTools(document: OpenAPIObject): ReadonlyMap<string, OperationTool> {
  const schemas = (document.components?.schemas ?? {}) as Readonly<Record<string, OpenApiSchema>>;
  return new Map(
    ALL_OPERATIONS.filter(({ http }) => http?.tool === true).map((operation) => {
      const { method, path } = routeOf(operation);
      const item = document.paths[path.replaceAll(/:(\w+)/g, '{$1}')] as unknown as Record<string, Described>;
      const described = item[method.toLowerCase()];
      if (described === undefined) throw new TypeError(`${operation.name} is not in the OpenAPI document`);
      const tool = toolOf(operation, described, schemas);
      return [tool.tool.name, tool];
    }),
  );
}

function toolOf(
  operation: AnyOperation,
  { parameters = [], requestBody }: Described,
  schemas: Readonly<Record<string, OpenApiSchema>>,
): OperationTool {
  const { summary, description, method } = routeOf(operation);
  const properties: Record<string, OpenApiSchema> = {};
  const required: string[] = [];
  const add = (name: string, parameter: Pick<Parameter, 'required' | 'description' | 'schema'>): void => {
    const { description: says } = parameter;
    properties[name] = { ...parameter.schema, ...(says === undefined ? {} : { description: says }) };
    if (parameter.required === true) required.push(name);
  };
  const places: Record<string, string[]> = { path: [], query: [] };
  for (const parameter of parameters) {
    const name = parameter.in === 'header' ? HEADERS[parameter.name] : parameter.name;
    if (name === undefined) continue;
    places[parameter.in]?.push(name);
    add(name, parameter);
  }
  const body = Object.values(requestBody?.content ?? {})[0]?.schema;
  if (body !== undefined) {
    const { required: needed = false, description: says } = requestBody ?? {};
    add(BODY, { schema: body, required: needed, ...(says === undefined ? {} : { description: says }) });
  }
  const reads = operation.kind === 'read';
  return {
    operation,
    path: places['path'] ?? [],
    query: places['query'] ?? [],
    tool: {
      name: toolNameOf(operation),
      title: summary,
      description: `${summary}. ${description ?? ''}`.trim(),
      inputSchema: {
        type: 'object',
        ...withDefinitions({ properties, required, additionalProperties: false }, schemas),
      } as Tool['inputSchema'],
      annotations: {
        readOnlyHint: reads,
        ...(reads ? {} : { destructiveHint: method === 'DELETE', idempotentHint: method !== 'POST' }),
        openWorldHint: false,
      },
    },
  };
}

/** A schema that stands for itself: components of the document become its own definitions. */
function withDefinitions(schema: OpenApiSchema, schemas: Readonly<Record<string, OpenApiSchema>>): OpenApiSchema {
  const definitions: Record<string, unknown> = {};
  const moved = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(moved);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, each]) => {
        if (key !== '$ref' || typeof each !== 'string' || !each.startsWith(COMPONENT)) return [key, moved(each)];
        const name = each.slice(COMPONENT.length);
        if (!Object.hasOwn(definitions, name)) {
          // Named before it is visited, because a schema may contain itself.
          definitions[name] = true;
          definitions[name] = moved(schemas[name] ?? true);
        }
        return [key, `#/$defs/${name}`];
      }),
    );
  };
  const own = moved(schema) as OpenApiSchema;
  return Object.keys(definitions).length === 0 ? own : { ...own, $defs: definitions };
}

/** A mistake in the arguments of a tool, in words for the model. */
export class ArgumentMistake extends Error {
  override readonly name = 'ArgumentMistake';
}

/**
 * The request that the arguments of a tool mean. `key` makes a repeat of the same call take effect once. @throws
 * ArgumentMistake.
 */
export function requestOf(
  { operation, path: inPath, query: inQuery, tool }: OperationTool,
  args: JsonObject,
  key: string | undefined,
): RestRequest {
  const known = Object.keys(tool.inputSchema.properties ?? {});
  for (const name of Object.keys(args)) {
    if (!known.includes(name)) {
      throw new ArgumentMistake(`There is no argument "${name}". ${tool.name} takes: ${known.join(', ')}.`);
    }
  }
  const { method, path, once } = routeOf(operation);
  let url = path;
  for (const name of inPath) url = url.replace(`:${name}`, segmentOf(name, args[name]));
  const query = new URLSearchParams();
  for (const name of inQuery) {
    for (const value of [args[name] ?? []].flat()) query.append(name, wordOf(name, value));
  }
  const { [BODY]: body, if_match: ifMatch, idempotency_key: given } = args;
  if (body !== undefined && !isJsonObject(body)) throw new ArgumentMistake('body must be an object.');
  const idempotencyKey = given === undefined ? key : wordOf('idempotency_key', given);
  return {
    method,
    url: query.size === 0 ? url : `${url}?${query.toString()}`,
    ...(body === undefined ? {} : { body }),
    ...(once === undefined ? {} : { idempotencyKey }),
    ...(ifMatch === undefined ? {} : { ifMatch: wordOf('if_match', ifMatch) }),
  };
}

function wordOf(name: string, value: JsonValue): string {
  if (typeof value === 'object') throw new ArgumentMistake(`${name} must be a text, a number or a boolean.`);
  return String(value);
}

function segmentOf(name: string, value: JsonValue | undefined): string {
  if (value === undefined || value === '') throw new ArgumentMistake(`${name} is required.`);
  const text = wordOf(name, value);
  // Such a segment would lead to another path, even when it is encoded.
  if (text === '.' || text === '..') throw new ArgumentMistake(`${name} must not be "${text}".`);
  // A lone surrogate cannot be encoded.
  return encodeURIComponent(text.toWellFormed());
}
