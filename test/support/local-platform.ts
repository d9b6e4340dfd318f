import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { Api } from './api.js';
import { BatutaCommand } from './command.js';

/** The longest time for a start that creates a database while other suites are running. */
const START_MS = 250_000;

/** The platform as `npm start` runs it, with its own data directory. */
export class LocalPlatform {
  private constructor(
    readonly dir: string,
    readonly url: string,
    readonly command: BatutaCommand,
  ) {}

  /** Starts it and waits until it is ready. Throws with its output when it ends first. */
  static async start(env: Readonly<Record<string, string>> = {}): Promise<LocalPlatform> {
    const dir = mkdtempSync(join(tmpdir(), 'batuta-local-'));
    const command = new BatutaCommand(['start', '--port', '0'], dir, env);
    try {
      await command.says(/Batuta is ready at http/, START_MS);
    } catch (error) {
      // Nobody else can stop it, and it would run beside all later tests.
      command.child.kill('SIGINT');
      await command.exited();
      rmSync(dir, { recursive: true, force: true });
      throw error;
    }
    const { url } = JSON.parse(readFileSync(join(dir, 'run.json'), 'utf8')) as { url: string };
    return new LocalPlatform(dir, url, command);
  }

  /** The admin of the platform's own tenant. */
  admin(): Api {
    return new Api(this.url, readFileSync(join(this.dir, 'admin.key'), 'utf8').trim());
  }

  /** A user of another tenant, with its own key. */
  async user(tenant: string, role: 'viewer' | 'operator' | 'admin'): Promise<Api> {
    const body = { tenant_id: tenant, user_id: `${tenant}-${role}`, role, name: 'test' };
    const { secret } = await this.admin().client.apiKeys.create(body);
    if (secret === undefined) throw new Error('a new key has no secret');
    return new Api(this.url, secret);
  }

  /**
   * Removes the tenants of all worker pools, as docs/operations.md describes, so that another tenant can use the names.
   */
  releasePools(): Promise<void> {
    return this.inDatabase(['DELETE FROM config.pool_tenants']);
  }

  /** Runs statements in its database, one after the other on one connection. */
  async inDatabase(statements: readonly string[]): Promise<void> {
    const { database_url: connectionString } = JSON.parse(readFileSync(join(this.dir, 'run.json'), 'utf8')) as {
      database_url: string;
    };
    const client = new pg.Client({ connectionString });
    await client.connect();
    try {
      for (const statement of statements) await client.query(statement);
    } finally {
      await client.end();
    }
  }

  /** Ends it like Ctrl-C and removes its files. */
  async stop(): Promise<void> {
    this.command.child.kill('SIGINT');
    await this.command.exited();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
