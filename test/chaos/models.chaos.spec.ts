import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, seeded } from '@batuta/testing';
import type { Api } from '../support/api.js';
import { expectStatus } from '../support/api.js';
import { Cluster } from '../support/cluster.js';
import { checkLog } from '../support/event-log.js';
import { allHaveStatus, startSurely } from '../support/running.js';

const EXECUTIONS = 8;
const TURNS = 5;
const KILLS = 3;
const CONFIG = 'paid-calls';

interface Message {
  readonly role: string;
  readonly content: string;
}

/** A model and a tool behind one server. It records the calls in their order. */
class PaidServer {
  /** Calls as `<execution>/<turn>`: the model is called in the turns 0, 2, 4 … and the tool in 1, 3, 5 … */
  readonly calls: { readonly run: string; readonly turn: number }[] = [];
  readonly #server: Server = createServer((request, response) => {
    this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  url = '';

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const [, kind = '', run = '', turn = ''] = (request.url ?? '').split('/');
    response.setHeader('content-type', 'application/json');
    if (kind === 'tool') {
      this.calls.push({ run, turn: Number(turn) * 2 + 1 });
      await delay(20);
      response.end('{"sold": 7}');
      return;
    }
    const { messages } = JSON.parse(text) as { messages: readonly Message[] };
    const [, asked = ''] = /run (\S+)/.exec(messages[0]?.content ?? '') ?? [];
    const answered = messages.filter(({ role }) => role === 'tool').length;
    this.calls.push({ run: asked, turn: answered * 2 });
    await delay(20);
    const call = {
      id: `call-${answered}`,
      type: 'function',
      function: { name: 'look', arguments: JSON.stringify({ url: `${this.url}/tool/${asked}/${answered}` }) },
    };
    const isDone = answered === TURNS;
    response.end(
      JSON.stringify({
        id: 'answer',
        object: 'chat.completion',
        created: 1,
        model: 'counted',
        choices: [
          {
            index: 0,
            finish_reason: isDone ? 'stop' : 'tool_calls',
            message: isDone
              ? { role: 'assistant', content: 'Sold: 35' }
              : { role: 'assistant', content: null, tool_calls: [call] },
          },
        ],
        usage: { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 },
      }),
    );
  }
}

describe('conversations with a model survive, and no call that was recorded is made again', () => {
  const server = new PaidServer();
  const random = seeded();
  let cluster: Cluster;
  let api: Api;

  beforeAll(async () => {
    await server.start();
    cluster = await Cluster.start({ env: { BATUTA_RUNNER_ALLOWED_ADDRESSES: '127.0.0.1' } });
    api = cluster.api();
    const model = { provider: 'openai_compatible', model: 'counted', base_url: `${server.url}/v1` };
    expectStatus(await api.call('PUT', '/api/v1/models/counted', model), 201);
    const retry = { max_attempts: 2 * KILLS + 2, backoff_ms: 20 };
    expectStatus(
      await api.post('/api/v1/orchestrations/configs', {
        name: CONFIG,
        strategy: 'sequential',
        steps: [
          {
            id: 'ask',
            name: 'Ask',
            retry,
            llm: {
              model: 'counted',
              prompt: '{% "run " & input.run %}',
              max_turns: TURNS + 1,
              tools: [{ name: 'look', agent: 'http', retry }],
            },
          },
        ],
      }),
      201,
    );
  }, 300_000);

  afterAll(async () => {
    await cluster?.stop();
    await server.stop();
  }, 300_000);

  it.each(['execution', 'step-runner', 'gateway', 'nats-server'] as const)(
    'kill -9 of %s between and during calls',
    async (killed) => {
      const before = server.calls.length;
      const key = `${killed}-${random.seed}`;
      const starts = Promise.all(
        Array.from({ length: EXECUTIONS }, (_, index) =>
          startSurely(api, CONFIG, `${key}-${index}`, { run: `${key}-${index}` }),
        ),
      );
      // The number of calls of an undisturbed run, and the calls at which the kills happen.
      const calls = EXECUTIONS * (2 * TURNS + 1);
      const moments = Array.from({ length: KILLS }, () => random.integer(1, calls - EXECUTIONS));
      for (const moment of moments.toSorted((a, b) => a - b)) {
        await eventually(() => server.calls.length - before >= moment, {
          timeoutMs: 240_000,
          describe: `${moment} calls were made`,
        });
        if (killed === 'nats-server') {
          await cluster.nats.kill();
          await cluster.nats.start();
        } else {
          await cluster.process(killed).end('SIGKILL');
          cluster.process(killed).spawn();
        }
      }
      const ids = await starts;
      await allHaveStatus(api, ids, 'completed');

      const made = server.calls.slice(before);
      for (let index = 0; index < EXECUTIONS; index += 1) {
        const turns = made.filter(({ run }) => run === `${key}-${index}`).map(({ turn }) => turn);
        // A call shows that the previous one was recorded, so the previous one must not come again.
        expect(turns).toEqual(turns.toSorted((a, b) => a - b));
        expect(new Set(turns)).toEqual(new Set(Array.from({ length: 2 * TURNS + 1 }, (_, turn) => turn)));
        // Only calls that were running during a kill may be repeated.
        expect(turns.length - (2 * TURNS + 1)).toBeLessThanOrEqual(KILLS);
      }
      const facts = await checkLog(cluster.stack.databaseUrl, ids);
      expect(facts.ended).toEqual({ ExecutionCompleted: EXECUTIONS });
    },
    600_000,
  );
});
