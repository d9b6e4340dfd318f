import { X509Certificate, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';

const DAY_MS = 24 * 3_600_000;
const AUTHORITY_DAYS = 3_650;
const SERVER_DAYS = 365;
/** The earliest time at which a certificate holds lies this far back, for machines whose clocks differ. */
const BACKDATED_MS = 5 * 60_000;

/** A certificate with its private key, both in PEM. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

export interface ServerCertificateOptions {
  /** Host names and addresses by which clients reach the server. */
  readonly names: readonly string[];
  /** Whether the server also shows it where it is a client, as the servers of a NATS cluster do. */
  readonly isClient?: boolean;
}

/** A new authority that vouches for servers of one installation, for ten years. */
export async function newAuthority(): Promise<Certificate> {
  // A name of its own: verifiers look for the authority by it, and two may be trusted at once.
  return made(`Batuta authority ${randomBytes(8).toString('hex')}`, AUTHORITY_DAYS, [
    { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
  ]);
}

/** A certificate of a server, for a year. Throws a `RangeError` without names. */
export async function newServerCertificate(
  authority: Certificate,
  { names, isClient = false }: ServerCertificateOptions,
): Promise<Certificate> {
  const [first] = names;
  if (first === undefined) throw new RangeError('A certificate needs a name.');
  return made(
    first,
    SERVER_DAYS,
    [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true, ...(isClient ? { clientAuth: true } : {}) },
      {
        name: 'subjectAltName',
        altNames: names.map((name) =>
          isIP(name) === 0 ? { type: 2 as const, value: name } : { type: 7 as const, ip: name },
        ),
      },
    ],
    authority,
  );
}

/** Whether a certificate is of this authority, is for all of these names, and has more than a third of its time before it. */
export function isStillGood(certificate: string, authority: string, names: readonly string[]): boolean {
  const read = new X509Certificate(certificate);
  const left = Date.parse(read.validTo) - Date.now();
  return (
    left > (SERVER_DAYS * DAY_MS) / 3 &&
    read.verify(new X509Certificate(authority).publicKey) &&
    names.every((name) => (isIP(name) === 0 ? read.checkHost(name) : read.checkIP(name)) !== undefined)
  );
}

async function made(
  name: string,
  days: number,
  extensions: NonNullable<Parameters<typeof import('selfsigned').generate>[1]>['extensions'] & object,
  authority?: Certificate,
): Promise<Certificate> {
  // It loads a library of all kinds of certificates, which no start of a service is to wait for.
  const { generate } = await import('selfsigned');
  const from = Date.now() - BACKDATED_MS;
  const { cert, private: key } = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(from),
    notAfterDate: new Date(from + days * DAY_MS),
    extensions,
    ...(authority === undefined ? {} : { ca: { cert: authority.certificate, key: authority.key } }),
  });
  return { certificate: `${cert.trim()}\n`, key: `${key.trim()}\n` };
}
