import { createServer, request as httpRequest } from 'node:http';
import type { Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { operations } from '@batuta/contracts';
import { mcpConformance, mcpScenarios } from '@batuta/testing';
import { KEYS } from './fake-platform.js';
import { startUnderTest } from './gateway-under-test.js';
import type { UnderTest } from './gateway-under-test.js';

const TOOL = 'needs a tool of the suite by its name, and tools here are named after what the tenant has';
const PROMPTS = 'is about prompts, which this server does not have';
const RESOURCES = 'is about resources, which this server does not have: executions are links to the API';
const LOGGING = 'is about log messages, which the protocol has deprecated';

/** Scenarios that do not apply, with the reason. The suite itself refuses one that passes. */
const OTHERS: Readonly<Record<string, string>> = {
  'logging-set-level': LOGGING,
  'completion-complete': PROMPTS,
  'tools-call-simple-text': TOOL,
  'tools-call-image': TOOL,
  'tools-call-audio': TOOL,
  'tools-call-embedded-resource': TOOL,
  'tools-call-mixed-content': TOOL,
  'tools-call-with-logging': LOGGING,
  'tools-call-error': TOOL,
  'tools-call-with-progress': TOOL,
  'tools-call-sampling': 'asks the client for an answer of its model, which this server never does',
  'tools-call-elicitation':
    'asks the human at the client, which this server never does: approvals are decided in the API',
  'json-schema-2020-12': TOOL,
  'elicitation-sep1034-defaults': 'asks the human at the client, which this server never does',
  'server-sse-polling':
    'breaks the stream of a tool of the suite; here a lost call is sent again and gets the same execution',
  'elicitation-sep1330-enums': 'asks the human at the client, which this server never does',
  'resources-list': RESOURCES,
  'resources-read-text': RESOURCES,
  'resources-read-binary': RESOURCES,
  'resources-templates-read': RESOURCES,
  'resources-subscribe': RESOURCES,
  'resources-unsubscribe': RESOURCES,
  'prompts-list': PROMPTS,
  'prompts-get-simple': PROMPTS,
  'prompts-get-with-args': PROMPTS,
  'prompts-get-embedded-resource': PROMPTS,
  'prompts-get-with-image': PROMPTS,
};

/** The suite cannot send a key, so this adds it to each request. Everything else stays as it is. */
async function withKey(target: string): Promise<Server> {
  const { hostname, port } = new URL(target);
  const server = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const request = httpRequest(
      { hostname, port, method, path: url, headers: { ...headers, authorization: `Bearer ${KEYS.operator}` } },
      (response) => {
        outgoing.writeHead(response.statusCode ?? 500, response.headers);
        response.pipe(outgoing);
      },
    );
    request.once('error', () => outgoing.destroy());
    outgoing.once('close', () => request.destroy());
    incoming.pipe(request);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

describe('the conformance suite of the protocol, for servers', () => {
  let under: UnderTest;
  let proxy: Server;

  beforeAll(async () => {
    under = await startUnderTest();
    under.fake.putConfig('greeting');
    under.fake.handlers.set(operations.agents.list.subject, () => ({ agents: [] }));
    proxy = await withKey(under.gateway.url);
  });
  afterAll(async () => {
    proxy.closeAllConnections();
    proxy.close();
    await under.close();
  });

  it('passes with every scenario that applies', async () => {
    const url = `http://localhost:${(proxy.address() as AddressInfo).port}/mcp`;
    const all = await mcpScenarios('server');
    const { exitCode, output, scenarios } = await mcpConformance(
      'server',
      ['--url', url, '--suite', 'all'],
      Object.keys(OTHERS),
    );
    expect(exitCode === 0 ? '' : output).toBe('');
    const passed = all.filter((name) => !Object.hasOwn(OTHERS, name));
    expect(passed.filter((name) => !scenarios.includes(name))).toEqual([]);
    expect(Object.keys(OTHERS).filter((name) => !all.includes(name))).toEqual([]);
    expect(passed).toEqual([
      'dns-rebinding-protection',
      'ping',
      'server-initialize',
      'server-sse-multiple-streams',
      'tools-list',
    ]);
  });
});
