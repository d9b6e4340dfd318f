import { poolPermissions, poolUser } from '@batuta/contracts';
import { CLAIMS_UPDATE, accountsIn } from '@batuta/nats-accounts';
import type { IssuedCredentials, NatsAccounts } from '@batuta/nats-accounts';
import { natsServers } from '@batuta/settings';
import { connect, credsAuthenticator } from '@nats-io/transport-node';

/** Makes and ends users of NATS. */
export interface WorkerUsers {
  /** `expiresAt`: epoch milliseconds, whole seconds. */
  issue(pool: string, expiresAt: number): Promise<IssuedCredentials>;
  /** From now on these users, and no others, are refused: public keys with the epoch milliseconds of their ends. Rejects when no server took it. */
  revoke(users: ReadonlyMap<string, number>): Promise<void>;
}

/** For Nest. */
export const WORKER_USERS = Symbol('WorkerUsers');

/** Less than those wait who ask for a revocation. */
const ANSWER_MS = 2_000;

/** Users signed with the keys in a file. Throws when it has none. */
export async function workerUsers(keysFile: string, natsUrl: string): Promise<WorkerUsers> {
  const accounts = await accountsIn(keysFile);
  return {
    issue: (pool, expiresAt) => accounts.issue(poolUser(pool), poolPermissions(pool), Math.floor(expiresAt / 1_000)),
    async revoke(users) {
      const times = [...users].map(([key, at]): [string, number] => [key, Math.ceil(at / 1_000)]);
      await tell(accounts, natsUrl, await accounts.revoking(Object.fromEntries(times)));
    },
  };
}

/** Tells the servers the account's new JWT; each tells those of its cluster. */
async function tell(accounts: NatsAccounts, natsUrl: string, jwt: string): Promise<void> {
  const credentials = new TextEncoder().encode(await accounts.systemCredentials());
  const connection = await connect({
    servers: natsServers(natsUrl).servers,
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
