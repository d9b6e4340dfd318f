import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { operations } from '@batuta/contracts';
import type { CallbackReply, ListDeliveriesReply } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { generate } from 'selfsigned';
import { SMTPServer } from 'smtp-server';
import { principal, startUnderTest } from './harness.js';
import type { UnderTest } from './harness.js';

interface Certificate {
  readonly key: string;
  readonly cert: string;
  /** Where the certificate stands, which is its own authority. */
  readonly file: string;
}

interface Mail {
  readonly encrypted: boolean;
  readonly user: string;
  readonly source: string;
}

const folder = mkdtempSync(join(tmpdir(), 'batuta-smtp-'));
let trusted: Certificate;
let misnamed: Certificate;
let test: UnderTest;
const closing: (() => Promise<void>)[] = [];

async function certificateFor(name: string, altNames: ({ type: 7; ip: string } | { type: 2; value: string })[]) {
  const { private: key, cert } = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames },
    ],
  });
  const file = join(folder, `${name}.pem`);
  writeFileSync(file, cert);
  return { key, cert, file };
}

/** A real SMTP server on loopback: with TLS from the first byte, or with STARTTLS. */
async function startSmtp({ key, cert }: Certificate, implicit: boolean, startTls = true) {
  const mails: Mail[] = [];
  const server = new SMTPServer({
    secure: implicit,
    key,
    cert,
    disabledCommands: startTls ? [] : ['STARTTLS'],
    onAuth: ({ username, password }, _session, callback) =>
      password === 'p@ss' ? callback(null, { user: username ?? '' }) : callback(new Error('no')),
    onData(stream, session, callback) {
      let source = '';
      stream.on('data', (chunk: Buffer) => {
        source += chunk.toString('utf8');
      });
      stream.on('end', () => {
        mails.push({ encrypted: session.secure, user: String(session.user), source });
        callback();
      });
    },
  });
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => new Promise((resolve) => server.close(() => resolve())));
  const { port } = server.server.address() as AddressInfo;
  return { mails, url: `${implicit ? 'smtps' : 'smtp'}://batuta:p%40ss@127.0.0.1:${port}` };
}

beforeAll(async () => {
  trusted = await certificateFor('trusted', [{ type: 7, ip: '127.0.0.1' }]);
  misnamed = await certificateFor('misnamed', [{ type: 2, value: 'elsewhere.example.org' }]);
  test = await startUnderTest();
});

afterEach(async () => {
  for (let close = closing.pop(); close !== undefined; close = closing.pop()) await close();
});

afterAll(async () => {
  await test?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Starts the service with an SMTP server and ends an execution that an email tells of. Gives its id. */
async function tell(url: string, ca?: string, env: Record<string, string> = {}): Promise<string> {
  const service = await test.start({
    BATUTA_NOTIFICATIONS_SMTP_URL: url,
    BATUTA_NOTIFICATIONS_SMTP_FROM: 'batuta@example.org',
    ...(ca === undefined ? {} : { BATUTA_NOTIFICATIONS_SMTP_CA: ca }),
    ...env,
  });
  closing.push(() => service.close());
  const configId = test.engine.addConfig();
  const reply = await test.client.request<CallbackReply>(operations.callbacks.create.subject, {
    principal: principal(),
    body: { config_id: configId, type: 'email', events: ['completed'], to: ['ops@example.org'], max_retries: 1 },
  });
  expect(reply.refused).toBeUndefined();
  const execution = test.engine.start(configId);
  test.engine.tell(execution, 'completed');
  return execution;
}

async function ended(executionId: string, status: 'sent' | 'failed') {
  return eventually(
    async () => {
      const { deliveries } = await test.client.request<ListDeliveriesReply>(operations.deliveries.deliveries.subject, {
        principal: principal(),
        executionId,
      });
      expect(deliveries).toMatchObject([{ status }]);
      return deliveries[0]!;
    },
    { timeoutMs: 60_000 },
  );
}

describe('email over TLS', () => {
  it.each([
    ['from the first byte (smtps://)', true],
    ['after STARTTLS', false],
  ])('is sent %s to a server whose authority is set', async (_, implicit) => {
    const { mails, url } = await startSmtp(trusted, implicit);
    const execution = await tell(url, trusted.file);
    await ended(execution, 'sent');
    expect(mails).toHaveLength(1);
    expect(mails[0]).toMatchObject({ encrypted: true, user: 'batuta' });
    expect(mails[0]?.source).toContain(execution);
  });

  it.each([
    ['from the first byte (smtps://)', true],
    ['after STARTTLS', false],
  ])('sends nothing, no password either, %s to a certificate that nobody known signed', async (_, implicit) => {
    const { mails, url } = await startSmtp(trusted, implicit);
    const { error, deadLetter } = await ended(await tell(url), 'failed');
    expect(error).toMatch(/^the SMTP server's certificate is refused: self-signed certificate/);
    expect(deadLetter).toBe(true);
    expect(mails).toEqual([]);
  });

  it('sends nothing to a certificate of another name, though its authority is trusted', async () => {
    const { mails, url } = await startSmtp(misnamed, false);
    const { error } = await ended(await tell(url, misnamed.file), 'failed');
    expect(error).toMatch(/^the SMTP server's certificate is refused: .*127\.0\.0\.1/);
    expect(mails).toEqual([]);
  });

  it('sends nothing in the clear to a server without STARTTLS', async () => {
    const { mails, url } = await startSmtp(trusted, false, false);
    const required = { BATUTA_NOTIFICATIONS_SMTP_REQUIRE_TLS: 'true' };
    const { error } = await ended(await tell(url, trusted.file, required), 'failed');
    expect(error).toMatch(/STARTTLS/);
    expect(mails).toEqual([]);
  });

  it('does not start with a file that holds no certificate, and says which setting is wrong', async () => {
    const wrong = join(folder, 'wrong.pem');
    writeFileSync(wrong, '-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n');
    for (const file of [wrong, join(folder, 'missing.pem')]) {
      await expect(tell('smtp://127.0.0.1:1', file)).rejects.toThrow('BATUTA_NOTIFICATIONS_SMTP_CA must name a file');
    }
  });
});
