import { decode, encodeAccount, encodeOperator, encodeUser, fmtCreds } from '@nats-io/jwt';
import type { Permissions, User } from '@nats-io/jwt';
import { createAccount, createOperator, createUser, fromSeed } from '@nats-io/nkeys';
import type { KeyPair } from '@nats-io/nkeys';
import type { NatsPermissions } from '@batuta/contracts';

/** The keys that create users of one nats-server or cluster. Whoever has them can act as any user. */
export interface AccountKeys {
  readonly version: 1;
  readonly operatorSeed: string;
  readonly operatorJwt: string;
  /** Public keys of the server's own account and of the account for all of Batuta. */
  readonly systemAccount: string;
  readonly systemAccountJwt: string;
  /** Signs users of the server's own account. */
  readonly systemSeed: string;
  readonly account: string;
  readonly accountJwt: string;
  /** Signs users of Batuta's account. */
  readonly signingSeed: string;
  /**
   * Services' users whose credentials were replaced: their public keys, with the epoch seconds before which their JWTs
   * are refused.
   */
  readonly revoked?: Readonly<Record<string, number>>;
}

export interface IssuedCredentials {
  /** The content of a credentials file for a NATS client: a JWT and the seed of its key. */
  readonly text: string;
  /** The user's public key, which is needed to revoke the user. */
  readonly publicKey: string;
}

const NO_LIMITS = { subs: -1, conn: -1, leaf: -1, imports: -1, exports: -1, data: -1, payload: -1, wildcards: true };
const JETSTREAM = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
/** Nanoseconds within which a user that may only answer can answer a request. */
const ANSWER_NS = 60_000_000_000;

/** The subject at which a server accepts a newer JWT of an account. */
export const CLAIMS_UPDATE = '$SYS.REQ.CLAIMS.UPDATE';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const seedOf = (pair: KeyPair): string => decoder.decode(pair.getSeed());
const pairOf = (seed: string): KeyPair => fromSeed(encoder.encode(seed));

/** Creates keys for a new server: an operator, the server's system account, and an account for Batuta. */
export async function newAccountKeys(): Promise<AccountKeys> {
  const operator = createOperator();
  const system = createAccount();
  const account = createAccount();
  const signing = createAccount();
  return {
    version: 1,
    operatorSeed: seedOf(operator),
    operatorJwt: await encodeOperator('batuta', operator, { system_account: system.getPublicKey() }),
    systemAccount: system.getPublicKey(),
    systemAccountJwt: await encodeAccount('system', system, { limits: NO_LIMITS }, { signer: operator }),
    systemSeed: seedOf(system),
    account: account.getPublicKey(),
    accountJwt: await accountJwt(operator, account.getPublicKey(), signing, {}),
    signingSeed: seedOf(signing),
  };
}

/** Creates users of Batuta's account. No configuration file lists them, because nats-server verifies the signature. */
export class NatsAccounts {
  constructor(readonly keys: AccountKeys) {}

  /**
   * The settings for nats-server, without its `resolver`. The resolver stores the accounts' JWTs, so that a newer JWT
   * needs no reload.
   */
  serverConfig(): Readonly<Record<string, unknown>> {
    const { operatorJwt, systemAccount, systemAccountJwt, account, accountJwt } = this.keys;
    return {
      operator: operatorJwt,
      system_account: systemAccount,
      resolver_preload: { [systemAccount]: systemAccountJwt, [account]: accountJwt },
    };
  }

  /**
   * The keys after revoking these users, given by their public keys. A running server learns of it through `revoking`.
   */
  async withoutUsers(publicKeys: readonly string[]): Promise<AccountKeys> {
    // The time is the next second, because the server compares whole seconds.
    const now = Math.floor(Date.now() / 1_000) + 1;
    const revoked = { ...this.keys.revoked, ...Object.fromEntries(publicKeys.map((key) => [key, now])) };
    const { operatorSeed, account, signingSeed } = this.keys;
    const accountJwtNow = await accountJwt(pairOf(operatorSeed), account, pairOf(signingSeed), revoked);
    return { ...this.keys, revoked, accountJwt: accountJwtNow };
  }

