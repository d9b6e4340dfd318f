import { poolPermissions, poolUser } from '@batuta/contracts';
import { CLAIMS_UPDATE, accountsIn } from '@batuta/nats-accounts';
import type { IssuedCredentials, NatsAccounts } from '@batuta/nats-accounts';
import { natsClientOptions } from '@batuta/messaging';
import { connect, credsAuthenticator } from '@nats-io/transport-node';
import { readFile } from 'node:fs/promises';

/** Makes and ends users of NATS. */
export interface WorkerUsers {
  /** `expiresAt`: epoch milliseconds, whole seconds. */
  issue(pool: string, expiresAt: number): Promise<IssuedCredentials>;
  /** From now on these users, and no others, are refused: public keys with the epoch milliseconds of their ends. Rejects when no server took it. */
  revoke(users: ReadonlyMap<string, number>): Promise<void>;
  /** Whether users of services are revoked, which servers are told together with those of workers. */
  readonly hasRevokedServices: boolean;
  /** What else a client needs to trust the server: certificates in PEM; undefined where it needs nothing. */
  authorities(): Promise<string | undefined>;
}

/** Where the servers are, and who vouches for them. */
export interface ServersOfUsers {
  readonly url: string;
  readonly tlsCa?: string | undefined;
}

/** For Nest. */
export const WORKER_USERS = Symbol('WorkerUsers');

/** Less than those wait who ask for a revocation. */
const ANSWER_MS = 2_000;

/** Users signed with the keys in a file. Throws when it has none. */
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
    // Read each time: it changes while this runs.
    authorities: async () => (tlsCa === undefined ? undefined : readFile(tlsCa, 'utf8')),
  };
}

/** Tells the servers the account's new JWT; each tells those of its cluster. */
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
    if (data?.code !== 200)
      throw new Error(`nats-server did not take the revocations: ${error?.description ?? 'no reason'}`);
  } finally {
    await connection.close();
  }
}
