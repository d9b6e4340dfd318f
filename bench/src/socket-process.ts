import { readFileSync } from 'node:fs';
import WebSocket from 'ws';
import { answerCommands } from './ipc.js';
import { quantiles } from './measure.js';

interface Follow {
  readonly url: string;
  readonly keyFile: string;
  readonly executionIds: readonly string[];
  readonly sockets: number;
}

/** Number of connections that are opened at the same time. */
const OPENING = 100;
const AT = /"at":"([^"]+)"/;

const sockets: WebSocket[] = [];
let countFrom = Infinity;
let latencies: number[] = [];
let received = 0;
let ended = 0;
let cut = 0;

function hear(text: string): void {
  const now = Date.now();
  received += 1;
  const at = Date.parse(AT.exec(text)?.[1] ?? '');
  // Earlier events were read from the log as history, before all clients were connected.
  if (at >= countFrom) latencies.push(now - at);
}

function open(url: string, key: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${key}` }, perMessageDeflate: false });
    sockets.push(socket);
    socket.once('open', () => resolve());
    socket.once('error', reject);
    socket.on('message', (data: Buffer) => hear(data.toString('utf8')));
    socket.once('close', (code) => {
      ended += 1;
      if (code !== 1000) cut += 1;
    });
  });
}

answerCommands({
  follow: async ({ url, keyFile, executionIds, sockets: wanted }: Follow) => {
    const key = readFileSync(keyFile, 'utf8').trim();
    const base = url.replace(/^http/, 'ws');
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < wanted) {
        const id = executionIds[next % executionIds.length] ?? '';
        next += 1;
        await open(`${base}/ws/executions/${id}/monitor`, key);
      }
    };
    await Promise.all(Array.from({ length: OPENING }, lane));
    return sockets.length;
  },
  count: ({ from }: { from: number }) => {
    countFrom = from;
    latencies = [];
    return Promise.resolve();
  },
  report: () => Promise.resolve({ received, counted: latencies.length, ended, cut, latencyMs: quantiles(latencies) }),
});
