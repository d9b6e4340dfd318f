import { readFileSync } from 'node:fs';
import { Secret } from './secret.js';

/** The settings that give the location of a service's database. */
interface DatabaseSettings {
  readonly databaseUrl: Secret;
  readonly databasePasswordFile?: string | undefined;
}

/**
 * The URL of a service's database. In `DATABASE_URL` and `DATABASE_PASSWORD_FILE`, `{service}` stands for the service's
 * name, so that services with the same environment can have different users. Throws when the file cannot be read or is
 * empty, and a `TypeError`, which does not repeat the URL, when the password cannot be added.
 */
export function databaseUrlOf(settings: DatabaseSettings, service: string): Secret {
  const named = (text: string): string => text.replaceAll('{service}', service);
  const text = named(settings.databaseUrl.reveal());
  // An empty value counts as not set: a shell may set it for another server.
  if (settings.databasePasswordFile === undefined || settings.databasePasswordFile === '') return new Secret(text);
  const file = named(settings.databasePasswordFile);
  const password = readFileSync(file, 'utf8').trim();
  if (password === '') throw new RangeError(`the file of DATABASE_PASSWORD_FILE is empty: ${file}`);
  if (!URL.canParse(text)) throw new TypeError('DATABASE_URL must look like postgres://user@host:5432/database.');
  const url = new URL(text);
  url.password = encodeURIComponent(password);
  return new Secret(url.href);
}
