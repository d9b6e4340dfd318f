import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { AddressInfo } from 'node:net';
import { subjects, operations } from '@batuta/contracts';
import type {
  AckInboxReply,
  CallbackReply,
  InboxNotice,
  ListDeliveriesReply,
  ListInboxReply,
  Principal,
} from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { SMTPServer } from 'smtp-server';
import { principal, Receiver, startUnderTest } from './harness.js';
import type { UnderTest } from './harness.js';

interface Mail {
  readonly to: string[];
  readonly source: string;
}

/** A real SMTP server on loopback that refuses the first `refusals` mails with 451. */
async function startSmtp(): Promise<{
  url: string;
  mails: Mail[];
  refuse: { left: number; code: number };
  close(): Promise<void>;
}> {
  const mails: Mail[] = [];
  const refuse = { left: 0, code: 451 };
  const server = new SMTPServer({
    authOptional: false,
    disabledCommands: ['STARTTLS'],
    onAuth: ({ username, password }, _session, callback) =>
      username === 'batuta' && password === 'p@ss' ? callback(null, { user: username }) : callback(new Error('no')),
    onData(stream, session, callback) {
      let source = '';
      stream.on('data', (chunk: Buffer) => {
        source += chunk.toString('utf8');
      });
      stream.on('end', () => {
        if (refuse.left > 0) {
          refuse.left -= 1;
          callback(Object.assign(new Error('not now'), { responseCode: refuse.code }));
          return;
        }
        mails.push({ to: session.envelope.rcptTo.map(({ address }) => address), source });
        callback();
      });
    },
  });
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.server.address() as AddressInfo;
  return {
    url: `smtp://batuta:p%40ss@127.0.0.1:${port}`,
    mails,
    refuse,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

const who = principal();
/** Many ask at once here, perhaps on a machine that does other things. */
const PATIENT = { timeoutMs: 60_000 };

let test: UnderTest;
let smtp: Awaited<ReturnType<typeof startSmtp>>;
let sms: Receiver;

beforeEach(async () => {
  test = await startUnderTest();
  smtp = await startSmtp();
  sms = await Receiver.start();
  await test.start({
    BATUTA_NOTIFICATIONS_SMTP_URL: smtp.url,
    BATUTA_NOTIFICATIONS_SMTP_FROM: 'Batuta <batuta@example.org>',
    BATUTA_NOTIFICATIONS_SMS_URL: sms.url,
    BATUTA_NOTIFICATIONS_SMS_ACCOUNT: 'AC1',
    BATUTA_NOTIFICATIONS_SMS_TOKEN: 'token',
    BATUTA_NOTIFICATIONS_SMS_FROM: '+15005550006',
  });
});

afterEach(async () => {
  await test?.close();
  await smtp?.close();
  await sms?.close();
});

async function create(body: object): Promise<CallbackReply> {
  return test.client.request<CallbackReply>(operations.callbacks.create.subject, { principal: who, body }, PATIENT);
}

const deliveries = (executionId: string) =>
  test.client
    .request<ListDeliveriesReply>(operations.deliveries.deliveries.subject, { principal: who, executionId }, PATIENT)
    .then((reply) => reply.deliveries);

const inbox = (principalOf: Principal = who) =>
  test.client
    .request<ListInboxReply>(operations.notifications.list.subject, { principal: principalOf }, PATIENT)
    .then((reply) => reply.notifications);

const acknowledge = (ids: readonly string[], principalOf: Principal = who) =>
  test.client.request<AckInboxReply>(
    operations.notifications.acknowledge.subject,
    { principal: principalOf, ids },
    PATIENT,
  );

/** Waits until the deliveries of an execution are these, newest first, as far as they are given. */
const expectDeliveries = (executionId: string, expected: readonly object[]): Promise<unknown> =>
  eventually(async () => {
    const found = await deliveries(executionId);
    expect(found).toHaveLength(expected.length);
    expect(found).toMatchObject(expected);
  });

/** Waits until somebody's inbox holds so many notifications. */
const waitingIn = (count: number, principalOf: Principal = who) =>
  eventually(async () => {
    const found = await inbox(principalOf);
    expect(found).toHaveLength(count);
    return found;
  });

const mailed = (): Promise<unknown> => eventually(() => smtp.mails.length === 1, { timeoutMs: 60_000 });

/** What is told to the one who started the executions, from now on. */
async function noticesToAda(): Promise<InboxNotice[]> {
  const notices: InboxNotice[] = [];
  test.nats.subscribe(subjects.inbox('default', 'ada'), {
    callback: (_, message) => void notices.push(message.json<InboxNotice>()),
  });
  await test.nats.flush();
  return notices;
}

/** A new config with this callback; its id. */
async function configWith(callback: object): Promise<string> {
  const configId = test.engine.addConfig();
  const reply = await create({ config_id: configId, events: ['completed'], ...callback });
  expect(reply.refused).toBeUndefined();
  return configId;
}

/** A webhook to where no callback may go. */
const NOWHERE = { type: 'webhook', callback_url: 'http://10.0.0.1/x' } as const;

function ended(configId: string, name: 'completed' | 'failed' = 'completed', data: object = {}): string {
  const execution = test.engine.start(configId);
  test.engine.tell(execution, name, data);
  return execution;
}

describe('email', () => {
  it('is sent with text and HTML from templates, after the server had refused it at first', async () => {
    const configId = await configWith({
      type: 'email',
      events: ['failed'],
      to: ['ops@example.org', 'ada@example.org'],
      subject_template: '{{ execution.config_name }}: {{ event.data.failure.code }}',
      callback_body_template: 'It failed: {{ event.data.failure.message }}',
      html_template: '<p>{{ event.data.failure.message }}</p>',
    });
    smtp.refuse.left = 2;
    const failure = { code: 'timeout', message: '<b>too slow</b>', retryable: true };
    const execution = ended(configId, 'failed', { failure });
    await mailed();
    await expectDeliveries(execution, [{ status: 'sent', retryCount: 2, responseStatus: 250 }]);
    const [mail] = smtp.mails;
    expect(mail?.to).toEqual(['ops@example.org', 'ada@example.org']);
    expect(mail?.source).toMatch(/^Subject: incident: timeout\r$/m);
    expect(mail?.source).toMatch(/^From: Batuta <batuta@example\.org>\r$/m);
    expect(mail?.source).toContain('It failed: <b>too slow</b>');
    expect(mail?.source).toContain('<p>&lt;b&gt;too slow&lt;/b&gt;</p>');
  });

  it('never takes a header from what an event holds', async () => {
    const configId = await configWith({
      type: 'email',
      events: ['failed'],
      to: ['ops@example.org'],
      subject_template: '{{ event.data.failure.message }}',
    });
    const failure = { code: 'x', message: 'hello\r\nBcc: everybody@example.org', retryable: false };
    const execution = ended(configId, 'failed', { failure });
    await mailed();
    await expectDeliveries(execution, [{ status: 'sent', deadLetter: false }]);
    const [mail] = smtp.mails;
    expect(mail?.to).toEqual(['ops@example.org']);
    expect(mail?.source).toMatch(/^Subject: hello Bcc: everybody@example\.org\r$/m);
    expect(mail?.source).not.toMatch(/^Bcc:/im);
    const injected = await create({
      config_id: configId,
      type: 'email',
      events: ['failed'],
      to: ['ops@example.org\r\nBcc: everybody@example.org', 'a@b.c>,<d@e.f'],
    });
    expect(injected.refused?.violations?.map(({ path }) => path)).toEqual(['/to/0', '/to/1']);
  });

  it.each([
    ['Traceback:\nValueError: bad', 'Traceback: ValueError: bad'],
    ['a\ttab \u001b[31mred\u2028next\u0085last\r\n', 'a tab [31mred next last'],
    [' \n\t', 'incident: failed (execution'],
    [`${'w '.repeat(249)}w😀`, `${'w '.repeat(249)}w`],
  ])('has the message %j as its subject in one line', async (message, subject) => {
    const configId = await configWith({
      type: 'email',
      events: ['failed'],
      to: ['ops@example.org'],
      subject_template: '\n{{ event.data.failure.message }}\n',
    });
    ended(configId, 'failed', { failure: { code: 'x', message, retryable: false } });
    await mailed();
    const [, found] = /^Subject: (.*(?:\r\n[ \t].*)*)\r$/m.exec(smtp.mails[0]?.source ?? '') ?? [];
    expect(found?.replaceAll(/\r\n[ \t]/g, ' ')).toMatch(subject);
    expect(found).not.toContain('\uFFFD');
  });

  it('that the server refuses for good is a dead letter at once', async () => {
    const configId = await configWith({ type: 'email', to: ['ops@example.org'] });
    smtp.refuse.left = 1;
    smtp.refuse.code = 554;
    const execution = ended(configId);
    await expectDeliveries(execution, [{ status: 'failed', deadLetter: true, retryCount: 0 }]);
  });
});

describe('SMS', () => {
  it('is handed to the provider, again after it was busy', async () => {
    const configId = await configWith({ type: 'sms', to: '+4915112345678' });
    sms.answer = (_, count) => (count === 1 ? { status: 429 } : { status: 201, body: '{"sid":"SM1"}' });
    const execution = ended(configId);
    await expectDeliveries(execution, [{ status: 'sent', retryCount: 1, responseStatus: 201 }]);
    expect(sms.received).toHaveLength(2);
    const [request] = sms.received;
    expect(request?.path).toBe('/2010-04-01/Accounts/AC1/Messages.json');
    expect(request?.headers.authorization).toBe(`Basic ${Buffer.from('AC1:token').toString('base64')}`);
    expect(Object.fromEntries(new URLSearchParams(request?.body))).toEqual({
      To: '+4915112345678',
      From: '+15005550006',
      Body: `incident: completed (execution ${execution})`,
    });
  });

  it('keeps its lines, holds no other control characters, and is never empty', async () => {
    const configId = await configWith({
      type: 'sms',
      to: '+4915112345678',
      events: ['failed'],
      callback_body_template: '{{ event.data.failure.message }}\n',
    });
    for (const message of ['one\r\ntwo\tthree\u001bfour', '\t\n']) {
      ended(configId, 'failed', { failure: { code: 'x', message, retryable: false } });
      await eventually(() => sms.received.length === (message.startsWith('one') ? 1 : 2));
    }
    const [first, second] = sms.received.map(({ body }) => new URLSearchParams(body).get('Body'));
    expect(first).toBe('one\ntwo three four');
    expect(second).toContain('incident: failed (execution ');
  });
});

describe('the inbox', () => {
  it('keeps a notification for the user who started the execution until it is acknowledged', async () => {
    const configId = await configWith({ type: 'websocket' });
    const notices = await noticesToAda();
    const execution = ended(configId);
    const waiting = await waitingIn(1);
    expect(waiting[0]).toMatchObject({ executionId: execution, eventType: 'completed' });
    await eventually(() => notices.length === 1);
    expect(notices[0]?.notification).toEqual(waiting[0]);
    await expectDeliveries(execution, [{ status: 'sent' }]);
    const id = waiting[0]!.id;
    expect((await acknowledge([id], principal('default', 'viewer', 'eve'))).ids).toEqual([]);
    expect((await acknowledge([id], principal('other', 'admin', 'ada'))).ids).toEqual([]);
    expect(await inbox()).toHaveLength(1);
    expect((await acknowledge([id])).ids).toEqual([id]);
    expect((await acknowledge([id])).ids).toEqual([id]);
    expect(await inbox()).toEqual([]);
    expect(await deliveries(execution)).toMatchObject([{ status: 'delivered' }]);
  });

  it('that is not acknowledged in time makes the fallback take over, and one that is does not', async () => {
    const configId = await configWith({
      type: 'websocket',
      fallback: [
        { type: 'email', after_ms: 600, to: ['ops@example.org'] },
        { type: 'sms', after_ms: 600_000, to: '+4915112345678' },
      ],
    });
    const read = ended(configId);
    const [seen] = await waitingIn(1);
    await acknowledge([seen!.id]);
    const unread = ended(configId);
    await mailed();
    await expectDeliveries(unread, [
      { callbackType: 'email', status: 'sent' },
      { callbackType: 'websocket', status: 'sent' },
    ]);
    const rows = await test.rows<{ late: number }>(
      `SELECT extract(epoch FROM e.sent_at - w.created_at) * 1000 AS late
       FROM notifications.orchestration_callbacks AS w JOIN notifications.orchestration_callbacks AS e USING (execution_id)
       WHERE w.callback_type = 'websocket' AND e.callback_type = 'email'`,
    );
    expect(Number(rows[0]?.late)).toBeGreaterThanOrEqual(600);
    expect(await deliveries(read)).toMatchObject([{ callbackType: 'websocket', status: 'delivered' }]);
    expect(smtp.mails[0]?.source).toContain(unread);
    // The email has arrived as far as anybody can tell, so the SMS is not due any more.
    const due = await test.rows('SELECT 1 FROM notifications.orchestration_callbacks WHERE fallback_at IS NOT NULL');
    expect(due).toEqual([]);
  });

  it('is skipped at once when its channel fails for good', async () => {
    const configId = await configWith({
      ...NOWHERE,
      fallback: [{ type: 'email', after_ms: 600_000, to: ['ops@example.org'] }],
    });
    const execution = ended(configId);
    await mailed();
    expect(smtp.mails[0]?.source).toContain(execution);
  });

  it('takes over from a channel that failed, and hands on to the next one', async () => {
    const configId = await configWith({
      ...NOWHERE,
      fallback: [
        { type: 'websocket', after_ms: 600_000 },
        { type: 'email', after_ms: 300, to: ['ops@example.org'] },
      ],
    });
    const notices = await noticesToAda();
    const execution = ended(configId);
    await mailed();
    expect(await inbox()).toMatchObject([{ executionId: execution, eventType: 'completed' }]);
    expect(notices.map(({ notification }) => notification?.executionId)).toEqual([execution]);
    await expectDeliveries(execution, [
      { callbackType: 'email', status: 'sent' },
      { callbackType: 'websocket', status: 'sent' },
      { callbackType: 'webhook', status: 'failed' },
    ]);
  });

  it('acknowledges each user’s own notifications, also for many users at once', async () => {
    const configId = test.engine.addConfig();
    const users = Array.from({ length: 20 }, (_, index) => `user-${index}`);
    for (const to of users) await create({ config_id: configId, type: 'websocket', events: ['completed'], to });
    ended(configId);
    const waiting = await Promise.all(users.map((user) => waitingIn(1, principal('default', 'viewer', user))));
    const ids = waiting.map((list) => list[0]!.id);
    // Everybody asks for everything, each in another order.
    const answers = await Promise.all(
      users.map((user, index) =>
        acknowledge([...ids.slice(index), ...ids.slice(0, index)], principal('default', 'viewer', user)),
      ),
    );
    expect(answers.map((answer) => answer.ids)).toEqual(ids.map((id) => [id]));
    const left = await test.rows('SELECT 1 FROM notifications.inbox WHERE acked_at IS NULL');
    expect(left).toEqual([]);
  });

  it('keeps the order behind a delivery that is still open', async () => {
    // With a template it goes through an attempt; the one without must not overtake it.
    const configId = await configWith({
      type: 'websocket',
      events: ['started'],
      callback_body_template: '{"n": {{ event.version }}}',
    });
    await create({ config_id: configId, type: 'websocket', events: ['completed'] });
    const executions = Array.from({ length: 10 }, () => ended(configId));
    const all = await waitingIn(20);
    const order = await test.rows<{ id: string }>('SELECT id FROM notifications.inbox ORDER BY created_at, id');
    const typeOf = new Map(all.map((one) => [one.id, one]));
    for (const execution of executions) {
      const told = order.map(({ id }) => typeOf.get(id)).filter((one) => one?.executionId === execution);
      expect(told.map((one) => one?.eventType)).toEqual(['started', 'completed']);
    }
  });
});
