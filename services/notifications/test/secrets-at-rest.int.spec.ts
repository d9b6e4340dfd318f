import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { operations } from '@batuta/contracts';
import type { CallbackReply, ListDeliveriesReply, RotateSecretReply } from '@batuta/contracts';
import { loadNotificationsSettings } from '@batuta/notifications';
import { eventually } from '@batuta/testing';
import { Webhook } from 'standardwebhooks';
import { principal, Receiver, startUnderTest } from './harness.js';
import type { UnderTest } from './harness.js';

const who = principal();
const [old, current] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')];

let test: UnderTest;
let receiver: Receiver;

beforeAll(async () => {
  test = await startUnderTest();
  receiver = await Receiver.start();
});

afterAll(async () => {
  await receiver?.close();
  await test?.close();
});

const stored = async (): Promise<string[]> =>
  (await test.rows<{ secret: string }>('SELECT secret FROM notifications.signing_secrets ORDER BY id')).map(
    ({ secret }) => secret,
  );

/** Starts the service with these keys, lets `work` use it and ends it. */
async function running<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
  const service = await test.start(keys.length === 0 ? {} : { BATUTA_NOTIFICATIONS_ENCRYPTION_KEYS: keys.join(',') });
  try {
    return await work();
  } finally {
    await service.close();
  }
}

describe('signing secrets in the database', () => {
  let configId: string;
  let id: string;
  let secret: string;
  let tenantSecret: string;

  /** Ends an execution and checks that its two webhooks are signed with the secrets that their receivers know. */
  async function expectSigned(): Promise<void> {
    const execution = test.engine.start(configId, { callbackUrl: `${receiver.url}/short` });
    test.engine.tell(execution, 'completed');
    const told = await eventually(() => {
      const found = receiver.received.filter(({ body }) => body.includes(execution));
      expect(found).toHaveLength(2);
      return found;
    });
    for (const { path, body, headers } of told) {
      new Webhook(path === '/short' ? tenantSecret : secret).verify(body, headers as Record<string, string>);
    }
  }

  it('are in the clear without a key, as in an older installation', async () => {
    await running([], async () => {
      configId = test.engine.addConfig();
      const made = await test.client.request<CallbackReply>(operations.callbacks.create.subject, {
        principal: who,
        body: { type: 'webhook', config_id: configId, events: ['completed'], callback_url: `${receiver.url}/own` },
      });
      [id, secret] = [made.callback?.id ?? '', made.secret ?? ''];
      const rotated = await test.client.request<RotateSecretReply>(operations.callbacks.rotate.subject, {
        principal: who,
      });
      tenantSecret = rotated.secret ?? '';
      await expectSigned();
    });
    expect(new Set(await stored())).toEqual(new Set([secret, tenantSecret]));
  });

  it('are encrypted at the first start with a key, and sign as before', async () => {
    await running([old], async () => {
      for (const each of await stored()) expect(each).toMatch(/^enc1\./);
      expect((await stored()).join()).not.toContain(secret.replace('whsec_', ''));
      await expectSigned();
      const { secret: next } = await test.client.request<RotateSecretReply>(operations.callbacks.rotate.subject, {
        principal: who,
        callbackId: id,
      });
      secret = next ?? '';
      await expectSigned();
    });
    for (const each of await stored()) expect(each).toMatch(/^enc1\./);
  });

  it('are encrypted again when the key is replaced, and then need no old key', async () => {
    const before = await stored();
    await running([current, old], expectSigned);
    const after = await stored();
    expect(after).toHaveLength(before.length);
    expect(after.filter((each) => before.includes(each))).toEqual([]);
    await running([current], expectSigned);
    expect(await stored()).toEqual(after);
  });

  it('that no key can read make their webhooks fail with the reason until the key is back', async () => {
    const execution = await running([old], async () => {
      const started = test.engine.start(configId);
      test.engine.tell(started, 'completed');
      await eventually(async () => {
        const { deliveries } = await test.client.request<ListDeliveriesReply>(
          operations.deliveries.deliveries.subject,
          {
            principal: who,
            executionId: started,
          },
        );
        expect(deliveries[0]).toMatchObject({ status: 'retrying' });
        expect(deliveries[0]?.error).toContain('BATUTA_NOTIFICATIONS_ENCRYPTION_KEYS');
      });
      return started;
    });
    expect(receiver.received.filter(({ body }) => body.includes(execution))).toEqual([]);
    await running([current], async () => {
      await eventually(() => receiver.received.some(({ body }) => body.includes(execution)));
    });
  });

  it('need keys of 32 bytes in Base64', () => {
    const wrong = { ...test.env, BATUTA_NOTIFICATIONS_ENCRYPTION_KEYS: 'hunter2' };
    expect(() => loadNotificationsSettings(wrong)).toThrow(/BATUTA_NOTIFICATIONS_ENCRYPTION_KEYS must be 32 bytes/);
    expect(() => loadNotificationsSettings(wrong)).not.toThrow(/hunter2/);
  });
});

