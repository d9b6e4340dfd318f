import { createLogger } from '@batuta/observability';
import { startTestNats } from '@batuta/testing';
import type { TestNats } from '@batuta/testing';
import { loadGatewaySettings, startGateway } from '../src/index.js';
import type { Gateway } from '../src/index.js';
import { FakePlatform, KEYS } from './fake-platform.js';

export interface UnderTest {
  readonly nats: TestNats;
  readonly fake: FakePlatform;
  readonly gateway: Gateway;
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  close(): Promise<void>;
}

export interface CallOptions {
  readonly key?: string | null;
  readonly body?: unknown;
  /** The raw bytes of the body. */
  readonly raw?: string | Buffer;
  readonly headers?: Record<string, string>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // The tests read the bodies of any answer.
  readonly body: Record<string, unknown> & { errors?: { path: string; code: string; message: string }[] };
}

/** A gateway on a free port with a real nats-server and the fake platform behind it. */
export async function startUnderTest(env: Record<string, string> = {}): Promise<UnderTest> {
  const nats = await startTestNats();
  const fake = await FakePlatform.start(nats.url);
  const { gateway, call } = await startGatewayOn(nats, env);
  return {
    nats,
    fake,
    gateway,
    call,
    async close() {
      await gateway.close();
      await fake.stop();
      await nats.close();
    },
  };
}

/** Another gateway of the same platform. */
export async function startGatewayOn(
  nats: TestNats,
  env: Record<string, string> = {},
): Promise<Pick<UnderTest, 'gateway' | 'call'>> {
  const logger = createLogger({ service: 'gateway', level: 'silent', pretty: false });
  const settings = loadGatewaySettings({
    BATUTA_GATEWAY_HTTP_PORT: '0',
    BATUTA_GATEWAY_COMPARE_EVERY: '100ms',
    // On a busy machine a late answer is still an answer.
    BATUTA_GATEWAY_QUERY_TIMEOUT: '10s',
    BATUTA_GATEWAY_COMMAND_DEADLINE: '15s',
    NATS_URL: nats.url,
    ...env,
  });
  const gateway = await startGateway({ settings, logger });
  return {
    gateway,
    async call(method, path, options = {}) {
      const key = options.key === undefined ? KEYS.operator : options.key;
      const payload = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
      const response = await fetch(`${gateway.url}${path}`, {
        method,
        headers: {
          ...(key === null ? {} : { authorization: `Bearer ${key}` }),
          ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
          ...options.headers,
        },
        redirect: 'manual',
        ...(payload === undefined ? {} : { body: payload }),
      });
      const text = await response.text();
      const json = /json/.test(response.headers.get('content-type') ?? '') && text !== '';
      return {
        status: response.status,
        headers: response.headers,
        text,
        body: (json ? JSON.parse(text) : {}) as Answer['body'],
      };
    },
  };
}
