import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { operations } from '@batuta/contracts';
import type { AckInboxReply, CallbackReply, Idempotency, RotateSecretReply } from '@batuta/contracts';
import { principal, startUnderTest } from './harness.js';
import type { UnderTest } from './harness.js';

let test: UnderTest;
beforeAll(async () => {
  test = await startUnderTest();
  await test.start({});
});
afterAll(() => test?.close());

const who = principal();
const ask = <Reply>(pattern: string, request: object): Promise<Reply> =>
  test.client.request<Reply>(pattern, { principal: who, ...request });
const keyed = (key: string, requestHash = 'h1'): { idempotency: Idempotency } => ({
  idempotency: { key, route: 'POST /here', requestHash },
});
const body = (configId: string) => ({
  type: 'webhook',
  config_id: configId,
  events: ['started'],
  callback_url: 'https://example.com/hook',
});
const callbacks = (): Promise<unknown[]> => test.rows('SELECT id FROM notifications.callbacks');
const secrets = (): Promise<unknown[]> => test.rows('SELECT id FROM notifications.signing_secrets');

describe('a request under an idempotency key', () => {
  it('makes one callback, and shows its secret once', async () => {
    const request = { body: body(test.engine.addConfig()), ...keyed('make') };
    const replies = await Promise.all(
      Array.from({ length: 4 }, () => ask<CallbackReply>(operations.callbacks.create.subject, request)),
    );
    expect(await callbacks()).toHaveLength(1);
    const first = replies.find(({ repeated }) => repeated === undefined);
    const { secret, ...shown } = first ?? {};
    expect(secret).toMatch(/^whsec_/);
    const repeats = replies.filter(({ repeated }) => repeated === true);
    expect(repeats).toEqual(Array.from({ length: 3 }, () => ({ ...shown, repeated: true })));
    const other = await ask<CallbackReply>(operations.callbacks.create.subject, { ...request, ...keyed('make', 'h2') });
    expect(other.refused?.code).toBe('idempotency_mismatch');
    const stored = await test.rows<{ reply: unknown }>('SELECT reply FROM notifications.idempotency_keys');
    expect(JSON.stringify(stored)).not.toContain('whsec_');
  });

  it('rotates a secret once', async () => {
    const first = await ask<RotateSecretReply>(operations.callbacks.rotate.subject, keyed('rotate'));
    const before = (await secrets()).length;
    const repeat = await ask<RotateSecretReply>(operations.callbacks.rotate.subject, keyed('rotate'));
    expect(first.secret).toMatch(/^whsec_/);
    expect(repeat).toEqual({ previousExpiresAt: first.previousExpiresAt, repeated: true });
    expect(await secrets()).toHaveLength(before);
  });

  it('acknowledges once', async () => {
    const request = { ids: ['0193aaaa-0000-7000-8000-000000000000'], ...keyed('ack') };
    expect(await ask<AckInboxReply>(operations.notifications.acknowledge.subject, request)).toEqual({ ids: [] });
    expect(await ask<AckInboxReply>(operations.notifications.acknowledge.subject, request)).toEqual({
      ids: [],
      repeated: true,
    });
    const other = await ask<AckInboxReply>(operations.notifications.acknowledge.subject, {
      ...request,
      ...keyed('ack', 'h2'),
    });
    expect(other.refused?.code).toBe('idempotency_mismatch');
  });
});

describe('a callback', () => {
  it('is changed and deleted only with its newest entity tag', async () => {
    const made = await ask<CallbackReply>(operations.callbacks.create.subject, { body: body(test.engine.addConfig()) });
    const id = made.callback?.id;
    const ifMatch = (tag = '') => ({ id, preconditions: { ifMatch: { tags: [tag] } } });
    expect((await ask<CallbackReply>(operations.callbacks.get.subject, { id })).etag).toBe(made.etag);
    await test.rows(`UPDATE notifications.callbacks SET enabled = false, disabled_reason = '410' WHERE id = '${id}'`);
    const disabled = await ask<CallbackReply>(operations.callbacks.get.subject, { id });
    expect(disabled.etag).not.toBe(made.etag);
    for (const pattern of [operations.callbacks.enable.subject, operations.callbacks.delete.subject]) {
      expect((await ask<CallbackReply>(pattern, ifMatch(made.etag))).refused?.code).toBe('version_conflict');
    }
    const enabled = await ask<CallbackReply>(operations.callbacks.enable.subject, ifMatch(disabled.etag));
    expect([enabled.callback?.enabled, enabled.etag === disabled.etag]).toEqual([true, false]);
    expect((await ask<CallbackReply>(operations.callbacks.delete.subject, ifMatch(enabled.etag))).callback?.id).toBe(
      id,
    );
    expect((await ask<CallbackReply>(operations.callbacks.get.subject, { id })).refused?.code).toBe('not_found');
  });
});
