import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A nats-server of a test's own, on a port that stays the same when it is stopped and started again. */
export interface TestServer {
  readonly url: string;
  start(): Promise<void>;
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Deletes everything JetStream has stored; only while the server is down. */
  wipe(): Promise<void>;
  stop(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

export async function startNatsServer(options: { maxPayload?: string } = {}): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'batuta-nats-'));
  const store = join(folder, 'store');
  const config = join(folder, 'nats.conf');
  const port = await freePort();
  await writeFile(
    config,
    `listen: 127.0.0.1:${port}\nmax_payload: ${options.maxPayload ?? '8MB'}\njetstream { store_dir: "${store}" }\n`,
  );
  let child: ChildProcess | undefined;
  const server: TestServer = {
    url: `nats://127.0.0.1:${port}`,
    async start() {
      child = spawn('nats-server', ['-c', config], { stdio: 'ignore' });
      while (!(await accepts(port))) {
        if (child.exitCode !== null) throw new Error(`nats-server ended with ${child.exitCode}`);
        await delay(10);
      }
    },
    async kill(signal = 'SIGKILL') {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill(signal);
      await ended;
    },
    wipe: () => rm(store, { recursive: true, force: true }),
    async stop() {
      await server.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}
