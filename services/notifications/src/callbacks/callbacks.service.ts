import { etagOf, newId, preconditionRefusal, operations } from '@batuta/contracts';
import type {
  Callback,
  CallbackChannel,
  CallbackReply,
  CallbackType,
  ChangeCallbackRequest,
  ConfigReply,
  GetStartsReply,
  GetVersionsReply,
  KnownSecretsReply,
  KnownSecretsRequest,
  Idempotency,
  ListCallbacksReply,
  ListCallbacksRequest,
  Preconditions,
  Principal,
  RotateSecretReply,
  StartSummary,
} from '@batuta/contracts';
import { UnavailableError } from '@batuta/messaging';
import type { ControlClient } from '@batuta/messaging';
import { IdempotencyKeys } from '@batuta/service';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { NotificationsRows } from '../database/data-source.js';
import { invalid, refuse, requireRole } from '../access/refusals.js';
import type { Refused } from '../access/refusals.js';
import { cutPage, pageAsked, textOf, uuidOf } from '../access/requests.js';
import { DeliveryQueue } from '../deliveries/delivery-queue.js';
import * as logSql from '../log/log-sql.js';
import { contextOf } from '../log/page-executions.js';
import { SandboxBusyError } from '@batuta/sandbox';
import { Templates } from '../templates/templates.js';
import { CallbackEntity } from './callback.entity.js';
import { CallbackHeaders } from './callback-headers.js';
import type { ChannelDefinition } from './channel-definition.js';
import { SigningSecrets } from './signing-secrets.js';
import { validateCallback } from './validate-callback.js';

export const CONTROL = Symbol('control');
export const CALLBACK_RULES = Symbol('callback rules');

export interface CallbackRules {
  readonly unavailable: ReadonlySet<CallbackType>;
  readonly secretOverlapMs: number;
}

/** Most callbacks of one config or execution, and of one tenant. */
const MAX_OF_OWNER = 50;
const MAX_OF_TENANT = 10_000;

const NOT_FOUND = 'There is no such callback.';

/** Definitions of callbacks: who is notified of which events, and how. */
@Injectable()
export class Callbacks {
  readonly #rows: NotificationsRows;
  readonly #control: ControlClient;
  readonly #templates: Templates;
  readonly #secrets: SigningSecrets;
  readonly #headers: CallbackHeaders;
  readonly #queue: DeliveryQueue;
  readonly #rules: CallbackRules;
  readonly #keys: IdempotencyKeys;
  readonly #logger = new Logger(Callbacks.name);

  constructor(
    rows: NotificationsRows,
    @Inject(CONTROL) control: ControlClient,
    templates: Templates,
    secrets: SigningSecrets,
    headers: CallbackHeaders,
    queue: DeliveryQueue,
    @Inject(CALLBACK_RULES) rules: CallbackRules,
    keys: IdempotencyKeys,
  ) {
    this.#rows = rows;
    this.#control = control;
    this.#templates = templates;
    this.#secrets = secrets;
    this.#headers = headers;
    this.#queue = queue;
    this.#rules = rules;
    this.#keys = keys;
  }

