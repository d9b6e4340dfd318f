import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import type { OpenAPIObject } from '@nestjs/swagger';
import type { Role } from '@batuta/contracts';
import { ROLE_EXTENSION } from '../auth/principal.js';
import { unnamedRole } from '../auth/role.guard.js';
import { ExecuteMessage } from './dto/execute.dto.js';
import { BODY_EXAMPLES, pathExample } from './openapi-examples.js';
import { describedSchema } from './openapi-fields.js';
import type { OpenApiSchema } from './openapi-fields.js';
import type { ProblemExample } from './openapi-problems.js';
import { platformSchemas } from './openapi-schemas.js';

type Schemas = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>;

const DESCRIPTION = `Runs teams of agents, durably.

**Keys.** Send \`Authorization: Bearer <key>\` with every request under \`/api\` and with WebSockets. Browsers, which cannot
set that header on a WebSocket, offer the subprotocols \`batuta.v1\` and \`batuta.bearer.<key>\`; never put a key in a URL.

**Errors** are problem details (RFC 9457) with a stable \`code\`. An id that cannot exist is \`not_found\`, like one that
does not, and so is what belongs to another tenant.

**Changes.** What can be changed has an \`ETag\`. With \`If-Match\`, a change that does not know the newest state is refused
with 412 \`version_conflict\`; \`If-None-Match: *\` only makes what is not there yet. A GET with \`If-None-Match\` is answered
with 304 while nothing has changed. Every POST takes an \`Idempotency-Key\`.

**Headers.** Every answer has an \`X-Request-Id\`: yours if you send one, else a new one. OPTIONS lists the methods of a path.
Large answers are compressed (gzip, br). A WebSocket's path asked for without an upgrade is 426 \`upgrade_required\`.

**WebSockets** (not part of OpenAPI): \`/ws/executions/{id}/monitor?from_version=\` sends an execution's events, the past
ones first, and closes with 1000 after the last; \`/api/v1/orchestrations/ws/execute/{config_id}\` takes the body of a start
as its first message, sends the same events and then \`{"type":"result", …}\`;
\`/ws/notifications\` sends what waits in your inbox, then what comes, until you acknowledge it (docs/notifications.md). Close codes: 4008 too slow, 4401 key revoked
or expired, otherwise 4000 + the HTTP status of the same mistake.`;

/** The API's OpenAPI document: routes from the controllers, schemas from the contract. */
export function openApiDocument(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Batuta')
    .setDescription(DESCRIPTION)
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'An API key.' })
    .build();
  const document = SwaggerModule.createDocument(app, config, { extraModels: [ExecuteMessage] });
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, ...(platformSchemas() as Schemas) },
  };
  const { schemas } = document.components;
  for (const [name, schema] of Object.entries(schemas ?? {}))
    (schemas as Record<string, unknown>)[name] = describedSchema(name, schema as OpenApiSchema);
  for (const [path, item] of Object.entries(document.paths)) {
    showRoles(path, item as PathItem);
    showExamples(path, item as PathItem);
  }
  return document;
}

interface Operation {
  description?: string;
  parameters?: Parameter[];
  requestBody?: { readonly content: Record<string, { example?: unknown }> };
  responses?: Record<string, { readonly content?: Record<string, { examples?: Record<string, ProblemExample> }> }>;
  [ROLE_EXTENSION]?: Role;
}

type PathItem = Readonly<Partial<Record<'get' | 'post' | 'put' | 'patch' | 'delete', Operation>>>;

/** Says in every operation which role it takes: the one that the guard asks for. */
function showRoles(path: string, item: PathItem): void {
  if (!path.startsWith('/api/')) return;
  for (const [method, operation] of Object.entries(item)) {
    const role = (operation[ROLE_EXTENSION] ??= unnamedRole(method.toUpperCase()));
    const { description = '' } = operation;
    operation.description = `${description}${description === '' ? '' : ' '}Takes the role \`${role}\`.`;
  }
}

interface Parameter {
  readonly in: string;
  readonly name: string;
  readonly required?: boolean;
  description?: string;
  example?: unknown;
  schema?: { example?: unknown };
}

/** The page sends examples of parameters as if the reader had written them. What may be left out has its example in words. */
function sayExample(parameter: Parameter): void {
  const example = parameter.example ?? parameter.schema?.example;
  if (example === undefined) return;
  delete parameter.example;
  if (parameter.schema !== undefined) {
    const { example: _said, ...schema } = parameter.schema;
    parameter.schema = schema;
  }
  const text = typeof example === 'string' ? example : JSON.stringify(example);
  parameter.description = `${parameter.description ?? ''} For example \`${text}\`.`.trim();
}

/** Fills in what a reader would have to make up: bodies and parameters that work, and where an error's example came from. */
function showExamples(path: string, item: PathItem): void {
  for (const [method, operation] of Object.entries(item)) {
    const body = BODY_EXAMPLES[`${method} ${path}`];
    for (const content of Object.values(operation.requestBody?.content ?? {}))
      if (body !== undefined) content.example = body;
    let instance = path;
    for (const parameter of operation.parameters ?? []) {
      if (parameter.required !== true) sayExample(parameter);
      if (parameter.in !== 'path') continue;
      const example = pathExample(path, parameter.name);
      if (example !== undefined) parameter.example = example;
      instance = instance.replace(`{${parameter.name}}`, example ?? '01936f2e-5b7a-7cc0-98c8-3f6a1d2b4e5f');
    }
    for (const { content } of Object.values(operation.responses ?? {})) {
      const { examples = {} } = content?.['application/problem+json'] ?? {};
      for (const [code, { summary, value }] of Object.entries(examples))
        examples[code] = { summary, value: { ...value, instance } };
    }
  }
}

/** Serves the document as a page at /docs and as JSON at /docs-json. */
export function serveOpenApi(app: INestApplication): void {
  SwaggerModule.setup('docs', app, () => openApiDocument(app), {
    jsonDocumentUrl: 'docs-json',
    yamlDocumentUrl: 'docs-yaml',
    customSiteTitle: 'Batuta API',
    // The key stays over a reload of the page.
    swaggerOptions: { persistAuthorization: true },
  });
}
