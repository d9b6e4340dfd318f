import { ROLES, TENANT_ID, roleRefusal } from '@batuta/contracts';
import type { AnyOperation, Principal, Refusal, ReplyOf, RequestOf, RouteTo, StreamCommand } from '@batuta/contracts';
import { Controller, Inject } from '@nestjs/common';
import type { Type } from '@nestjs/common';
// Not imported from the package itself, which loads all of Nest's transports. Processes that only send requests do not
// need them.
import { MessagePattern } from '@nestjs/microservices/decorators/message-pattern.decorator.js';

type Feature = Readonly<Record<string, AnyOperation>>;
type Answer<O> = Promise<ReplyOf<O> | { readonly refused: Refusal }>;

/** A handler for each operation of a feature. The compiler refuses a feature with a missing handler. */
type Handlers<Service, F extends Feature> = {
  readonly [K in keyof F as F[K] extends RouteTo<never, unknown> | StreamCommand ? never : K]: (
    service: Service,
    request: RequestOf<F[K]>,
  ) => Answer<F[K]>;
};

/** The requester and its tenant, if the request names them. */
interface Asking {
  readonly principal?: Principal;
  readonly tenantId?: string;
}

/**
 * Refuses a request whose sender lacks the required role.
 * @throws TypeError when the request lacks a complete principal or a tenant. Only services send requests, so that is a
 * bug of the sender.
 */
function refusalOf({ request: { fields }, role, does }: AnyOperation, asked: Asking): Refusal | undefined {
  const takes = (name: string): boolean => fields.some((field) => field.name === name);
  if (takes('principal')) {
    const { principal } = asked;
    const complete =
      principal !== undefined &&
      TENANT_ID.test(principal.tenantId ?? '') &&
      (principal.userId ?? '') !== '' &&
      ROLES.includes(principal.role);
    if (!complete) throw new TypeError('the request carries no complete principal');
    return roleRefusal(principal, role, does);
  }
  if (takes('tenant_id') && !TENANT_ID.test(asked.tenantId ?? '')) {
    throw new TypeError('the request carries no tenant id');
  }
  return undefined;
}

/** The answer to a request, or a refusal because of the sender's role. */
export async function answerOperation(
  operation: AnyOperation,
  request: Asking,
  answer: () => Promise<unknown>,
): Promise<unknown> {
  const refused = refusalOf(operation, request);
  return refused === undefined ? answer() : { refused };
}

/**
 * A Nest controller that answers the operations of a feature on their subjects. It checks the operation's role before
 * each request. `name`: the controller's name in metrics and logs.
 */
export function operationsController<Service extends object, const F extends Feature>(
  name: string,
  feature: F,
  service: Type<Service>,
  handlers: Handlers<Service, F>,
): Type<object> {
  class Operations {
    constructor(readonly service: Service) {}
  }
  Inject(service)(Operations, undefined, 0);
  Object.defineProperty(Operations, 'name', { value: name });
  const answers = Object.entries(handlers as Readonly<Record<string, (service: Service, request: never) => unknown>>);
  for (const [method, answer] of answers) {
    const operation = feature[method];
    if (operation === undefined) throw new TypeError(`${name} answers ${method}, which is not one of its operations`);
    const handler = function (this: Operations, request: Asking): Promise<unknown> {
      return answerOperation(operation, request, async () => answer(this.service, request as never));
    };
    Object.defineProperty(handler, 'name', { value: method });
    const descriptor = { value: handler, configurable: true, writable: true };
    Object.defineProperty(Operations.prototype, method, descriptor);
    MessagePattern(operation.subject)(Operations.prototype, method, descriptor);
  }
  Controller()(Operations);
  return Operations;
}
