import { poolPermissions, poolUser } from '@batuta/contracts';
import { CLAIMS_UPDATE, accountsIn } from '@batuta/nats-accounts';
import type { IssuedCredentials, NatsAccounts } from '@batuta/nats-accounts';
import { natsClientOptions } from '@batuta/messaging';
import { connect, credsAuthenticator } from '@nats-io/transport-node';
import { readFile } from 'node:fs/promises';

/** Creates and revokes users of NATS. */
export interface WorkerUsers {
  /** `expiresAt`: epoch milliseconds, a multiple of 1,000. */
  issue(pool: string, expiresAt: number): Promise<IssuedCredentials>;
  /**
   * Replaces the list of refused users: public keys with the epoch milliseconds of their expiry. Rejects when no server
   * accepted it.
   */
  revoke(users: ReadonlyMap<string, number>): Promise<void>;
  /** Whether users of services are revoked. Servers get them in the same list as workers. */
  readonly hasRevokedServices: boolean;
  /** PEM certificates that a client needs to trust the server. Undefined when it needs none. */
  authorities(): Promise<string | undefined>;
}

/** The address of the servers, and the authorities that sign their certificates. */
interface ServersOfUsers {
  readonly url: string;
  readonly tlsCa?: string | undefined;
}

/** Injection token for Nest. */
export const WORKER_USERS = Symbol('WorkerUsers');

/** Shorter than the timeout of a request for a revocation, in milliseconds. */
const ANSWER_MS = 2_000;

/** Users that are signed with the keys in a file. Throws when the file has none. */
export async function workerUsers(keysFile: string, servers: ServersOfUsers): Promise<WorkerUsers> {
  const accounts = await accountsIn(keysFile);
  const { tlsCa } = servers;
  return {
    issue: (pool, expiresAt) => accounts.issue(poolUser(pool), poolPermissions(pool), Math.floor(expiresAt / 1_000)),
    async revoke(users) {
      const times = [...users].map(([key, at]): [string, number] => [key, Math.ceil(at / 1_000)]);
      await tell(accounts, servers, await accounts.revoking(Object.fromEntries(times)));
    },
    hasRevokedServices: Object.keys(accounts.keys.revoked ?? {}).length > 0,
    // Read each time, because the file may change while the service runs.
    authorities: async () => (tlsCa === undefined ? undefined : readFile(tlsCa, 'utf8')),
  };
}

/** Sends the account's new JWT to the servers. Each server passes it on within its cluster. */
async function tell(accounts: NatsAccounts, { url, tlsCa }: ServersOfUsers, jwt: string): Promise<void> {
  const credentials = new TextEncoder().encode(await accounts.systemCredentials());
  const { servers, tls } = natsClientOptions({ url, tlsCa, name: 'config revocations' });
  const connection = await connect({
    servers,
    ...(tls === undefined ? {} : { tls }),
    authenticator: credsAuthenticator(credentials),
    inboxPrefix: '_INBOX.system',
    name: 'config revocations',
    reconnect: false,
    timeout: ANSWER_MS,
  });
  try {
    const answer = await connection.request(CLAIMS_UPDATE, jwt, { timeout: ANSWER_MS });
    const { data, error } = answer.json<{ data?: { code?: number }; error?: { description?: string } }>();
    if (data?.code !== 200) {
      throw new Error(`nats-server did not take the revocations: ${error?.description ?? 'no reason'}`);
    }
  } finally {
    await connection.close();
  }
}
