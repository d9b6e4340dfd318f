import { loadConfigSettings, startConfig } from '@batuta/config';
import type { ConfigSettings, RunningConfig } from '@batuta/config';
import { subjects, operations } from '@batuta/contracts';
import type { ConfigChanged, ConfigReply, Principal, Role } from '@batuta/contracts';
import { connectNats, controlClientOver } from '@batuta/messaging';
import type { ControlClient } from '@batuta/messaging';
import { createLogger } from '@batuta/observability';
import { Secret } from '@batuta/settings';
import { createTestDatabase, startTestNats, urlAs } from '@batuta/testing';

export const logger = createLogger({ service: 'config-test', level: 'error' });

export function settingsFor(databaseUrl: string, natsUrl: string): ConfigSettings {
  return {
    databaseUrl: new Secret(urlAs('config', databaseUrl)),
    databasePasswordFile: undefined,
    databaseOwnerUrl: new Secret(databaseUrl),
    natsUrl: new Secret(natsUrl),
    natsCredentials: undefined,
    natsTlsCa: undefined,
    natsKeysFile: undefined,
    databaseConnections: 4,
    httpPort: 0,
    httpHost: '127.0.0.1',
    sandboxThreads: 1,
    sharedPools: ['everybody'],
    secretsKeys: new Secret(Buffer.alloc(32, 7).toString('base64')),
    secretsKeysFile: undefined,
    tenantLimits: [],
    longestStepMs: 2_147_483_647,
    adminKeyFile: undefined,
    logLevel: 'error',
    opsToken: undefined,
  };
}

export interface ConfigUnderTest {
  readonly client: ControlClient;
  readonly databaseUrl: string;
  readonly natsUrl: string;
  /** First admin keys that were made. */
  readonly adminKeys: string[];
  readonly changes: ConfigChanged[];
  readonly services: RunningConfig[];
  close(): Promise<void>;
}

/** The config service on a database and a nats-server of its own; `replicas` of it start at the same moment. `env`: settings besides. */
export async function startConfigUnderTest(
  replicas = 1,
  env: Readonly<Record<string, string>> = {},
): Promise<ConfigUnderTest> {
  const database = await createTestDatabase();
  const nats = await startTestNats();
  const adminKeys: string[] = [];
  const own = settingsFor(database.url, nats.url);
  const written = loadConfigSettings({ DATABASE_URL: database.url, NATS_URL: nats.url, ...env });
  const settings = 'BATUTA_MAX_STEP_TIMEOUT' in env ? { ...own, longestStepMs: written.longestStepMs } : own;
  const deliverAdminKey = (secret: string): Promise<void> => {
    adminKeys.push(secret);
    return Promise.resolve();
  };
  const services = await Promise.all(
    Array.from({ length: replicas }, () => startConfig({ settings, logger, deliverAdminKey })),
  );
  const connection = await connectNats({ url: nats.url, name: 'test', logger });
  const changes: ConfigChanged[] = [];
  connection.subscribe(subjects.configChanged, {
    callback: (_, message) => {
      changes.push(message.json<ConfigChanged>());
    },
  });
  await connection.flush();
  return {
    client: patientClient(controlClientOver(connection)),
    databaseUrl: database.url,
    natsUrl: nats.url,
    adminKeys,
    changes,
    services,
    async close() {
      await connection.close();
      await Promise.all(services.map((service) => service.close()));
      await nats.close();
      await database.drop();
    },
  };
}

/** On a busy machine the first answer, for which the sandbox starts, takes longer than anybody would wait in production. */
function patientClient(client: ControlClient): ControlClient {
  return {
    request: (pattern, data, options) => client.request(pattern, data, { timeoutMs: 30_000, ...options }),
    close: () => client.close(),
  };
}

export function principal(tenantId: string, role: Role = 'admin', userId = 'someone'): Principal {
  return { tenantId, userId, role, keyId: 'key' };
}

/** A config of one step that every validation accepts. */
export function simpleConfig(name: string, more: object = {}) {
  return { name, strategy: 'sequential', steps: [{ id: 'a', name: 'A', agent: 'echo' }], ...more };
}

export async function createConfig(
  under: ConfigUnderTest,
  as: Principal,
  definition: object,
): Promise<NonNullable<ConfigReply['config']>> {
  const reply = await under.client.request<ConfigReply>(operations.configs.create.subject, {
    principal: as,
    definition,
  });
  if (reply.config === undefined) throw new Error(`refused: ${JSON.stringify(reply.refused)}`);
  return reply.config;
}
