import { lookup } from 'node:dns';
import { describe, expect, it } from '@jest/globals';
import { loadNotificationsSettings } from '../settings.js';
import type { Templates } from '../templates/templates.js';
import { emailOptions } from './email.js';

const requiresTls = (url: string, env: Record<string, string> = {}): boolean | undefined =>
  emailOptions(
    loadNotificationsSettings({
      DATABASE_URL: 'postgres://localhost/x',
      NATS_URL: 'nats://localhost',
      BATUTA_NOTIFICATIONS_SMTP_URL: url,
      BATUTA_NOTIFICATIONS_SMTP_FROM: 'batuta@example.org',
      ...env,
    }),
    undefined as unknown as Templates,
    lookup,
  )?.requireTls;

describe('mail in the clear', () => {
  it.each(['smtp://mail.example.org', 'smtp://10.0.0.1', 'smtp://localhost.example.org', 'smtp://[2001:db8::1]:25'])(
    'is not sent to %s unless it is allowed',
    (url) => {
      expect(requiresTls(url)).toBe(true);
      expect(requiresTls(url, { BATUTA_NOTIFICATIONS_SMTP_REQUIRE_TLS: 'false' })).toBe(false);
    },
  );

  it.each(['smtp://127.0.0.1:2525', 'smtp://127.1.2.3', 'smtp://localhost:1025', 'smtp://[::1]:25'])(
    'is sent to %s, a server of this machine, unless it is forbidden',
    (url) => {
      expect(requiresTls(url)).toBe(false);
      expect(requiresTls(url, { BATUTA_NOTIFICATIONS_SMTP_REQUIRE_TLS: 'true' })).toBe(true);
    },
  );
});
