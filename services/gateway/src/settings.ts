import { LIMITS } from '@batuta/contracts';
import { LOG_LEVELS } from '@batuta/observability';
import { boolean, bytes, integer, list, loadSettings, milliseconds, oneOf, secret, text, url } from '@batuta/settings';
import type { SettingsOf, SettingsProblem } from '@batuta/settings';
import { areProxies } from './auth/wrong-keys.js';
import { areOrigins } from './http/cross-origin.js';

const schema = {
  host: text({ env: 'BATUTA_GATEWAY_HTTP_HOST', default: '127.0.0.1' }),
  /** 0 takes a free port. */
  port: integer({ env: 'BATUTA_GATEWAY_HTTP_PORT', default: 3000, min: 0, max: 65_535 }),
  natsUrl: secret({ env: 'NATS_URL' }),
  /**
   * A file of NATS credentials, in addition to or instead of user and password in the URL; `{service}` stands for this
   * service.
   */
  natsCredentials: text({ env: 'NATS_CREDS', optional: true }),
  /**
   * A file with the certificates of authorities that may sign the NATS server's certificate. The server must use TLS
   * then.
   */
  natsTlsCa: text({ env: 'BATUTA_NATS_TLS_CA', optional: true }),
  logLevel: oneOf(LOG_LEVELS, { env: 'BATUTA_LOG_LEVEL', default: 'info' }),
  /** Bearer token for PUT /log-level; without it only this machine may change the level. */
  opsToken: secret({ env: 'BATUTA_OPS_TOKEN', optional: true }),
  bodyLimit: bytes({
    env: 'BATUTA_GATEWAY_BODY_LIMIT',
    default: LIMITS.requestBodyBytes,
    min: 1024,
    max: LIMITS.natsMaxPayloadBytes / 2,
  }),
  /** Bytes of large bodies (over 16 KiB) that are handled at a time. Other bodies wait unread. */
  bodiesAtOnce: bytes({
    env: 'BATUTA_GATEWAY_BODIES_AT_ONCE',
    default: 16 * 1024 * 1024,
    min: 1024,
    max: 4 * 1024 * 1024 * 1024,
  }),
  /** Time limit for receiving the headers of a request. A slower client is cut off. */
  headersTimeoutMs: milliseconds({
    env: 'BATUTA_GATEWAY_HEADERS_TIMEOUT',
    default: 10_000,
    min: 100,
    max: 600_000,
  }),
  /** Time limit for receiving a whole request. */
  requestTimeoutMs: milliseconds({
    env: 'BATUTA_GATEWAY_REQUEST_TIMEOUT',
    default: 30_000,
    min: 100,
    max: 600_000,
  }),
  /** Time limit for one query to the config or execution service. */
  queryTimeoutMs: milliseconds({ env: 'BATUTA_GATEWAY_QUERY_TIMEOUT', default: 5_000, min: 50, max: 60_000 }),
  /** Time from the first sending of a command until the gateway answers 503. */
  commandDeadlineMs: milliseconds({
    env: 'BATUTA_GATEWAY_COMMAND_DEADLINE',
    default: 20_000,
    min: 100,
    max: 120_000,
  }),
  /** How long a known key is accepted without asking again. */
  keyCacheMs: milliseconds({ env: 'BATUTA_GATEWAY_KEY_CACHE', default: 5_000, min: 0, max: 300_000 }),
  /** How long an unknown key is refused without asking again. */
  unknownKeyCacheMs: milliseconds({
    env: 'BATUTA_GATEWAY_UNKNOWN_KEY_CACHE',
    default: 2_000,
    min: 0,
    max: 60_000,
  }),
  /** Wrong keys that one address may send each minute before it must wait. 0 means no limit. */
  wrongKeysPerMinute: integer({ env: 'BATUTA_GATEWAY_WRONG_KEYS_PER_MINUTE', default: 60, min: 0, max: 1_000_000 }),
  /** Proxies whose `X-Forwarded-For` is trusted: addresses, CIDR ranges, `loopback`, `uniquelocal`. */
  trustedProxies: list({ env: 'BATUTA_GATEWAY_TRUSTED_PROXIES', default: [] }),
  /** How many entries of the audit log may wait to be stored. With more, no change is allowed. */
  auditBuffer: integer({ env: 'BATUTA_GATEWAY_AUDIT_BUFFER', default: 10_000, min: 100, max: 1_000_000 }),
  /** Whether the audit log records accepted starts too. They are events of their executions already. */
  auditStarts: boolean({ env: 'BATUTA_GATEWAY_AUDIT_STARTS', default: false }),
  /** Origins whose pages may call the API from a browser, such as https://console.example; `*` for all. */
  corsOrigins: list({ env: 'BATUTA_GATEWAY_CORS_ORIGINS', default: [] }),
  /**
   * Host names that clients of /mcp may use, such as batuta.example. Without any: those of this machine when the gateway
   * listens on it, otherwise all.
   */
  mcpHosts: list({ env: 'BATUTA_GATEWAY_MCP_HOSTS', default: [] }),
  /** After this time a call of a tool is answered while its execution runs on. */
  mcpWaitMs: milliseconds({ env: 'BATUTA_GATEWAY_MCP_WAIT', default: 45_000, min: 1, max: 3_600_000 }),
  /** Whether a call that an MCP client cancels also cancels the execution that it started. */
  mcpCancels: boolean({ env: 'BATUTA_GATEWAY_MCP_CANCELS', default: true }),
  /** How often the versions of everything watched are compared with the log. */
  compareEveryMs: milliseconds({ env: 'BATUTA_GATEWAY_COMPARE_EVERY', default: 2_000, min: 20, max: 60_000 }),
  /** With more unsent bytes than this, a live WebSocket client is closed as too slow. */
  socketBufferBytes: bytes({
    env: 'BATUTA_GATEWAY_SOCKET_BUFFER',
    default: 1024 * 1024,
    min: 16 * 1024,
    max: 64 * 1024 * 1024,
  }),
  maxSockets: integer({ env: 'BATUTA_GATEWAY_MAX_SOCKETS', default: 20_000, min: 1, max: 1_000_000 }),
  pingEveryMs: milliseconds({ env: 'BATUTA_GATEWAY_PING_EVERY', default: 25_000, min: 50, max: 600_000 }),
  /** A second port only for operators, with /log-level, /health and /metrics. Absent: none. 0: a free port. */
  opsPort: integer({ env: 'BATUTA_GATEWAY_OPS_PORT', optional: true, min: 0, max: 65_535 }),
  opsHost: text({ env: 'BATUTA_GATEWAY_OPS_HOST', default: '127.0.0.1' }),
  /** Address of Jaeger's UI for users. The status of an execution then links to its trace. */
  jaegerUrl: url({ env: 'BATUTA_JAEGER_URL', optional: true, protocols: ['http', 'https'] }),
  /** How long requests and sockets may take to end when the gateway stops. */
  shutdownLimitMs: milliseconds({ env: 'BATUTA_GATEWAY_SHUTDOWN_LIMIT', default: 10_000, min: 0, max: 120_000 }),
} as const;

