import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Principal, Role } from '@batuta/contracts';
import { Problem } from '../http/problem.js';
import { NEEDED_ROLE, PUBLIC, principalOf } from './principal.js';
import type { AuthenticatedRequest } from './principal.js';
import { allows } from './roles.js';

/** @throws Problem forbidden when the key's role is below `needed`. */
export function requireRole({ role }: Principal, needed: Role): void {
  if (!allows(role, needed)) {
    throw new Problem('forbidden', `This needs the role ${needed}; the key has the role ${role}.`);
  }
}

/** The role for a handler that names none. */
export const unnamedRole = (method: string): Role => (method === 'GET' || method === 'HEAD' ? 'viewer' : 'admin');

/** Accepts a request when its key's role allows the handler. */
@Injectable()
export class RoleGuard implements CanActivate {
  readonly #reflector: Reflector;

  constructor(reflector: Reflector) {
    this.#reflector = reflector;
  }

  canActivate(context: ExecutionContext): boolean {
    if (
      this.#reflector.getAllAndOverride<boolean | undefined>(PUBLIC, [context.getHandler(), context.getClass()]) ===
      true
    ) {
      return true;
    }
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const needed =
      this.#reflector.getAllAndOverride<Role | undefined>(NEEDED_ROLE, [context.getHandler(), context.getClass()]) ??
      unnamedRole(request.method);
    requireRole(principalOf(request), needed);
    return true;
  }
}
