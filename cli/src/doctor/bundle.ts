import { open, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { arch, cpus, freemem, platform, release, totalmem, uptime } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { HiddenValues, redactUrl } from '@batuta/observability';
import { CliError } from '../api-client.js';
import { ROOT } from '../places.js';
import type { Examination } from './examination.js';

/** Maximum number of bytes from the end of each log. */
const LOG_BYTES = 512 * 1024;
const SETTINGS = /^(BATUTA_|OTEL_|NATS_|DATABASE_|NODE_|PG)/;
const SECRET_NAME = /KEY|SECRET|PASSWORD|TOKEN|HEADERS|CREDS|CREDENTIAL/;
/** Files of the data directory that contain only secrets. */
const SECRET_FILES = [
  'admin.key',
  'notifications.key',
  'seal.key',
  'secrets.key',
  'postgres/password',
  'nats/keys.json',
];
const SECRET_FOLDERS = ['postgres/passwords', 'nats/creds'];
const LEAST_SECRET = 12;

/**
 * Writes a support bundle: gzip-compressed JSON with findings, metrics, sizes, settings and the ends of logs. All
 * secrets that the platform created or was given are removed from every text. Resolves with its size in bytes.
 * @throws CliError when the file cannot be written.
 */
export async function writeBundle(file: string, dataDir: string, seen: Examination): Promise<number> {
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const content = {
    format: 'batuta-support-1',
    made_at: new Date().toISOString(),
    version,
    node: process.version,
    machine: {
      platform: platform(),
      release: release(),
      arch: arch(),
      cpus: cpus().length,
      memory_bytes: totalmem(),
      free_memory_bytes: freemem(),
      uptime_s: Math.round(uptime()),
    },
    settings: settingsOf(process.env),
    findings: seen.findings,
    services: Object.fromEntries(seen.services.map(({ name, metrics }) => [name, { metrics: metrics ?? null }])),
    tables: seen.tables,
    logs: await logsOf(join(dataDir, 'logs')),
  };
  const hidden = new HiddenValues(await secretsOf(dataDir, process.env));
  const packed = await promisify(gzip)(JSON.stringify(hidden.json(content), null, 1));
  try {
    await writeFile(file, packed, { mode: 0o600 });
  } catch (error) {
    throw new CliError(`${file} cannot be written: ${(error as Error).message}`);
  }
  return packed.length;
}

function settingsOf(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env)
      .filter(([name]) => SETTINGS.test(name))
      .map(([name, value = '']) => [name, SECRET_NAME.test(name) ? '***' : redactUrl(value)]),
  );
}

async function logsOf(folder: string): Promise<Record<string, string>> {
  const names = await readdir(folder).catch(() => []);
  const logs: Record<string, string> = {};
  for (const name of names.filter((each) => each.endsWith('.log')).toSorted()) {
    const file = await open(join(folder, name), 'r');
    try {
      const { size } = await file.stat();
      const from = Math.max(0, size - LOG_BYTES);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
      const text = buffer.toString('utf8', 0, bytesRead);
      // The first line may be incomplete.
      logs[name] = redactUrl(from === 0 ? text : text.slice(text.indexOf('\n') + 1));
    } finally {
      await file.close();
    }
  }
  return logs;
}

/** Values that the bundle must not contain, wherever they were written. */
async function secretsOf(dataDir: string, env: NodeJS.ProcessEnv): Promise<Set<string>> {
  const files = SECRET_FILES.map((name) => join(dataDir, name));
  for (const folder of SECRET_FOLDERS) {
    const names = await readdir(join(dataDir, folder)).catch(() => []);
    files.push(...names.map((name) => join(dataDir, folder, name)));
  }
  const texts = await Promise.all(
    files.map(async (path) =>
      (await stat(path).catch(() => undefined))?.isFile() === true ? readFile(path, 'utf8') : '',
    ),
  );
  const named = Object.entries(env).flatMap(([name, value = '']) => (SECRET_NAME.test(name) ? [value] : []));
  const found = new Set<string>();
  for (const text of [...texts, ...named]) {
    // A file may contain several secrets, in JSON or as credentials.
    for (const word of text.split(/[\s"',:{}[\]]+/)) if (word.length >= LEAST_SECRET) found.add(word);
  }
  for (const value of Object.values(env)) {
    const [, password = ''] = /^[a-z]+:\/\/[^\s/@:]*:([^\s/@]+)@/i.exec(value ?? '') ?? [];
    if (password.length >= LEAST_SECRET) found.add(decodeURIComponent(password));
  }
  return found;
}
