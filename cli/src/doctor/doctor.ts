import { setTimeout as delay } from 'node:timers/promises';
import { readRunFile } from '../../run-file.js';
import { CliError } from '../api-client.js';
import { writeBundle } from './bundle.js';
import { seeDatabase } from './database.js';
import { unknown } from './finding.js';
import type { Finding } from './finding.js';
import { seeMachine } from './machine.js';
import { samplesOf } from './samples.js';
import { seeService } from './services.js';
import type { ServiceSeen } from './services.js';
import { readSigns } from './signs.js';

interface DoctorOptions {
  /** `name=url` of external services. Default: the services of the platform here. */
  readonly service?: readonly string[];
  /** The file for all findings. */
  readonly bundle?: string;
}

/** Moving partitions and catching up take some seconds. A sign that is still there after these checks is reported. */
const LOOKS = 6;
const LOOK_AGAIN_MS = 3_000;

const MARK = { ok: '✔', warning: '!', failed: '✘', unknown: '?' } as const;

/**
 * Checks the platform that runs here, or the named services, and reports problems with the page to read. Resolves with
 * whether nothing has failed.
 * @throws CliError for a service that is not given as `name=url`, and when the bundle cannot be written.
 */
export async function examine(dataDir: string, options: DoctorOptions, out: (line?: string) => void): Promise<boolean> {
  const { service: named = [], bundle } = options;
  const run = readRunFile(dataDir);
  const services = named.length > 0 ? named.map(addressOf) : Object.entries(run?.services ?? {});
  const databaseUrl = process.env['DATABASE_URL'] ?? (named.length > 0 ? undefined : run?.database_url);
  const [machine, seen, database] = await Promise.all([
    seeMachine(dataDir),
    Promise.all(services.map(([name, url]) => seeService(name, url))),
    databaseUrl === undefined ? undefined : seeDatabase(databaseUrl),
  ]);
  const signs = await lastingSigns(seen, services);
  const findings = [
    ...machine,
    ...(services.length === 0 ? [unknown('platform', 'None is running here, and --service names none.')] : []),
    ...seen.map(({ finding }) => finding),
    ...(database?.findings ?? [
      unknown(
        'PostgreSQL',
        `DATABASE_URL is not set, and ${named.length > 0 ? '--service names no database' : 'no platform is running here'}.`,
      ),
    ]),
    ...signs,
  ];
  const width = Math.max(...findings.map(({ about }) => about.length));
  for (const { status, about, text, runbook } of findings) {
    out(`${MARK[status]} ${about.padEnd(width)}  ${text}`);
    if (runbook !== undefined) out(`  ${' '.repeat(width)}  docs/runbooks/${runbook}.md`);
  }
  const count = (status: Finding['status']): number => findings.filter((finding) => finding.status === status).length;
  out();
  out(`${count('ok')} fine, ${count('warning')} to look at, ${count('failed')} failed, ${count('unknown')} unknown`);
  if (bundle !== undefined) {
    const tables = database?.tables ?? [];
    const bytes = await writeBundle(bundle, dataDir, { findings, services: seen, tables });
    out(`${bundle}  ${Math.ceil(bytes / 1024)} KiB: read it with gunzip -c, before you send it`);
  }
  return count('failed') === 0;
}

/** The signs in the metrics that last. */
async function lastingSigns(seen: readonly ServiceSeen[], services: readonly [string, string][]): Promise<Finding[]> {
  let latest = seen;
  for (let looks = 1; ; looks += 1) {
    const samples = latest.flatMap(({ metrics = '' }) => samplesOf(metrics));
    const signs = samples.length === 0 ? [] : readSigns(samples);
    if (looks === LOOKS || signs.every(({ status }) => status === 'ok' || status === 'unknown')) return signs;
    await delay(LOOK_AGAIN_MS);
    latest = await Promise.all(services.map(([name, url]) => seeService(name, url)));
  }
}

function addressOf(text: string): [name: string, url: string] {
  const [, name, url] = /^([a-z][a-z0-9-]*)=(https?:\/\/\S+?)\/?$/.exec(text) ?? [];
  if (name === undefined || url === undefined || !URL.canParse(url)) {
    throw new CliError(`--service is a name and an address, such as execution=http://10.0.0.7:9103, not "${text}"`);
  }
  return [name, url];
}
