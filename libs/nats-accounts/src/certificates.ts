import { X509Certificate, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';

const DAY_MS = 24 * 3_600_000;
const AUTHORITY_DAYS = 3_650;
const SERVER_DAYS = 365;
/** A certificate is valid from this many milliseconds before its creation, for machines whose clocks differ. */
const BACKDATED_MS = 5 * 60_000;

/** A certificate and its private key, both in PEM. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

interface ServerCertificateOptions {
  /** Host names and addresses that clients use for the server. */
  readonly names: readonly string[];
  /** Whether the server also uses it as a client, like the servers of a NATS cluster. */
  readonly isClient?: boolean;
}

/** Creates an authority for the servers of one installation, valid for ten years. */
export async function newAuthority(): Promise<Certificate> {
  // Each authority has its own name, because verifiers find it by its name, and two may be trusted at the same time.
  return made(`Batuta authority ${randomBytes(8).toString('hex')}`, AUTHORITY_DAYS, [
    { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
  ]);
}

/** Creates a server's certificate, valid for a year. Throws a `RangeError` without names. */
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

/**
 * Whether a certificate was signed by this authority, is valid for all of these names, and has more than a third of its
 * time left.
 */
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
  // Imported here, because it loads a library for all kinds of certificates, and the start of a service must not wait
  // for that.
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
