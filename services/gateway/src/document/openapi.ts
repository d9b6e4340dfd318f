import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import type { OpenAPIObject } from '@nestjs/swagger';
import { ALL_OPERATIONS, REFUSAL_CODES } from '@batuta/contracts';
import type { JsonObject, Role } from '@batuta/contracts';
import { ROLE_EXTENSION } from '../auth/principal.js';
import { unnamedRole } from '../auth/role.guard.js';
import { ExecuteMessage } from '../dto/execute.dto.js';
import { operationNameOf } from '../openapi/operation-name.js';
import { describedSchema, withAnyJson } from './fields.js';
import type { OpenApiSchema } from '../openapi/openapi-schema.js';
import { headerRef, HEADERS, REQUEST_ID_PARAMETER } from '../openapi/openapi-headers.js';
import { pathParameter } from './parts.js';
import { problemExamples } from './problems.js';
import { platformSchemas } from './schemas.js';
import { TAGS } from '../openapi/openapi-tags.js';
import { REQUEST_ID } from '../http/request-id.js';

type Schemas = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>;

const DESCRIPTION = `Runs teams of agents, durably.

**Keys.** Send \`Authorization: Bearer <key>\` with every request under \`/api\` and with WebSockets. Browsers cannot set that
header on a WebSocket, so they offer the subprotocols \`batuta.v1\` and \`batuta.bearer.<key>\`. Never put a key in a URL.

**Errors** are problem details (RFC 9457) with a stable \`code\`. An id that is not valid is \`not_found\`, like one
that does not exist, and so are objects of another tenant.

**Changes.** Resources that can be changed have an \`ETag\`. With \`If-Match\`, a change is refused with 412
\`version_conflict\` when the resource has changed since. \`If-None-Match: *\` only creates, and never replaces. A GET with
\`If-None-Match\` is answered with 304 while nothing has changed. Every POST takes an \`Idempotency-Key\`.

**Headers.** Every answer has an \`X-Request-Id\`: yours if you send one, else a new one. OPTIONS lists the methods of a path.
Large answers are compressed (gzip, br). A request to a WebSocket's path without an upgrade gets 426 \`upgrade_required\`.

**WebSockets** (not part of OpenAPI): \`/ws/executions/{id}/monitor?from_version=\` sends an execution's events, the past
ones first, and closes with 1000 after the last; \`/api/v1/orchestrations/ws/execute/{config_id}\` takes the body of a start
as its first message, sends the same events and then \`{"type":"result", …}\`;
\`/ws/executions/{id}/output?step=&after=\` sends what steps say while they run, of all steps or of those that \`step\` names
(at most 20 times);
\`/ws/notifications\` sends the open notifications of your inbox, then new ones. Those that you do not acknowledge come again
at the next connect (docs/notifications.md). Close codes: 4008 too slow, 4401 key revoked or expired, otherwise 4000 + the
HTTP status of the same error.`;

/** The API's OpenAPI document: routes from the controllers, schemas from the contract. */
export function openApiDocument(app: INestApplication): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Batuta')
    .setDescription(DESCRIPTION)
    .setVersion('1')
    .setContact('Batuta', '', '')
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addServer('/', 'Where this document is served.')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'An API key.' });
  const document = SwaggerModule.createDocument(app, builder.build(), {
    extraModels: [ExecuteMessage],
    operationIdFactory: (_controller, method) => method,
    autoTagControllers: false,
  });
  document.info.contact = { name: 'Batuta' };
  // Bodies that are classes accept no unknown fields.
  const bodies = Object.entries((document.components?.schemas ?? {}) as Record<string, OpenApiSchema>).map(
    ([name, schema]) => [name, describedSchema(name, { ...withAnyJson(schema), additionalProperties: false })] as const,
  );
  document.components = {
    ...document.components,
    schemas: { ...Object.fromEntries(bodies), ...platformSchemas() } as Schemas,
    headers: HEADERS as never,
    examples: problemExamples(REFUSAL_CODES) as never,
  };
  const used = new Set<string>();
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(item as unknown as PathItem)) {
      for (const tag of operation.tags ?? []) used.add(tag);
      nameOperation(operation);
      describeParameters(path, operation);
      describeHeaders(operation);
      showRole(path, method, operation);
      showBody(operation);
    }
  }
  document.tags = [...used].map((name) => ({ name, description: TAGS[name] ?? '' }));
  return withoutUnused(document);
}

