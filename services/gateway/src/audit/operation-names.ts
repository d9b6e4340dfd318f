import { RequestMethod } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { ALL_OPERATIONS } from '@batuta/contracts';
import { operationNameOf } from '../openapi/operation-name.js';

/**
 * The metadata keys of @nestjs/swagger's decorators, which it does not export. A test compares the result with the
 * document.
 */
const TAGS_METADATA = 'swagger/apiUseTags';
const OPERATION_METADATA = 'swagger/apiOperation';

/** POSTs that change nothing. */
const READS: ReadonlySet<string> = new Set([
  ...ALL_OPERATIONS.filter(({ kind }) => kind === 'read').map(({ name }) => name),
  'schedules.preview',
]);

/** The names of operations by method and route, the same as in OpenAPI and the clients. */
export class OperationNames {
  readonly #names = new Map<string, string>();

  constructor(controllers: readonly Type<unknown>[]) {
    for (const controller of controllers) {
      const below = Reflect.getMetadata(PATH_METADATA, controller) as string;
      const [tag = 'other'] = (Reflect.getMetadata(TAGS_METADATA, controller) ?? []) as string[];
      const prototype = controller.prototype as Record<string, unknown>;
      for (const property of Object.getOwnPropertyNames(prototype)) {
        const handler = prototype[property];
        if (typeof handler !== 'function') continue;
        const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
        if (method === undefined) continue;
        const path = Reflect.getMetadata(PATH_METADATA, handler) as string;
        const said = Reflect.getMetadata(OPERATION_METADATA, handler) as { operationId?: string } | undefined;
        const parts = [below, path].map((part) => part.replaceAll(/^\/|\/$/g, '')).filter((part) => part !== '');
        const given = said?.operationId ?? '';
        this.#names.set(
          `${RequestMethod[method]} /${parts.join('/')}`,
          operationNameOf(tag, given === '' ? property : given),
        );
      }
    }
  }

  /** A request without a route gets its method as its name. */
  of(method: string, route: string): string {
    return this.#names.get(`${method} ${route}`) ?? method;
  }

  /** Whether an operation only reads, although it is a POST. */
  reads(name: string): boolean {
    return READS.has(name);
  }

  /** Every name. */
  get all(): readonly string[] {
    return [...this.#names.values()];
  }
}
