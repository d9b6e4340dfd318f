import { DELIVERY_STATUSES } from '@batuta/contracts';
import type {
  CallbackDelivery,
  DeliveryReply,
  Idempotency,
  ListDeliveriesReply,
  ListDeliveriesRequest,
  Principal,
} from '@batuta/contracts';
import { IdempotencyKeys } from '@batuta/service';
import { Injectable } from '@nestjs/common';
import { NotificationsRows } from '../database/data-source.js';
import { refuse } from '../access/refusals.js';
import type { Refused } from '../access/refusals.js';
import { cutPage, pageAsked, textOf, uuidOf } from '../access/requests.js';
import { AttemptEntity } from './attempt.entity.js';
import { DeliveryEntity } from './delivery.entity.js';
import { DeliveryQueue } from './delivery-queue.js';

const NOT_FOUND = 'There is no such delivery.';
const SHOWN_ATTEMPTS = 200;

/** Shows deliveries, their outcomes and the dead letters. */
@Injectable()
export class Deliveries {
  readonly #rows: NotificationsRows;
  readonly #queue: DeliveryQueue;

  readonly #keys: IdempotencyKeys;

  constructor(rows: NotificationsRows, queue: DeliveryQueue, keys: IdempotencyKeys) {
    this.#rows = rows;
    this.#queue = queue;
    this.#keys = keys;
  }

  async list(request: ListDeliveriesRequest, principal: Principal): Promise<ListDeliveriesReply | Refused> {
    const asked = pageAsked('deliveries', request);
    if ('refused' in asked) return asked;
    const { before, limit } = asked;
    const query = this.#rows
      .of(principal.tenantId)
      .manager.createQueryBuilder(DeliveryEntity, 'd')
      .where('d.tenantId = :tenant', { tenant: principal.tenantId });
    if (before !== undefined) query.andWhere('d.id < :before', { before });
    if (textOf(request.executionId) !== '') {
      query.andWhere('d.executionId = :execution', { execution: request.executionId });
    }
    if (textOf(request.callbackId) !== '') {
      const callback = uuidOf(request.callbackId);
      if (callback === undefined) return { deliveries: [] };
      query.andWhere('d.callbackId = :callback', { callback });
    }
    const status = (request.status ?? []).filter((one) => DELIVERY_STATUSES.includes(one));
    if (status.length > 0) query.andWhere('d.status IN (:...status)', { status });
    if (request.deadLetter === true) query.andWhere('d.deadAt IS NOT NULL');
    const rows = await query
      .orderBy('d.id', 'DESC')
      .limit(limit + 1)
      .getMany();
    const { page, next } = cutPage('deliveries', rows, limit);
    return { deliveries: page.map(shown), ...next };
  }

  /** A delivery with its attempts. */
  async get(
    principal: Principal,
    id: unknown,
    manager = this.#rows.of(principal.tenantId).manager,
  ): Promise<DeliveryReply> {
    const deliveryId = uuidOf(id);
    const found =
      deliveryId === undefined
        ? null
        : await manager.findOneBy(DeliveryEntity, { id: deliveryId, tenantId: principal.tenantId });
    if (found === null) return refuse('not_found', NOT_FOUND);
    const attempts = await manager.find(AttemptEntity, {
      where: { deliveryId: found.id },
      order: { attempt: 'DESC' },
      take: SHOWN_ATTEMPTS,
    });
    return {
      delivery: {
        ...shown(found),
        attempts: attempts.toReversed().map((attempt) => ({
          attempt: attempt.attempt,
          startedAt: attempt.startedAt.getTime(),
          outcome: attempt.outcome,
          ...(attempt.durationMs === null ? {} : { durationMs: attempt.durationMs }),
          ...(attempt.responseStatus === null ? {} : { responseStatus: attempt.responseStatus }),
          ...(attempt.error === null ? {} : { error: attempt.error }),
        })),
      },
    };
  }

  /** Sends a dead letter again, with the same `webhook-id` and all its retries. */
  async redrive(principal: Principal, id: unknown, idempotency?: Idempotency): Promise<DeliveryReply> {
    const deliveryId = uuidOf(id);
    if (deliveryId === undefined) return refuse('not_found', NOT_FOUND);
    const { tenantId } = principal;
    return this.#rows.of(tenantId).transaction((manager) =>
      this.#keys.once<DeliveryReply>(manager, tenantId, idempotency, async () => {
        const result = await this.#queue.redrive(manager, tenantId, deliveryId);
        switch (result) {
          case 'redriven':
            return this.get(principal, deliveryId, manager);
          case 'not_found':
            return refuse('not_found', NOT_FOUND);
          case 'not_dead':
            return refuse('conflict', 'The delivery is not a dead letter.');
          case 'disabled':
            return refuse('conflict', 'The callback of this delivery is disabled or deleted: enable it first.');
          default:
            return result satisfies never;
        }
      }),
    );
  }
}

function shown(delivery: DeliveryEntity): CallbackDelivery {
  const time = <K extends string>(name: K, at: Date | null): { [P in K]?: number } =>
    (at === null ? {} : { [name]: at.getTime() }) as { [P in K]?: number };
  return {
    id: delivery.id,
    executionId: delivery.executionId,
    callbackType: delivery.callbackType,
    callbackUrl: delivery.callbackUrl,
    ...(delivery.callbackMethod === null ? {} : { callbackMethod: delivery.callbackMethod }),
    status: delivery.status,
    retryCount: delivery.retryCount,
    maxRetries: delivery.maxRetries,
    ...time('lastRetryAt', delivery.lastRetryAt),
    ...(delivery.responseStatus === null ? {} : { responseStatus: delivery.responseStatus }),
    ...(delivery.responseBody === null ? {} : { responseBody: delivery.responseBody }),
    createdAt: delivery.createdAt.getTime(),
    ...time('sentAt', delivery.sentAt),
    ...time('completedAt', delivery.completedAt),
    ...(delivery.callbackId === null ? {} : { callbackId: delivery.callbackId }),
    eventType: delivery.eventType,
    eventVersion: delivery.eventVersion,
    channel: delivery.channel,
    ...(delivery.error === null ? {} : { error: delivery.error }),
    ...time('nextAttemptAt', delivery.nextAttemptAt),
    deadLetter: delivery.deadAt !== null,
  };
}
