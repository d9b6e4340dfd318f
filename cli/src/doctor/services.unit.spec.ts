import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from '@jest/globals';
import { seeService } from './services.js';

/** Runs work with the URL of a service that gives this answer. */
async function withService(
  ready: { status: number; body: string },
  work: (url: string) => Promise<void>,
): Promise<void> {
  const server = createServer((request, response) => {
    if (request.url === '/metrics') response.end('up 1\n');
    else response.writeHead(ready.status).end(ready.body);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

it('tells why a service is not ready, and which runbook to read', async () => {
  const body = JSON.stringify({ status: 'not_ready', checks: { nats: 'ok', postgres: 'connection refused' } });
  await withService({ status: 503, body }, async (url) => {
    expect(await seeService('execution', url)).toEqual({
      name: 'execution',
      metrics: 'up 1\n',
      finding: {
        about: 'service execution',
        status: 'failed',
        text: 'It is not ready (postgres: connection refused).',
        runbook: 'BatutaPostgresDown',
      },
    });
  });
});

it('tells a service that does not answer from an answer that comes from no service', async () => {
  const { finding } = await seeService('config', 'http://127.0.0.1:1');
  expect(finding).toMatchObject({
    status: 'failed',
    runbook: 'BatutaServiceDown',
    text: expect.stringMatching(/does not answer/),
  });
  await withService({ status: 200, body: '<html>' }, async (url) => {
    expect((await seeService('config', url)).finding).toMatchObject({ status: 'failed' });
  });
});