describe('headers of callbacks in the database', () => {
  const AUTHORIZATION = 'Bearer s3cret-of-the-receiver';
  const FALLBACK_KEY = 's3cret-of-the-fallback';
  let configId: string;
  let id: string;

  /** All that the tables of callbacks and deliveries hold, as a dump would have it. */
  const dump = async (): Promise<string> => {
    const rows = await test.rows<{ row: string }>(
      `SELECT c::text AS row FROM notifications.callbacks AS c
       UNION ALL SELECT d::text FROM notifications.orchestration_callbacks AS d`,
    );
    return rows.map(({ row }) => row).join('\n');
  };
  const shownHeaders = async (): Promise<unknown> => {
    const { callback } = await test.client.request<CallbackReply>(operations.callbacks.get.subject, {
      principal: who,
      id,
    });
    return callback?.channel?.callback_headers;
  };
  const end = (): string => {
    const execution = test.engine.start(configId);
    test.engine.tell(execution, 'completed');
    return execution;
  };
  /** Waits for the webhook of the callback, and of the fallback of the other one, and checks what came with them. */
  const expectSent = async (execution: string): Promise<void> => {
    const told = await eventually(() => {
      const found = receiver.received.filter(({ body }) => body.includes(execution));
      expect(found.map(({ path }) => path).toSorted()).toEqual(['/fallback', '/headers']);
      return found;
    });
    const of = (path: string): unknown => told.find((one) => one.path === path)?.headers;
    expect(of('/headers')).toMatchObject({ authorization: AUTHORIZATION, 'x-team': 'checkout' });
    expect(of('/fallback')).toMatchObject({ 'x-api-key': FALLBACK_KEY });
  };

  it('are in the clear without a key, in their callbacks only', async () => {
    await running([], async () => {
      configId = test.engine.addConfig();
      const create = (body: object): Promise<CallbackReply> =>
        test.client.request<CallbackReply>(operations.callbacks.create.subject, {
          principal: who,
          body: { type: 'webhook', config_id: configId, events: ['completed'], ...body },
        });
      const made = await create({
        callback_url: `${receiver.url}/headers`,
        callback_headers: { Authorization: AUTHORIZATION, 'X-Team': 'checkout' },
      });
      id = made.callback?.id ?? '';
      await create({
        // An address that no callback may call.
        callback_url: 'http://10.0.0.1/x',
        fallback: [
          {
            type: 'webhook',
            after_ms: 600_000,
            callback_url: `${receiver.url}/fallback`,
            callback_headers: { 'X-Api-Key': FALLBACK_KEY },
          },
        ],
      });
      expect(await shownHeaders()).toEqual({ authorization: '***', 'x-team': '***' });
      await expectSent(end());
    });
    expect((await dump()).split(AUTHORIZATION)).toHaveLength(2);
    expect((await dump()).split(FALLBACK_KEY)).toHaveLength(2);
  });

  it('are encrypted at the first start with a key, and copies in deliveries of the version before are hidden', async () => {
    await test.rows(
      `UPDATE notifications.orchestration_callbacks AS d
       SET callback_headers = c.channel -> 'callback_headers', channel_settings = c.channel, fallback = c.fallback
       FROM notifications.callbacks AS c WHERE d.callback_id = c.id AND d.channel = 0`,
    );
    expect((await dump()).split(AUTHORIZATION).length).toBeGreaterThan(2);
    await running([old], async () => {
      expect(await dump()).not.toMatch(/s3cret|checkout/);
      expect(await shownHeaders()).toEqual({ authorization: '***', 'x-team': '***' });
      await expectSent(end());
    });
    expect(await dump()).not.toMatch(/s3cret|checkout/);
    expect(await dump()).toContain('enc1.');
  });

  it('that waited in a delivery of the version before are sent', async () => {
    receiver.answer = () => ({ status: 503 });
    let execution = '';
    await running([old], async () => {
      execution = end();
      await eventually(() => receiver.received.filter(({ body }) => body.includes(execution)).length >= 2);
    });
    receiver.received.length = 0;
    receiver.answer = () => ({ status: 204 });
    await test.rows(
      `UPDATE notifications.orchestration_callbacks
       SET callback_headers = '{"x-team": "of before"}',
           channel_settings = jsonb_set(channel_settings, '{callback_headers}', '{"x-team": "of before"}')
       WHERE callback_id = '${id}'`,
    );
    await running([old], () => expectSent(execution));
    expect(await dump()).not.toContain('of before');
  });

  it('are encrypted again when the key is replaced, and then need no old key', async () => {
    const before = await dump();
    await running([current, old], () => expectSent(end()));
    const stored = /enc1\.[0-9a-f]{16}\.[\w-]+/g;
    const was: string[] = before.match(stored) ?? [];
    const is: string[] = (await dump()).match(stored) ?? [];
    expect([was.length, is.length]).toEqual([3, 3]);
    expect(is.filter((each) => was.includes(each))).toEqual([]);
    await running([current], () => expectSent(end()));
  });

  it('that no key can read are not shown, and their webhooks fail until the key is back', async () => {
    const execution = await running([old], async () => {
      expect(await shownHeaders()).toEqual({ authorization: '***', 'x-team': '***' });
      const started = end();
      await eventually(async () => {
        const { deliveries } = await test.client.request<ListDeliveriesReply>(
          operations.deliveries.deliveries.subject,
          {
            principal: who,
            executionId: started,
          },
        );
        const own = deliveries.find(({ callbackId }) => callbackId === id);
        expect(own).toMatchObject({ status: 'retrying' });
        expect(own?.error).toContain('BATUTA_NOTIFICATIONS_ENCRYPTION_KEYS');
      });
      return started;
    });
    expect(receiver.received.filter(({ body }) => body.includes(execution))).toEqual([]);
    await running([current], () => expectSent(execution));
  });
});
