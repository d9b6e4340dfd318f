import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startNats, type NatsOptions, type NatsServer } from '@batuta/local-stack';

/** The nats-server of one test file. */
export interface TestNats extends NatsServer {
  /** Stops it and removes its files. */
  close(): Promise<void>;
}

/**
 * Starts a nats-server with JetStream on disk and on its own port. It ends with this process at the latest.
 *
 * A given `storeDir` is kept by `close()`.
 */
export async function startTestNats(
  options: Pick<NatsOptions, 'port' | 'storeDir' | 'config' | 'users'> = {},
): Promise<TestNats> {
  const home = await mkdtemp(path.join(tmpdir(), 'batuta-test-nats-'));
  try {
    const server = await startNats({ ...options, home, ephemeral: options.storeDir === undefined });
    const close = async (): Promise<void> => {
      await server.stop();
      await rm(home, { recursive: true, force: true });
    };
    // The prototype is the server itself, because the process id changes when it starts again.
    return Object.create(server, { close: { value: close } }) as TestNats;
  } catch (error) {
    await rm(home, { recursive: true, force: true });
    throw error;
  }
}
