import type { ExecutionContext } from '@nestjs/common';
import { applyDecorators, createParamDecorator, SetMetadata } from '@nestjs/common';
import { ApiExtension } from '@nestjs/swagger';
import type { Principal, Role } from '@batuta/contracts';
import type { FastifyRequest } from 'fastify';
import { Problem } from '../http/problem.js';

export interface AuthenticatedRequest extends FastifyRequest {
  principal?: Principal;
  /** Gives back the memory of a large body, when it is not needed until the answer. */
  leaveBodyRoom?: () => void;
}

/** The authenticated caller. It is set before the body is read. */
export function principalOf(request: AuthenticatedRequest): Principal {
  if (request.principal === undefined) throw new Problem('unauthenticated', 'A valid API key is needed.');
  return request.principal;
}

/** Parameter decorator: the authenticated caller. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext) =>
  principalOf(context.switchToHttp().getRequest<AuthenticatedRequest>()),
);

/** The OpenAPI extension that shows the role of an operation. */
export const ROLE_EXTENSION = 'x-batuta-role';
export const NEEDED_ROLE = 'batuta:needed-role';

/** The lowest role that may call a handler. Without it: `viewer` for GET and `admin` for the rest. */
export const Needs = (role: Role): MethodDecorator & ClassDecorator =>
  applyDecorators(SetMetadata(NEEDED_ROLE, role), ApiExtension(ROLE_EXTENSION, role));

export const PUBLIC = 'batuta:public';

/** Marks handlers that need no key. */
export const Public = (): MethodDecorator & ClassDecorator => SetMetadata(PUBLIC, true);