  /** Credentials for a user with exactly these permissions. `expiresAt`: epoch seconds. Default: never. */
  async issue(name: string, permissions: NatsPermissions, expiresAt?: number): Promise<IssuedCredentials> {
    return this.#issue(createUser(), name, permissions, expiresAt);
  }

  /**
   * Returns the same credentials if they give these permissions. Otherwise returns new ones, for the same key if there
   * is one.
   */
  async renew(text: string | undefined, name: string, permissions: NatsPermissions): Promise<IssuedCredentials> {
    const known = text === undefined ? undefined : readCredentials(text);
    if (known === undefined || text === undefined) return this.issue(name, permissions);
    const claims = decode<User>(known.jwt);
    const same =
      claims.name === name &&
      claims.nats.issuer_account === this.keys.account &&
      JSON.stringify(rightsOf(claims.nats)) === JSON.stringify(rightsOf(userOf(permissions)));
    const user = pairOf(known.seed);
    if (same) return { text, publicKey: user.getPublicKey() };
    return this.#issue(user, name, permissions);
  }

  /**
   * A JWT of the account that refuses revoked users. `revoked` gives users by their public keys, with the epoch seconds
   * before which their JWTs are refused; services' revoked users are added. A server accepts it from
   * `systemCredentials` with a request to `CLAIMS_UPDATE`.
   */
  async revoking(revoked: Readonly<Record<string, number>>): Promise<string> {
    const { operatorSeed, account, signingSeed } = this.keys;
    return accountJwt(pairOf(operatorSeed), account, pairOf(signingSeed), { ...this.keys.revoked, ...revoked });
  }

  /**
   * Credentials, valid for one minute, of a user of the server's own account. The user may only update the account's
   * JWT.
   */
  async systemCredentials(): Promise<string> {
    const user = createUser();
    const permissions = { pub: { allow: [CLAIMS_UPDATE] }, sub: { allow: ['_INBOX.system.>'] } };
    const exp = Math.ceil(Date.now() / 1_000) + 60;
    const jwt = await encodeUser('system', user, pairOf(this.keys.systemSeed), permissions, { exp });
    return decoder.decode(fmtCreds(jwt, user));
  }

  async #issue(
    user: KeyPair,
    name: string,
    permissions: NatsPermissions,
    expiresAt?: number,
  ): Promise<IssuedCredentials> {
    const { account, signingSeed } = this.keys;
    const options = { signer: pairOf(signingSeed), ...(expiresAt === undefined ? {} : { exp: expiresAt }) };
    const jwt = await encodeUser(name, user, account, userOf(permissions), options);
    return { text: decoder.decode(fmtCreds(jwt, user)), publicKey: user.getPublicKey() };
  }
}

function accountJwt(
  operator: KeyPair,
  account: string,
  signing: KeyPair,
  revocations: Readonly<Record<string, number>>,
): Promise<string> {
  const claims = {
    limits: { ...NO_LIMITS, ...JETSTREAM },
    signing_keys: [signing.getPublicKey()],
    ...(Object.keys(revocations).length === 0 ? {} : { revocations }),
  };
  return encodeAccount('batuta', account, claims, { signer: operator });
}

function userOf({ publish, subscribe, answers }: NatsPermissions): Permissions {
  return {
    pub: { allow: [...publish] },
    sub: { allow: [...subscribe] },
    ...(answers ? { resp: { max: 1, ttl: ANSWER_NS } } : {}),
  };
}

function rightsOf({ pub, sub, resp }: Permissions): unknown {
  return [pub?.allow, pub?.deny ?? [], sub?.allow, sub?.deny ?? [], resp?.max ?? 0, resp?.ttl ?? 0];
}

/** The public key of the user in a credentials file. Undefined when the text has none. */
export function userKeyOf(text: string): string | undefined {
  const known = readCredentials(text);
  return known === undefined ? undefined : pairOf(known.seed).getPublicKey();
}

function readCredentials(text: string): { readonly jwt: string; readonly seed: string } | undefined {
  const [, jwt] = /BEGIN NATS USER JWT-+\s+(\S+)/.exec(text) ?? [];
  const [, seed] = /BEGIN USER NKEY SEED-+\s+(\S+)/.exec(text) ?? [];
  return jwt === undefined || seed === undefined ? undefined : { jwt, seed };
}
