import type { Idempotency, JsonValue } from '@batuta/contracts';
import { createParamDecorator } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { principalOf } from '../auth/principal.js';
import type { AuthenticatedRequest } from '../auth/principal.js';
import { idempotencyKeyOf } from '../http/headers.js';
import { canonicalJson, sha256 } from '../http/ids.js';

/**
 * The key under which a request is done only once. Undefined without an `Idempotency-Key`. The same words of another
 * user are a different request. @throws Problem validation_failed.
 */
export function onceOf(request: AuthenticatedRequest): Idempotency | undefined {
  const key = idempotencyKeyOf(request.headers['idempotency-key']);
  if (key === undefined) return undefined;
  const path = (request.raw.url ?? '/').split('?', 1)[0] ?? '/';
  const asked: JsonValue = [principalOf(request).userId, (request.body as JsonValue | undefined) ?? null];
  return { key, route: `${request.method} ${path}`, requestHash: sha256(canonicalJson(asked)) };
}

/** Parameter decorator: the result of `onceOf`. */
export const Once = createParamDecorator((_: unknown, context: ExecutionContext): Idempotency | undefined =>
  onceOf(context.switchToHttp().getRequest<AuthenticatedRequest>()),
);
