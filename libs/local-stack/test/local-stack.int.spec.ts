import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import {
  freePort,
  LocalStackBusyError,
  LocalStackError,
  startLocalStack,
  startNats,
  startPostgres,
} from '@batuta/local-stack';
import type { LocalStack } from '@batuta/local-stack';
import { natsServers } from '@batuta/settings';
import { connect, credsAuthenticator } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { eventually } from '@batuta/testing';

const isRoot = process.getuid?.() === 0;
const RUN_STACK = fileURLToPath(new URL('./run-stack.mjs', import.meta.url));

let parent: string;
let dataDir: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  parent = await mkdtemp(path.join(tmpdir(), 'batuta-stack-'));
  await chmod(parent, 0o711);
  dataDir = path.join(parent, '.batuta');
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
  await eventually(() => lockedProcesses().then((pids) => pids.length === 0), {
    timeoutMs: 40_000,
    describe: 'every server of the test has ended',
  });
  await rm(parent, { recursive: true, force: true });
});

/** A zombie counts as ended, because its new parent may be slow to reap it. */
function isAlive(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout.trim() !== '' && !stdout.startsWith('Z');
}

/** The running server processes that are recorded in the data directory. */
async function lockedProcesses(): Promise<number[]> {
  const pids = await Promise.all(
    ['postgres', 'nats'].map(async (server) => {
      const text = await readFile(path.join(dataDir, server, 'server.json'), 'utf8').catch(() => '{}');
      return (JSON.parse(text) as { pid?: number }).pid;
    }),
  );
  return pids.filter((pid) => pid !== undefined).filter(isAlive);
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

interface Announcement {
  readonly databaseUrl: string;
  readonly natsUrl: string;
  readonly pids: readonly [number, number];
}

async function runStack(): Promise<{ child: ChildProcess; said: Announcement }> {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawn(process.execPath, [RUN_STACK, dataDir], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const lines = createInterface({ input: child.stdout });
  const [line] = (await once(lines, 'line')) as [string];
  return { child, said: JSON.parse(line) as Announcement };
}

/** The guard of a process: its only child that runs guard.mjs. */
async function guardOf(pid: number): Promise<number | undefined> {
  for (const name of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    const [status, command] = await Promise.all(
      ['stat', 'cmdline'].map((file) => readFile(`/proc/${name}/${file}`, 'utf8').catch(() => '')),
    );
    const fields = status!.slice(status!.lastIndexOf(')') + 2).split(' ');
    if (Number(fields[1]) === pid && fields[0] !== 'Z' && command!.includes('guard.mjs')) return Number(name);
  }
  return undefined;
}

function connectAs(stack: LocalStack, service: string): Promise<NatsConnection> {
  const file = stack.natsCredentials?.replace('{service}', service) ?? '';
  const authenticator = credsAuthenticator(() => readFileSync(file));
  return connect({ ...natsServers(stack.natsUrl), authenticator, inboxPrefix: `_INBOX.${service}` });
}

describe('the local stack', () => {
  it('starts both servers, stops them, and keeps data, ports and passwords for the next start', async () => {
    const first = await startLocalStack({ dataDir });
    await query(first.databaseUrl, 'CREATE TABLE score (bar int); INSERT INTO score VALUES (7)');
    const settings = await query(
      first.databaseUrl,
      `SELECT name, setting FROM pg_settings WHERE name IN
        ('fsync', 'synchronous_commit', 'listen_addresses', 'unix_socket_directories', 'server_encoding', 'lc_messages')
        ORDER BY name`,
    );
    expect(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))).toEqual({
      fsync: 'on',
      lc_messages: 'C',
      listen_addresses: '127.0.0.1',
      server_encoding: 'UTF8',
      synchronous_commit: 'on',
      unix_socket_directories: '',
    });
    const pids = [first.postgres!.pid, first.nats!.pid];
    await first.stop();
    expect(pids.filter(isAlive)).toEqual([]);

    const second = await startLocalStack({ dataDir });
    try {
      expect([second.databaseUrl, second.natsUrl]).toEqual([first.databaseUrl, first.natsUrl]);
      expect(await query(second.databaseUrl, 'SELECT bar FROM score')).toEqual([{ bar: 7 }]);
    } finally {
      await second.stop();
    }
  });

  it('requires a password and hides it from other users', async () => {
    const stack = await startLocalStack({ dataDir });
    try {
      const wrong = new URL(stack.databaseUrl);
      wrong.password = 'guess';
      await expect(query(wrong.href, 'SELECT 1')).rejects.toThrow(/password authentication failed/);
      for (const file of ['postgres/password', 'nats/keys.json', 'nats/creds/gateway.creds', 'nats/nats.conf']) {
        expect((await stat(path.join(dataDir, file))).mode & 0o077).toBe(0);
      }
    } finally {
      await stack.stop();
    }
  });

  it('writes a log with time, process and level in each line', async () => {
    const stack = await startLocalStack({ dataDir });
    await query(stack.databaseUrl, 'SELECT pg_sleep(0.3)');
    await expect(query(stack.databaseUrl, 'SELECT * FROM absent')).rejects.toThrow(/absent/);
    await stack.stop();
    const lines = (await readFile(stack.postgres!.logFile, 'utf8')).trim().split('\n');
    const shape = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC \[\d+\] (\w+@\w+ )?(LOG|ERROR|STATEMENT): {2}/;
    expect(lines.filter((line) => !shape.test(line))).toEqual([]);
    expect(lines.some((line) => /ERROR: {2}relation "absent" does not exist/.test(line))).toBe(true);
    expect(lines.some((line) => /duration: .* SELECT pg_sleep/.test(line))).toBe(true);
  });

  it('names the process that holds the directory, and does not disturb it', async () => {
    const stack = await startLocalStack({ dataDir });
    try {
      const error = await startLocalStack({ dataDir }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(LocalStackBusyError);
      expect(error).toMatchObject({
        pid: process.pid,
        postgresPort: stack.postgres!.port,
        natsPort: stack.nats!.port,
      });
      expect((error as Error).message).not.toContain(new URL(stack.databaseUrl).password);
      expect(await query(stack.databaseUrl, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      await stack.stop();
    }
  });

  it('lets one of several simultaneous starts take over the lock of a dead process', async () => {
    await mkdir(dataDir);
    await writeFile(path.join(dataDir, 'lock-1.json'), '{"pid":1,"identity":"1@an-earlier-boot:1","startedAt":"then"}');
    const starts = await Promise.allSettled([1, 2, 3, 4].map(() => startLocalStack({ dataDir })));
    const won = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
    const lost = starts.flatMap((start) => (start.status === 'rejected' ? [start.reason as unknown] : []));
    await Promise.all(won.map((stack) => stack.stop()));
    expect(won).toHaveLength(1);
    expect(lost.filter((reason) => reason instanceof LocalStackBusyError)).toHaveLength(3);
  });

  it('uses another port when the port of the last run is in use', async () => {
    const first = await startLocalStack({ dataDir });
    await first.stop();
    const intruder = createServer();
    intruder.listen(first.postgres!.port, '127.0.0.1');
    await once(intruder, 'listening');
    try {
      const second = await startLocalStack({ dataDir });
      await second.stop();
      expect(second.postgres!.port).not.toBe(first.postgres!.port);
    } finally {
      intruder.close();
    }
  });

  it('restarts PostgreSQL, and recovers committed data after a kill', async () => {
    const stack = await startLocalStack({ dataDir });
    try {
      const { postgres } = stack;
      await query(stack.databaseUrl, 'CREATE TABLE score (bar int)');
      await postgres!.restart();
      await query(stack.databaseUrl, 'INSERT INTO score VALUES (7)');
      await postgres!.kill();
      expect(postgres!.running).toBe(false);
      await postgres!.start();
      expect(await query(stack.databaseUrl, 'SELECT bar FROM score')).toEqual([{ bar: 7 }]);
    } finally {
      await stack.stop();
    }
  });

  it('recreates the database when its creation was interrupted', async () => {
    const home = path.join(dataDir, 'postgres');
    await mkdir(path.join(home, 'data', 'base'), { recursive: true });
    if (isRoot) {
      await chmod(dataDir, 0o711);
      const { uid, gid } = await accountOfPostgres();
      await chown(path.join(home, 'data'), uid, gid);
    }
    const postgres = await startPostgres({ home });
    expect(await query(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await postgres.stop();
  });

  it('starts although another process has the process id of a crashed run', async () => {
    const first = await startLocalStack({ dataDir });
    await first.stop();
    await writeFile(
      path.join(first.postgres!.dataDir, 'postmaster.pid'),
      `${process.pid}\n${first.postgres!.dataDir}\n`,
    );
    const second = await startLocalStack({ dataDir });
    expect(await query(second.databaseUrl, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await second.stop();
  });

  it('stores the database where its user has access when the checkout is not accessible', async () => {
    await chmod(parent, 0o700);
    const stack = await startLocalStack({ dataDir });
    const { dataDir: place } = stack.postgres!;
    try {
      expect(await query(stack.databaseUrl, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      expect(place.startsWith(dataDir)).toBe(!isRoot);
    } finally {
      await stack.stop();
      await rm(place, { recursive: true, force: true });
    }
  });

  it('uses existing servers, and names the one that does not answer, without its password', async () => {
    const own = await startLocalStack({ dataDir });
    try {
      const { databaseUrl, natsUrl, natsCredentials } = own;
      const theirs = { databaseUrl, natsUrl, natsCredentials };
      const other = await startLocalStack({ dataDir: path.join(parent, 'other'), ...theirs });
      expect(other).toMatchObject(theirs);
      expect([other.postgres, other.nats]).toEqual([undefined, undefined]);
      await other.stop();
      expect(await query(databaseUrl, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      await own.stop();
    }
    const port = await freePort();
    const gone = [
      { databaseUrl: `postgres://me:hunter2@127.0.0.1:${port}/b` },
      { databaseUrl: own.databaseUrl, natsUrl: `nats://me:hunter2@127.0.0.1:${port}` },
      { databaseUrl: 'hunter2', natsUrl: own.natsUrl },
    ];
    for (const urls of gone) {
      const error = await startLocalStack({ dataDir: path.join(parent, 'other'), ...urls }).catch(
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(LocalStackError);
      expect((error as Error).message).toMatch(/DATABASE_URL|NATS_URL/);
      expect((error as Error).message).not.toContain('hunter2');
    }
  });

  it('creates a user for each service, and keeps their keys and credentials for the next start', async () => {
    const files = ['nats/keys.json', 'nats/creds/execution.creds'];
    const contents = () => Promise.all(files.map((file) => readFile(path.join(dataDir, file), 'utf8')));
    const first = await startLocalStack({ dataDir });
    const before = await contents();
    await first.stop();
    const second = await startLocalStack({ dataDir });
    try {
      expect(await contents()).toEqual(before);
      await expect(connect({ ...natsServers(second.natsUrl), reconnect: false })).rejects.toThrow(/authorization/i);
      const runner = await connectAs(second, 'step-runner');
      await expect(runner.request('batuta.config.key.create', '{}', { timeout: 30_000 })).rejects.toThrow(
        /permission/i,
      );
      await runner.close();
    } finally {
      await second.stop();
    }
  });

  it('changes the rights of a service, but not its key, when the pools of the step-runner change', async () => {
    const first = await startLocalStack({ dataDir });
    await first.stop();
    const second = await startLocalStack({ dataDir, pools: ['gpu'] });
    try {
      const runner = await connectAs(second, 'step-runner');
      const ask = (pool: string): Promise<unknown> =>
        runner.request(`$JS.API.CONSUMER.INFO.STEPS.${pool}-high`, '', { timeout: 30_000 });
      await expect(ask('default')).rejects.toThrow(/permission/i);
      await ask('gpu');
      await runner.close();
    } finally {
      await second.stop();
    }
  });

  it('takes over a data directory whose nats-server had one user for everything, with its waiting tasks', async () => {
    const home = path.join(dataDir, 'nats');
    const old = await startNats({ home });
    const shared = await connect({ ...natsServers(old.url) });
    const stream = { name: 'STEPS', subjects: ['batuta.step.>'], retention: 'workqueue', storage: 'file' };
    await shared.request('$JS.API.STREAM.CREATE.STEPS', JSON.stringify(stream), { timeout: 30_000 });
    await shared.request('batuta.step.default.normal.echo.e.s', '{"task":1}', { timeout: 30_000 });
    await shared.close();
    await old.stop();

    const stack = await startLocalStack({ dataDir });
    try {
      const engine = await connectAs(stack, 'execution');
      const info = await engine.request('$JS.API.STREAM.INFO.STEPS', '', { timeout: 30_000 });
      expect(info.json()).toMatchObject({ state: { messages: 1 } });
      await engine.close();
      await expect(
        connect({ ...natsServers(old.url), servers: natsServers(stack.natsUrl).servers, reconnect: false }),
      ).rejects.toThrow(/authorization/i);
      expect(await readdir(home)).not.toContain('credentials.json');
    } finally {
      await stack.stop();
    }
  });

  it('leaves no process and no lock when one server cannot start', async () => {
    await expect(startLocalStack({ dataDir, nats: { config: { no_such_key: 1 } } })).rejects.toThrow(/no_such_key/);
    expect(await lockedProcesses()).toEqual([]);
    const stack = await startLocalStack({ dataDir });
    await stack.stop();
  });
});

describe('the end of the parent', () => {
  it('stops both servers when the parent is killed, and keeps their data for the next start', async () => {
    const { child, said } = await runStack();
    await query(said.databaseUrl, 'CREATE TABLE score (bar int); INSERT INTO score VALUES (7)');
    child.kill('SIGKILL');
    await eventually(() => !said.pids.some(isAlive), { timeoutMs: 60_000, describe: 'both servers have ended' });
    const next = await runStack();
    expect(await query(next.said.databaseUrl, 'SELECT bar FROM score')).toEqual([{ bar: 7 }]);
  });

  it('stops both servers on Ctrl-C', async () => {
    const { child, said } = await runStack();
    child.kill('SIGINT');
    await once(child, 'exit');
    expect(child.exitCode).toBe(0);
    expect(said.pids.filter(isAlive)).toEqual([]);
  });

  // The parent of a process is read from /proc.
  (process.platform === 'linux' ? it : it.skip)('stops them even when the guard was killed first', async () => {
    const { child, said } = await runStack();
    const guard = await eventually(async () => (await guardOf(child.pid!)) ?? false);
    process.kill(guard, 'SIGKILL');
    const successor = await eventually(async () => {
      const found = await guardOf(child.pid!);
      return found !== undefined && found !== guard ? found : false;
    });
    expect(await readlink(`/proc/${successor}/exe`)).toBe(process.execPath);
    child.kill('SIGKILL');
    await eventually(() => !said.pids.some(isAlive), { timeoutMs: 60_000, describe: 'both servers have ended' });
  });

  (process.platform === 'linux' ? it : it.skip)(
    'stops servers at the next start that outlived both parent and guard',
    async () => {
      const { child, said } = await runStack();
      const guard = await eventually(async () => (await guardOf(child.pid!)) ?? false);
      child.kill('SIGSTOP');
      process.kill(guard, 'SIGKILL');
      child.kill('SIGKILL');
      await once(child, 'exit');
      expect(said.pids.filter(isAlive)).toEqual(said.pids);
      const stack = await startLocalStack({ dataDir });
      try {
        expect(said.pids.filter(isAlive)).toEqual([]);
        expect(stack.databaseUrl).toBe(said.databaseUrl);
      } finally {
        await stack.stop();
      }
    },
  );
});

async function accountOfPostgres(): Promise<{ uid: number; gid: number }> {
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((entry) => entry.startsWith('postgres:'));
  const [, , uid, gid] = (line ?? '').split(':');
  return { uid: Number(uid), gid: Number(gid) };
}
