import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerCommands } from './ipc.js';

// A collector that accepts every OTLP request and stores nothing, so that the cost of tracing is the platform's own.
let requests = 0;
let bytes = 0;

const server = createServer((request, response) => {
  requests += 1;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
});

answerCommands({
  listen: async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  },
  taken: () => Promise.resolve({ requests, bytes }),
});
