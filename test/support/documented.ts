import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ValidateFunction } from 'ajv/dist/2020.js';
import { ROOT } from './command.js';

interface Documented {
  readonly operationId: string;
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: object }>> }>
  >;
}

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Documented>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

/** Refusals of the edge, before an operation is found. OpenAPI lists them for all operations in its description. */
const OF_THE_EDGE: ReadonlySet<number> = new Set([405, 406, 408, 414, 417, 426, 428, 431]);

/** A schema that refuses unknown fields at every level. */
function strict(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strict);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { discriminator: _told, example: _shown, ...rest } = schema as Record<string, unknown>;
  const inner = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, strict(value)]));
  const closed = 'properties' in inner && !('additionalProperties' in inner);
  return closed && inner['type'] !== undefined ? { ...inner, additionalProperties: false } : inner;
}

interface Route {
  readonly name: string;
  readonly pattern: RegExp;
  /** Routes with more fixed segments are tried first. */
  readonly fixed: number;
  readonly operation: Documented;
}

/**
 * Checks every answer of the platform against docs/openapi.json: its status, its content type, and each of its fields.
 */
export class DocumentedAnswers {
  readonly #routes: readonly Route[];
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  readonly #validators = new Map<string, ValidateFunction>();

  constructor(document: OpenApi) {
    this.#ajv.addSchema({ $id: 'api', components: strict(document.components) as object });
    this.#routes = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({
        name: `${method.toUpperCase()} ${path}`,
        pattern: new RegExp(`^${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
        fixed: path.split('/').filter((part) => !part.startsWith('{')).length,
        operation,
      })),
    );
  }

  static read(): DocumentedAnswers {
    return new DocumentedAnswers(JSON.parse(readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8')) as OpenApi);
  }

  /**
   * Ignores answers of undocumented paths.
   * @throws Error that describes the difference from the document.
   */
  check(method: string, url: string, status: number, contentType: string | null, text: string): void {
    const route = this.#routeOf(`${method === 'HEAD' ? 'GET' : method} ${new URL(url).pathname}`);
    if (route === undefined || method === 'HEAD') return;
    const answer = `${route.name} answers ${status}`;
    const response = route.operation.responses[String(status)];
    if (response === undefined) {
      if (OF_THE_EDGE.has(status)) return;
      throw new Error(`${answer}, which docs/openapi.json does not have: ${text.slice(0, 500)}`);
    }
    const type = contentType?.split(';')[0];
    const content = Object.entries(response.content ?? {});
    if (content.length === 0) {
      if (text !== '') throw new Error(`${answer} with a body, which docs/openapi.json does not have`);
      return;
    }
    const schema = content.find(([media]) => media === type)?.[1].schema;
    if (schema === undefined) {
      throw new Error(`${answer} as ${String(type)}, not as ${content.map(([media]) => media).join(' or ')}`);
    }
    if (type === undefined || !/[+/]json$/.test(type)) return;
    const validate = this.#validatorOf(`${route.name} ${status}`, schema);
    const body: unknown = JSON.parse(text);
    if (validate(body) === true) return;
    const wrong = (validate.errors ?? []).map(({ instancePath, message, params }) => {
      const { additionalProperty } = params as { additionalProperty?: string };
      return `  ${instancePath === '' ? '/' : instancePath} ${message ?? ''}${additionalProperty === undefined ? '' : `: ${additionalProperty}`}`;
    });
    throw new Error(
      `${answer} otherwise than docs/openapi.json says:\n${[...new Set(wrong)].slice(0, 20).join('\n')}\n${text.slice(0, 2000)}`,
    );
  }

  #routeOf(request: string): Route | undefined {
    return this.#routes
      .filter(({ pattern }) => pattern.test(request))
      .toSorted((one, other) => other.fixed - one.fixed)
      .at(0);
  }

  #validatorOf(key: string, schema: object): ValidateFunction {
    let validate = this.#validators.get(key);
    if (validate === undefined) {
      const text = JSON.stringify(strict(schema)).replaceAll('"#/', '"api#/');
      validate = this.#ajv.compile(JSON.parse(text) as object);
      this.#validators.set(key, validate);
    }
    return validate;
  }
}

let answers: DocumentedAnswers | undefined;

/** A `fetch` whose answers must match docs/openapi.json. */
export const documentedFetch: typeof fetch = async (input, init) => {
  const request = new Request(input, init);
  const response = await fetch(input, init);
  const { url, method } = request;
  const text = await response.clone().text();
  answers ??= DocumentedAnswers.read();
  answers.check(method, url, response.status, response.headers.get('content-type'), text);
  return response;
};