  async create(principal: Principal, body: unknown, idempotency?: Idempotency): Promise<CallbackReply> {
    const earlier = await this.#keys.earlier<CallbackReply>(
      this.#rows.of(principal.tenantId),
      principal.tenantId,
      idempotency,
    );
    if (earlier !== undefined) return earlier;
    let checked: Awaited<ReturnType<typeof validateCallback>>;
    try {
      checked = await validateCallback(body, {
        tenantId: principal.tenantId,
        templates: this.#templates,
        unavailable: this.#rules.unavailable,
        knownSecrets: async (names) => {
          const asked: KnownSecretsRequest = { tenantId: principal.tenantId, names: [...names] };
          const reply = await this.#control.request<KnownSecretsReply>(operations.secrets.known.subject, asked);
          return { known: new Set(reply.known ?? []), meant: new Map(Object.entries(reply.meant ?? {})) };
        },
      });
    } catch (error) {
      if (error instanceof SandboxBusyError) return refuse('unavailable', error.message);
      if (error instanceof UnavailableError) {
        return refuse('unavailable', 'The config service does not answer right now.');
      }
      throw error;
    }
    if ('violations' in checked) return invalid('The callback', checked.violations);
    const { events, channel, fallback } = checked.valid;
    const owner = await this.#owner(principal, checked.valid.configId, checked.valid.executionId);
    if ('refused' in owner) return owner;
    const { tenantId } = principal;
    const id = newId();
    const entity = {
      id,
      tenantId,
      configId: owner.configId ?? null,
      executionId: owner.start?.executionId ?? null,
      events,
      channel: this.#headers.sealed(tenantId, id, channel),
      fallback: fallback.map((each) => this.#headers.sealed(tenantId, id, each)),
      enabled: true,
      disabledReason: null,
      createdBy: principal.userId,
    };
    let keptNew = false;
    const make = async (manager: EntityManager): Promise<CallbackReply> => {
      // Counted under a lock of the tenant, so that two concurrent requests cannot exceed a limit.
      await manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 6))', [tenantId]);
      const all = await manager.countBy(CallbackEntity, { tenantId });
      const own = await manager.countBy(CallbackEntity, {
        tenantId,
        ...(owner.start === undefined ? { configId: owner.configId ?? '' } : { executionId: owner.start.executionId }),
      });
      if (all >= MAX_OF_TENANT) return refuse('conflict', `A tenant may have at most ${MAX_OF_TENANT} callbacks.`);
      if (own >= MAX_OF_OWNER) {
        return refuse('conflict', `A config or an execution may have at most ${MAX_OF_OWNER} callbacks.`);
      }
      await manager.insert(CallbackEntity, entity);
      if (owner.start !== undefined) keptNew = await keepExecution(manager, owner.start);
      const signs = [channel, ...fallback].some(({ type }) => type === 'webhook');
      const secret = signs ? await this.#secrets.create(manager, tenantId, entity.id) : undefined;
      const saved = await manager.findOneByOrFail(CallbackEntity, { id: entity.id });
      return { ...this.#replyOf(saved), ...(secret === undefined ? {} : { secret }) };
    };
    const reply = await this.#rows.of(principal.tenantId).transaction((manager) =>
      this.#keys.once(
        manager,
        tenantId,
        idempotency,
        () => make(manager),
        ({ secret: _shownOnce, ...kept }) => kept,
      ),
    );
    if (keptNew && owner.start !== undefined) await this.#noteEnd(tenantId, owner.start.executionId);
    return reply;
  }

  async get(principal: Principal, id: unknown): Promise<CallbackReply> {
    const found = await this.#find(this.#rows.of(principal.tenantId).manager, principal, id);
    return found === null ? refuse('not_found', NOT_FOUND) : this.#replyOf(found);
  }

  async list(request: ListCallbacksRequest, principal: Principal): Promise<ListCallbacksReply | Refused> {
    const asked = pageAsked('callbacks', request);
    if ('refused' in asked) return asked;
    const { before, limit } = asked;
    const query = this.#rows
      .of(principal.tenantId)
      .manager.createQueryBuilder(CallbackEntity, 'c')
      .where('c.tenantId = :tenant', { tenant: principal.tenantId });
    if (before !== undefined) query.andWhere('c.id < :before', { before });
    if (textOf(request.configId) !== '') query.andWhere('c.configId = :config', { config: request.configId });
    if (textOf(request.executionId) !== '') {
      query.andWhere('c.executionId = :execution', { execution: request.executionId });
    }
    const rows = await query
      .orderBy('c.id', 'DESC')
      .limit(limit + 1)
      .getMany();
    const { page, next } = cutPage('callbacks', rows, limit);
    return { callbacks: page.map((row) => this.#shown(row)), ...next };
  }

  /** Deletes a callback and closes its open deliveries. */
  async delete(principal: Principal, id: unknown, preconditions?: Preconditions): Promise<CallbackReply> {
    const reply = await this.#rows.of(principal.tenantId).transaction((manager) =>
      this.#change(manager, principal, { id, preconditions }, async (found) => {
        await manager.delete(CallbackEntity, { id: found.id, tenantId: principal.tenantId });
        return { callback: this.#shown(found) };
      }),
    );
    const { callback } = reply;
    if (callback !== undefined) {
      await this.#queue.closeAll({ callbackId: callback.id }, 'the callback was deleted', false);
    }
    return reply;
  }

  /** Enables a callback that was disabled by a 410, for events from now on. */
  async enable(principal: Principal, request: Omit<ChangeCallbackRequest, 'principal'>): Promise<CallbackReply> {
    const { tenantId } = principal;
    return this.#rows.of(tenantId).transaction((manager) =>
      this.#keys.once<CallbackReply>(manager, tenantId, request.idempotency, () =>
        this.#change(manager, principal, request, async ({ id }) => {
          const enabled = { enabled: true, disabledReason: null, updatedAt: () => 'now()' };
          await manager.update(CallbackEntity, { id, tenantId }, enabled);
          return this.#replyOf(await manager.findOneByOrFail(CallbackEntity, { id, tenantId }));
        }),
      ),
    );
  }

  /** Changes an existing callback if its preconditions hold. A lock keeps others from changing it meanwhile. */
  async #change(
    manager: EntityManager,
    principal: Principal,
    { id, preconditions }: { readonly id: unknown; readonly preconditions?: Preconditions | undefined },
    work: (found: CallbackEntity) => Promise<CallbackReply>,
  ): Promise<CallbackReply> {
    const callbackId = uuidOf(id);
    if (callbackId === undefined) return refuse('not_found', NOT_FOUND);
    const where = { id: callbackId, tenantId: principal.tenantId };
    const found = await manager.findOne(CallbackEntity, { where, lock: { mode: 'pessimistic_write' } });
    if (found === null) return refuse('not_found', NOT_FOUND);
    const refused = preconditionRefusal(preconditions, { etag: etagOf(this.#shown(found)) });
    return refused === undefined ? work(found) : { refused };
  }

  async rotate(principal: Principal, callbackId: unknown, idempotency?: Idempotency): Promise<RotateSecretReply> {
    const whole = textOf(callbackId) === '';
    const { role, does } = operations.callbacks.rotateTenant;
    const denied = whole ? requireRole(principal, role, does) : undefined;
    if (denied !== undefined) return denied;
    const { tenantId } = principal;
    return this.#rows.of(tenantId).transaction((manager) =>
      this.#keys.once<RotateSecretReply>(
        manager,
        tenantId,
        idempotency,
        async () => {
          const found = whole ? undefined : await this.#find(manager, principal, callbackId);
          if (found === null) return refuse('not_found', NOT_FOUND);
          return this.#secrets.rotate(manager, tenantId, found?.id ?? null, this.#rules.secretOverlapMs);
        },
        ({ secret: _shownOnce, ...kept }) => kept,
      ),
    );
  }

  async #find(manager: EntityManager, principal: Principal, id: unknown): Promise<CallbackEntity | null> {
    const callbackId = uuidOf(id);
    if (callbackId === undefined) return null;
    return manager.findOneBy(CallbackEntity, { id: callbackId, tenantId: principal.tenantId });
  }

  /** The config or execution that the callback will belong to, if the principal may see it. */
  async #owner(
    principal: Principal,
    configId: string | undefined,
    executionId: string | undefined,
  ): Promise<{ configId?: string; start?: StartSummary } | Refused> {
    try {
      if (configId !== undefined) {
        const reply = await this.#control.request<ConfigReply>(operations.configs.get.subject, {
          principal,
          id: configId,
        });
        if (reply.config !== undefined) return { configId: reply.config.id };
        return reply.refused === undefined || reply.refused.code === 'not_found'
          ? invalid('The callback', [
              { path: '/config_id', code: 'unknown_config', message: 'there is no such config' },
            ])
          : { refused: reply.refused };
      }
      const { starts } = await this.#control.request<GetStartsReply>(operations.engine.starts.subject, {
        executionIds: [executionId],
      });
      const start = starts.find(({ tenantId }) => tenantId === principal.tenantId);
      return start === undefined
        ? invalid('The callback', [
            { path: '/execution_id', code: 'unknown_execution', message: 'there is no such execution' },
          ])
        : { start };
    } catch (error) {
      if (error instanceof UnavailableError) {
        const service = configId === undefined ? 'execution' : 'config';
        return refuse('unavailable', `The ${service} service does not answer right now; try again.`);
      }
      throw error;
    }
  }

  /**
   * Records that an execution had ended before its callback was stored, so that both are removed in time. The reader
   * notices later ends itself.
   */
  async #noteEnd(tenantId: string, executionId: string): Promise<void> {
    try {
      const { ended } = await this.#control.request<GetVersionsReply>(operations.engine.versions.subject, {
        executionIds: [executionId],
      });
      if (ended?.[0] === true) await this.#rows.of(tenantId).query(logSql.NOTE_END, [executionId]);
    } catch (error) {
      // The callback exists, and only the answer has its secret, so the request must not fail. If the execution has
      // ended, both are only kept longer.
      this.#logger.warn(`whether execution ${executionId} has ended cannot be noted: ${String(error)}`);
    }
  }

  #replyOf(callback: CallbackEntity): CallbackReply {
    const shown = this.#shown(callback);
    return { callback: shown, etag: etagOf(shown) };
  }

  #shown(callback: CallbackEntity): Callback {
    const channel = (stored: ChannelDefinition): CallbackChannel => {
      const { callback_headers: headers, to, ...rest } = this.#headers.shown(callback.tenantId, callback.id, stored);
      return {
        ...rest,
        ...(headers === undefined ? {} : { callback_headers: { ...headers } }),
        ...(to === undefined ? {} : { to: [...to] }),
      };
    };
    return {
      id: callback.id,
      tenantId: callback.tenantId,
      ...(callback.configId === null ? {} : { configId: callback.configId }),
      ...(callback.executionId === null ? {} : { executionId: callback.executionId }),
      events: callback.events,
      channel: channel(callback.channel),
      fallback: callback.fallback.map(channel),
      enabled: callback.enabled,
      ...(callback.disabledReason === null ? {} : { disabledReason: callback.disabledReason }),
      createdBy: callback.createdBy,
      createdAt: callback.createdAt.getTime(),
      updatedAt: callback.updatedAt.getTime(),
    };
  }
}

/**
 * Stores the execution of a callback, because its end decides when the callback may be removed. Returns whether it was
 * not stored before.
 */
async function keepExecution(manager: EntityManager, start: StartSummary): Promise<boolean> {
  const { callback_url_gone: _gone, ...columns } = contextOf(start);
  const rows = await manager.query<unknown[]>(logSql.KEEP_NEW, [JSON.stringify(columns)]);
  return rows.length === 1;
}
