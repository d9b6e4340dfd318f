import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { defineAgent } from './define-agent.js';
import { jsonLogger } from './logger.js';
import { registerAgents } from './register-agents.js';

type Line = Readonly<Record<string, string>>;

describe('the registration of agents', () => {
  const input = { type: 'object', properties: { "it's": { type: 'string' } } } as const;
  const agents = [defineAgent('shout', { description: "It's loud", input }, () => null)];
  const body = { pool: 'text', description: "It's loud", input_schema: input };
  let server: Server;
  let url: string;
  let registered: object | undefined;
  let refusal: number | undefined;
  const puts: unknown[] = [];
  let lines: Line[] = [];

  const register = (platform: { url: string; apiKey: string } | undefined): Promise<void> =>
    registerAgents(
      agents,
      'text',
      platform,
      jsonLogger((line) => lines.push(JSON.parse(line) as Line)),
    );

  beforeAll(async () => {
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const answer = (status: number, value: object): void => {
          const type = status < 300 ? 'application/json' : 'application/problem+json';
          response.writeHead(status, { 'content-type': type }).end(JSON.stringify(value));
        };
        const problem = (status: number, code: string): void =>
          answer(status, { type: 'about:blank', status, code, title: code, detail: 'It is refused.' });
        if (request.method === 'GET') {
          if (registered === undefined) problem(404, 'not_found');
          else answer(200, registered);
        } else if (refusal === undefined) {
          registered = JSON.parse(Buffer.concat(chunks).toString()) as object;
          puts.push([request.method, request.url, request.headers.authorization, registered]);
          answer(201, registered);
        } else {
          problem(refusal, 'forbidden');
        }
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    lines = [];
    refusal = undefined;
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('registers the description of an agent once', async () => {
    await register({ url, apiKey: 'k' });
    await register({ url, apiKey: 'k' });
    expect(puts).toEqual([['PUT', '/api/v1/agents/shout', 'Bearer k', body]]);
  });

  it('registers an agent again when its description has changed', async () => {
    registered = { ...body, description: 'Another' };
    await register({ url, apiKey: 'k' });
    expect(puts).toHaveLength(2);
  });

  it.each([
    ['the key lacks the right', () => ({ url, apiKey: 'k' })],
    ['nobody answers', () => ({ url: 'http://127.0.0.1:1', apiKey: 'k' })],
    ['there is no key', () => undefined],
  ])(
    'logs a command for a shell when %s',
    async (_, platform) => {
      registered = undefined;
      refusal = 403;
      await register(platform());
      const command = lines.at(-1)?.['command'] ?? '';
      const printed = execFileSync('/bin/sh', ['-c', command.replace(/^curl /, 'printf "%s\\n" ')], {
        encoding: 'utf8',
        env: { BATUTA_URL: 'http://there', BATUTA_API_KEY: 'key' },
      }).split('\n');
      expect(printed).toContain('http://there/api/v1/agents/shout');
      expect(printed).toContain('Authorization: Bearer key');
      expect(printed).toContain(JSON.stringify(body));
    },
    60_000,
  );
});
