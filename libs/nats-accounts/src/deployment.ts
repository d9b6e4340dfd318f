import { chown, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { DEFAULT_POOL, NATS_SERVICES } from '@batuta/contracts';
import type { NatsService } from '@batuta/contracts';
import { loadAccounts, saveAccounts, textOf, writeServiceCredentials, writeWhole } from './accounts-directory.js';
import { isStillGood, newAuthority, newServerCertificate } from './certificates.js';
import type { Certificate } from './certificates.js';
import { userKeyOf } from './nats-accounts.js';

export interface DeploymentOptions {
  /** Gets one folder per container. The content of a folder is for that container only. */
  readonly directory: string;
  /** The pools that the step-runner serves. Default: `default`. */
  readonly pools?: readonly string[] | undefined;
  /** Host names of nats-server, in addition to those in `deploy`. */
  readonly natsNames?: readonly string[] | undefined;
  /** Host names of PostgreSQL, in addition to those in `deploy`. */
  readonly postgresNames?: readonly string[] | undefined;
  /** Whether to create an authority and certificates too. Default true. */
  readonly certificates?: boolean | undefined;
  /** Services that get new credentials. Their old credentials are revoked. */
  readonly replace?: readonly string[] | undefined;
  /** Replaces server certificates even if they are still valid. */
  readonly renewCertificates?: boolean | undefined;
  /** Creates a new authority and server certificates signed by it. Clients still trust the previous authority too. */
  readonly newAuthority?: boolean | undefined;
  /** The numeric ids of the files' owners. Default: the user that runs this. */
  readonly owners?: { readonly services?: number | undefined; readonly postgres?: number | undefined } | undefined;
}

const NATS_NAMES = [
  'nats',
  'nats-0.nats',
  'nats-1.nats',
  'nats-2.nats',
  'nats.batuta.svc',
  'nats.batuta.svc.cluster.local',
  'localhost',
  '127.0.0.1',
];
const POSTGRES_NAMES = [
  'postgres',
  'postgres.batuta.svc',
  'postgres.batuta.svc.cluster.local',
  'localhost',
  '127.0.0.1',
];

/**
 * Writes the files by which the containers of a deployment trust each other: NATS credentials of every service, the
 * data about users that nats-server and the config service need, an authority, and the servers' certificates. Existing
 * valid files stay, so it may run at any time. Returns the files that it wrote, relative to the directory. Throws a
 * `RangeError` for an unknown service.
 */
export async function writeDeployment(options: DeploymentOptions): Promise<string[]> {
  const written: string[] = [];
  const { directory, owners = {} } = options;
  const place = (...parts: string[]): string => path.join(directory, ...parts);
  const write = async (file: string, text: string): Promise<void> => {
    if ((await textOf(place(file))) === text) return;
    await mkdir(path.dirname(place(file)), { recursive: true, mode: 0o700 });
    await writeWhole(place(file), text);
    written.push(file);
  };
  const unknown = options.replace?.find((name) => !NATS_SERVICES.includes(name as NatsService));
  if (unknown !== undefined) {
    throw new RangeError(`There is no service ${unknown} that has credentials: it is ${NATS_SERVICES.join(', ')}.`);
  }

  const keysBefore = await textOf(place('config/keys.json'));
  let accounts = await loadAccounts(place('config'));
  const credentials = (service: string): string => `${service}/nats.creds`;
  const before = new Map(
    await Promise.all(
      NATS_SERVICES.map(async (service) => [service, await textOf(place(credentials(service)))] as const),
    ),
  );
  const keyOf = (service: NatsService): string => userKeyOf(before.get(service) ?? '') ?? '';
  const replaced = NATS_SERVICES.filter((service) => options.replace?.includes(service)).map(keyOf);
  if (replaced.some((key) => key !== '')) {
    accounts = await saveAccounts(place('config'), await accounts.withoutUsers(replaced.filter((key) => key !== '')));
  }
  // Includes credentials that an interrupted earlier run revoked but did not replace.
  for (const service of NATS_SERVICES) {
    if (accounts.keys.revoked?.[keyOf(service)] !== undefined) await writeWhole(place(credentials(service)), '');
  }
  if ((await textOf(place('config/keys.json'))) !== keysBefore) written.push('config/keys.json');
  const pools = options.pools?.length ? options.pools : [DEFAULT_POOL];
  await writeServiceCredentials(accounts, place(credentials('{service}')), pools);
  for (const service of NATS_SERVICES) {
    if ((await textOf(place(credentials(service)))) !== before.get(service)) written.push(credentials(service));
  }
  const lines = Object.entries(accounts.serverConfig()).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`);
  await write(
    'nats/accounts.conf',
    `# Public keys and signed names of accounts: nothing here is secret.\n${lines.join('')}`,
  );

  if (options.certificates !== false) {
    const { authority, trusted } = await authorityOf(place('authority'), options.newAuthority === true, write);
    for (const reader of [...NATS_SERVICES, 'nats', 'database']) await write(`${reader}/ca.crt`, trusted);
    const servers = [
      { folder: 'nats', names: [...NATS_NAMES, ...(options.natsNames ?? [])], isClient: true },
      { folder: 'postgres', names: [...POSTGRES_NAMES, ...(options.postgresNames ?? [])], isClient: false },
    ];
    for (const { folder, names, isClient } of servers) {
      const has = await textOf(place(folder, 'tls.crt'));
      const key = await textOf(place(folder, 'tls.key'));
      const good = has !== undefined && key !== undefined && isStillGood(has, authority.certificate, names);
      if (good && options.renewCertificates !== true) continue;
      const made = await newServerCertificate(authority, { names, isClient });
      await write(`${folder}/tls.key`, made.key);
      await write(`${folder}/tls.crt`, made.certificate);
    }
  }

  const folders = [...NATS_SERVICES, 'database', 'postgres'];
  for (const folder of folders) {
    const owner = folder === 'postgres' ? owners.postgres : owners.services;
    if (owner === undefined) continue;
    for (const file of ['', 'nats.creds', 'keys.json', 'ca.crt', 'tls.crt', 'tls.key']) {
      await chown(place(folder, file), owner, owner).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
    }
  }
  return written;
}

/**
 * The authority in a folder, which is created when missing, and the authorities that clients trust: this one and the
 * previous one.
 */
async function authorityOf(
  folder: string,
  anew: boolean,
  write: (file: string, text: string) => Promise<void>,
): Promise<{ readonly authority: Certificate; readonly trusted: string }> {
  const trusted = await textOf(path.join(folder, 'ca.crt'));
  const key = await textOf(path.join(folder, 'ca.key'));
  const [newest] = certificatesOf(trusted ?? '');
  if (!anew && newest !== undefined && key !== undefined) {
    return { authority: { certificate: newest, key }, trusted: trusted ?? '' };
  }
  const authority = await newAuthority();
  const both = `${authority.certificate}${newest ?? ''}`;
  await write('authority/ca.key', authority.key);
  await write('authority/ca.crt', both);
  return { authority, trusted: both };
}

function certificatesOf(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g) ?? [];
}
