import { createServer } from 'node:net';

/** A TCP port on 127.0.0.1 that nothing listens on; another process may still take it before its use. */
export async function freePort(): Promise<number> {
  return await listenOnce(0);
}

/** `preferred` while nothing listens on it, else a free port. */
export async function portOr(preferred: number | undefined): Promise<number> {
  if (preferred === undefined) return await freePort();
  return await listenOnce(preferred).catch(() => freePort());
}

function listenOnce(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === 'string') reject(new Error('The port has no number.'));
        else resolve(address.port);
      });
    });
  });
}