export type GatewaySettings = SettingsOf<typeof schema>;

/** The gateway's settings from environment variables. Throws a `SettingsError` that names each wrong variable. */
export function loadGatewaySettings(env: Readonly<Record<string, string | undefined>> = process.env): GatewaySettings {
  return loadSettings(schema, env, ({ headersTimeoutMs, requestTimeoutMs, trustedProxies, corsOrigins }) => {
    const problems: SettingsProblem[] = [];
    if (headersTimeoutMs > requestTimeoutMs) {
      problems.push({
        variables: ['BATUTA_GATEWAY_HEADERS_TIMEOUT', 'BATUTA_GATEWAY_REQUEST_TIMEOUT'],
        expected: 'must allow a whole request at least the time of its headers',
      });
    }
    if (!areProxies(trustedProxies)) {
      problems.push({
        variables: ['BATUTA_GATEWAY_TRUSTED_PROXIES'],
        expected: 'must be addresses, CIDR ranges, loopback, linklocal or uniquelocal, separated by commas',
      });
    }
    if (!areOrigins(corsOrigins)) {
      problems.push({
        variables: ['BATUTA_GATEWAY_CORS_ORIGINS'],
        expected:
          'must be origins such as https://console.example or http://localhost:5173, separated by commas, or * alone',
      });
    }
    return problems;
  });
}

/** Milliseconds that it needs at most between SIGTERM and its end. */
export const drainMsOf = ({ shutdownLimitMs }: GatewaySettings): number => shutdownLimitMs;
