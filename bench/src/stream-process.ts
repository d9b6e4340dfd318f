import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { BatutaClient } from '@batuta/client';
import WebSocket from 'ws';
import { answerCommands } from './ipc.js';
import { quantiles } from './measure.js';

/** A model server and its audience, in one process and so with one clock. */
interface Measure {
  readonly url: string;
  readonly keyFile: string;
  readonly executionIds: readonly string[];
  readonly chunks: number;
  readonly everyMs: number;
}

const now = (): number => performance.timeOrigin + performance.now();
const waiting: ServerResponse[] = [];

const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    waiting.push(response);
  });
});

function chunk(delta: object, finish: string | null = null): string {
  const whole = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'bench' };
  return `data: ${JSON.stringify({ ...whole, choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
}

/** Says the time over and over, as a model says a word. */
async function talk(response: ServerResponse, chunks: number, everyMs: number): Promise<void> {
  await delay(Math.random() * everyMs);
  for (let said = 0; said < chunks; said += 1) {
    response.write(chunk({ content: `${now().toFixed(2)} ` }));
    await delay(everyMs);
  }
  const usage = { choices: [], usage: { prompt_tokens: 1, completion_tokens: chunks, total_tokens: chunks + 1 } };
  response.end(`${chunk({}, 'stop')}data: ${JSON.stringify(usage)}\n\ndata: [DONE]\n\n`);
}

answerCommands({
  listen: async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  },
  waiting: () => Promise.resolve(waiting.length),
  measure: async ({ url, keyFile, executionIds, chunks, everyMs }: Measure) => {
    const client = new BatutaClient({ url, apiKey: readFileSync(keyFile, 'utf8').trim(), WebSocket });
    const latencies: number[] = [];
    let parts = 0;
    const heard = executionIds.map(async (id) => {
      for await (const item of client.executions.followOutput(id)) {
        const at = now();
        if (item.kind !== 'text') continue;
        parts += 1;
        for (const said of (item.text ?? '').trim().split(' ')) latencies.push(at - Number(said));
      }
    });
    // Everybody listens before anything is said.
    await delay(2_000);
    const talked = waiting.splice(0).map((response) => talk(response, chunks, everyMs));
    await Promise.all([...talked, ...heard]);
    return { received: latencies.length, parts, latencyMs: quantiles(latencies) };
  },
});
