import { Param, Req, Res } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { AnyOperation, JsonObject } from '@batuta/contracts';
import type { AuthenticatedRequest } from '../auth/principal.js';
import { RouteFor, routeOf } from './operation-route.js';

/** A method of a controller that takes the request itself. */
type RouteHandler<C> = (this: C, request: AuthenticatedRequest, response: FastifyReply) => Promise<JsonObject>;

/** Gives a controller one more method, which is the route of an operation. */
export function addRoute<C extends object>(
  controller: Type<C>,
  key: string,
  operation: AnyOperation,
  handler: RouteHandler<C>,
): void {
  const { prototype } = controller as { prototype: object };
  Object.defineProperty(handler, 'name', { value: key });
  const descriptor = { value: handler, configurable: true, writable: true };
  Object.defineProperty(prototype, key, descriptor);
  Req()(prototype, key, 0);
  Res({ passthrough: true })(prototype, key, 1);
  // For OpenAPI, which shows the path parameters that a handler declares.
  const params = [...routeOf(operation).path.matchAll(/:(\w+)/g)].map(([, param = '']) => param);
  // From the last to the first, the order in which parameter decorators run. OpenAPI lists them in that order.
  for (const [index, param] of [...params.entries()].reverse()) Param(param)(prototype, key, 2 + index);
  Reflect.defineMetadata('design:paramtypes', [Object, Object, ...params.map(() => String)], prototype, key);
  RouteFor(operation)(prototype, key, descriptor);
}
