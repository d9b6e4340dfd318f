import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BUILT_IN_AGENTS, operations } from '@batuta/contracts';
import type { JsonObject } from '@batuta/contracts';
import { UnavailableError } from '@batuta/messaging';
import type { ControlClient } from '@batuta/messaging';
import { Sandbox } from '@batuta/sandbox';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { testContext } from '../../test/test-context.js';
import { builtInAgents } from './built-in.js';

describe('agents that ask the platform', () => {
  let server: Server;
  let url: string;
  let replies: Record<string, unknown> = {};
  const asked: [string, unknown][] = [];
  const control: ControlClient = {
    request: <Reply>(pattern: string, data: unknown) => {
      asked.push([pattern, data]);
      const reply = replies[pattern];
      return reply === undefined ? Promise.reject(new UnavailableError('nobody')) : Promise.resolve(reply as Reply);
    },
    close: () => Promise.resolve(),
  };
  const sandbox = new Sandbox({ threads: 1 });
  const builtIn = builtInAgents({
    control,
    sandbox,
    logDirectories: [],
    allowedAddresses: [],
    statusAddresses: ['127.0.0.1'],
    dnsServers: [],
    dnsTimeoutMs: 5_000,
    tracesContent: false,
    modelIdleMs: 60_000,
  });
  const run = async (name: string, input: JsonObject, attempt = 1): Promise<JsonObject> => {
    const agent = builtIn.agents.find((one) => one.name === name);
    return (await agent?.run(input, testContext({ attempt }))) as JsonObject;
  };

  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.url === '/hang') return;
      if (request.url === '/loud') {
        response.writeHead(200, { 'content-encoding': 'unheard-of' }).end('x'.repeat(200_000));
        return;
      }
      const status = request.url === '/broken' ? 503 : request.url === '/odd' ? 404 : 200;
      response.writeHead(status, { 'content-type': 'application/json' }).end('{"status":"ready"}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    await builtIn.close();
    await sandbox.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('are those that the contracts name', () => {
    expect(builtIn.agents.map(({ name }) => name).toSorted()).toEqual([...BUILT_IN_AGENTS].toSorted());
  });

  describe('status_handler', () => {
    it('derives the status of services from the answers of their endpoints', async () => {
      const output = await run('status_handler', {
        services: [
          { name: 'well', url: `${url}/ready` },
          { name: 'broken', url: `${url}/broken` },
          { name: 'odd', url: `${url}/odd` },
          { name: 'hangs', url: `${url}/hang` },
          { name: 'nobody', url: 'http://127.0.0.1:1/' },
        ],
        // Much longer than an answer takes on a busy machine.
        check_timeout_ms: 3_000,
      });
      expect(output).toMatchObject({ status: 'down', counts: { services: 5, down: 3, degraded: 1 } });
      expect((output['services'] as JsonObject[]).map(({ name, status, code }) => [name, status, code])).toEqual([
        ['well', 'up', 200],
        ['broken', 'down', 503],
        ['odd', 'degraded', 404],
        ['hangs', 'down', null],
        ['nobody', 'down', null],
      ]);
      expect(output['services']).toMatchObject([
        { body: { status: 'ready' } },
        {},
        {},
        { error: 'no answer within 3000 ms' },
        {},
      ]);
    }, 300_000);

    it('treats a service as up, with any body', async () => {
      const output = await run('status_handler', { url: `${url}/loud` });
      expect(output).toMatchObject({ status: 'ok', services: [{ status: 'up', code: 200, error: null }] });
    });

    it('takes job_name for job', async () => {
      replies = { [operations.executions.list.subject]: { executions: [] } };
      const unknown = (name: string) => ({ jobs: [{ name, status: 'unknown' }], counts: { jobs: 1 } });
      expect(await run('status_handler', { job_name: 'nightly' })).toMatchObject(unknown('nightly'));
      expect(await run('status_handler', { job: 'daily', job_name: 'nightly' })).toMatchObject(unknown('daily'));
    });

    it('tells the status of the newest execution of a config', async () => {
      replies = {
        [operations.executions.list.subject]: { executions: [{ id: 'e9' }] },
        [operations.executions.get.subject]: {
          execution: {
            id: 'e9',
            configName: 'nightly',
            configVersion: 3,
            status: 'failed',
            startedAt: 1_000,
            completedAt: 3_000,
            totalLatencyMs: 2_000,
            failure: { code: 'timeout', message: 'too slow', retryable: true },
            steps: [{ status: 'completed' }, { status: 'failed' }, { status: 'completed' }],
          },
        },
      };
      expect(await run('status_handler', { job: 'nightly' })).toMatchObject({
        status: 'degraded',
        jobs: [{ name: 'nightly', status: 'failed', execution_id: 'e9', steps: { completed: 2, failed: 1 } }],
      });
      expect(asked.at(-2)).toEqual([
        operations.executions.list.subject,
        { tenantId: 'default', limit: 1, configName: 'nightly' },
      ]);
    });

    it('says unknown of a job that never ran', async () => {
      replies = { [operations.executions.list.subject]: { executions: [] } };
      expect(await run('status_handler', { jobs: [{ config_name: 'never' }] })).toMatchObject({
        status: 'ok',
        jobs: [{ name: 'never', status: 'unknown' }],
      });
    });

    it('refuses to look at nothing, and at addresses that nobody may call', async () => {
      await expect(run('status_handler', {})).rejects.toMatchObject({ code: 'input_invalid' });
      await expect(run('status_handler', { url: 'http://169.254.169.254/' })).rejects.toMatchObject({
        code: 'address_refused',
      });
      await expect(run('http', { url: `${url}/ready` })).rejects.toMatchObject({ code: 'address_refused' });
    });
  });

  describe('rag_handler', () => {
    const passage = {
      documentId: 'd',
      source: 'db.md',
      title: 'Database',
      headings: ['Errors'],
      text: 'x'.repeat(100_000),
      highlight: '**x**',
      rank: 0.5,
      passageIndex: 2,
      firstLine: 10,
      lastLine: 20,
    };

    it('searches for the query or the question and gives bounded passages with source and position', async () => {
      replies = { [operations.knowledge.search.subject]: { passages: [passage] } };
      const output = await run('rag_handler', { question: ' duplicate key ', limit: 3 });
      expect(asked.at(-1)?.[1]).toEqual({ tenantId: 'default', query: 'duplicate key', limit: 3 });
      expect(output).toMatchObject({
        query: 'duplicate key',
        count: 1,
        passages: [{ source: 'db.md', headings: ['Errors'], rank: 0.5, passage: 2, first_line: 10, last_line: 20 }],
        sources: [{ source: 'db.md', title: 'Database' }],
      });
      expect(JSON.stringify(output).length).toBeLessThan(6_000);
    });

    it('takes a question as long as the search does, and names the limit beyond it', async () => {
      replies = { [operations.knowledge.search.subject]: { passages: [] } };
      expect(await run('rag_handler', { query: 'w'.repeat(2_000) })).toMatchObject({ count: 0 });
      await expect(run('rag_handler', { query: 'w'.repeat(2_001) })).rejects.toMatchObject({
        code: 'input_invalid',
        message: 'The input\'s "query" must have at most 2000 characters.',
      });
    });

    it('passes over the output of an earlier step under another name of a parameter', async () => {
      replies = { [operations.knowledge.search.subject]: { passages: [] } };
      expect(await run('rag_handler', { query: 'why', question: { text: 'how' } })).toMatchObject({ query: 'why' });
      const services = { url: `${url}/ready`, name: { of: 'a step' } };
      expect(await run('status_handler', services)).toMatchObject({ services: [{ name: services.url, status: 'up' }] });
    });

    it('reports why the search was refused', async () => {
      const violations = [{ path: '/query', code: 'bad_query', message: 'may have at most 10 characters' }];
      const refused = { code: 'validation_failed', message: 'The request has one mistake.', violations };
      replies = { [operations.knowledge.search.subject]: { passages: [], refused } };
      await expect(run('rag_handler', { query: 'why' })).rejects.toMatchObject({
        name: 'TerminalError',
        code: 'input_invalid',
        message: 'The request has one mistake: query may have at most 10 characters.',
      });
      replies = {
        [operations.knowledge.search.subject]: { passages: [], refused: { code: 'forbidden', message: 'No.' } },
      };
      await expect(run('rag_handler', { query: 'why' })).rejects.toMatchObject({ code: 'forbidden', message: 'No.' });
    });

    it('fails clearly without a query, and retryably when nobody answers', async () => {
      await expect(run('rag_handler', { query: '  ' })).rejects.toMatchObject({
        name: 'TerminalError',
        code: 'input_invalid',
        message: expect.stringContaining('words to search for'),
      });
      replies = {};
      await expect(run('rag_handler', { query: 'x' })).rejects.toMatchObject({
        name: 'RetryableError',
        code: 'unavailable',
      });
    });
  });

  describe('echo, delay and fail', () => {
    it('return their input, at once, later, or after some failures', async () => {
      expect(await run('echo', { a: 1 })).toEqual({ a: 1 });
      expect(await run('delay', { ms: 1, a: 1 })).toEqual({ ms: 1, a: 1 });
      await expect(run('fail', { times: 2 }, 2)).rejects.toMatchObject({
        name: 'RetryableError',
        code: 'failed_on_request',
      });
      expect(await run('fail', { times: 2 }, 3)).toEqual({ times: 2 });
    });
    it('refuses an invalid delay', async () => {
      await expect(run('delay', { ms: -1 })).rejects.toMatchObject({ code: 'input_invalid' });
    });
  });
});