interface Operation {
  operationId: string;
  tags?: string[];
  description?: string;
  security?: unknown[];
  parameters?: Parameter[];
  requestBody?: { readonly content: Record<string, { example?: unknown }> };
  responses: Record<string, { headers?: Record<string, unknown> }>;
  [ROLE_EXTENSION]?: Role;
}

type PathItem = Readonly<Partial<Record<'get' | 'post' | 'put' | 'patch' | 'delete', Operation>>>;

/** Sets `<namespace>.<method>`, the name in clients, unless the route has its own name. `remove` becomes `delete`. */
function nameOperation(operation: Operation): void {
  const [tag = 'other'] = operation.tags ?? [];
  operation.operationId = operationNameOf(tag, operation.operationId);
}

/** Adds the required role to every operation, the same that the guard requires. */
function showRole(path: string, method: string, operation: Operation): void {
  const { description = '' } = operation;
  if (!path.startsWith('/api/')) {
    operation.security ??= [];
    operation.description = `${description}${description === '' ? '' : ' '}Takes no key.`;
    return;
  }
  const role = (operation[ROLE_EXTENSION] ??= unnamedRole(method.toUpperCase()));
  operation.description = `${description}${description === '' ? '' : ' '}Requires the role \`${role}\`.`;
}

interface Parameter {
  readonly in: string;
  readonly name: string;
  readonly required?: boolean;
  description?: string;
  example?: unknown;
  schema?: OpenApiSchema;
}

/**
 * The page sends examples of parameters as if the reader had written them. So an optional parameter has its example in
 * its description.
 */
function sayExample(parameter: Parameter): void {
  const example = parameter.example ?? parameter.schema?.['example'];
  if (example === undefined) return;
  delete parameter.example;
  if (parameter.schema !== undefined) {
    const { example: _said, ...schema } = parameter.schema;
    parameter.schema = schema;
  }
  const text = typeof example === 'string' ? example : JSON.stringify(example);
  parameter.description = `${parameter.description ?? ''} For example \`${text}\`.`.trim();
}

function describeParameters(path: string, operation: Operation): void {
  for (const parameter of operation.parameters ?? []) {
    if (parameter.required !== true) sayExample(parameter);
    if (parameter.in === 'path') Object.assign(parameter, pathParameter(path, parameter.name) ?? {});
  }
  operation.parameters = [...(operation.parameters ?? []), { ...REQUEST_ID_PARAMETER }];
}

function describeHeaders(operation: Operation): void {
  for (const response of Object.values(operation.responses)) {
    response.headers = { [REQUEST_ID]: headerRef('RequestId'), ...response.headers };
  }
}

const EXAMPLES: ReadonlyMap<string, JsonObject> = new Map(
  ALL_OPERATIONS.flatMap(({ name, http }) => (http?.body === undefined ? [] : [[name, http.body.example] as const])),
);

/** Adds example bodies that work. */
function showBody(operation: Operation): void {
  const body = EXAMPLES.get(operation.operationId);
  for (const content of Object.values(operation.requestBody?.content ?? {})) {
    if (body !== undefined) content.example = body;
  }
}

/**
 * The document without components that no operation uses, because generators would make code for them. Schemas are
 * sorted by name, so that their order does not depend on where they are written.
 */
function withoutUnused(document: OpenAPIObject): OpenAPIObject {
  const all = document.components as Record<string, Record<string, unknown>>;
  const reached = new Set<string>();
  const visit = (value: unknown): void => {
    for (const [, kind = '', name = ''] of JSON.stringify(value).matchAll(/#\/components\/(\w+)\/(\w+)/g)) {
      const place = `${kind}/${name}`;
      if (reached.has(place)) continue;
      reached.add(place);
      visit(all[kind]?.[name] ?? null);
    }
  };
  visit(document.paths);
  for (const kind of ['schemas', 'examples', 'headers']) {
    all[kind] = Object.fromEntries(Object.entries(all[kind] ?? {}).filter(([name]) => reached.has(`${kind}/${name}`)));
  }
  const schemas = Object.entries(all['schemas'] ?? {});
  all['schemas'] = Object.fromEntries(schemas.toSorted(([one], [other]) => (one < other ? -1 : 1)));
  return document;
}

/** Serves the document as a page at /docs and as JSON at /docs-json. */
export function serveOpenApi(app: INestApplication): void {
  SwaggerModule.setup('docs', app, () => openApiDocument(app), {
    jsonDocumentUrl: 'docs-json',
    yamlDocumentUrl: 'docs-yaml',
    customSiteTitle: 'Batuta API',
    // Keeps the key when the page is reloaded.
    swaggerOptions: { persistAuthorization: true },
  });
}
