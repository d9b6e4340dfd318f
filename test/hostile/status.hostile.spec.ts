import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { LocalPlatform } from '../support/local-platform.js';

const CONFIGS = '/api/v1/orchestrations/configs';
const EXECUTE = '/api/v1/orchestrations/execute';

interface Ended {
  readonly status: string;
  readonly output?: { readonly services: readonly { readonly status: string }[] };
  readonly failure?: { readonly code: string };
}

describe('status_handler on the machine of a local platform', () => {
  let platform: LocalPlatform;
  let operator: Api;
  let run: { url: string; services: Record<string, string>; nats_url: string; database_url: string };
  let listener: Server;
  let connections = 0;

  beforeAll(async () => {
    listener = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    platform = await LocalPlatform.start();
    run = JSON.parse(readFileSync(join(platform.dir, 'run.json'), 'utf8')) as typeof run;
    operator = await platform.user('mallory', 'operator');
    const steps = [{ id: 'look', name: 'Look', agent: 'status_handler' }];
    expectStatus(await operator.post(CONFIGS, { name: 'look', strategy: 'sequential', steps }), 201);
  }, 300_000);

  afterAll(async () => {
    await platform?.stop();
    await new Promise((resolve) => listener.close(resolve));
  }, 300_000);

  const look = async (url: string): Promise<Ended> =>
    expectStatus(await operator.post<Ended>(`${EXECUTE}/look?wait=60s`, { input: { url } }), 200);

  it("reaches every service's health", async () => {
    expect(Object.keys(run.services).sort()).toEqual([
      'config',
      'execution',
      'gateway',
      'notifications',
      'step-runner',
    ]);
    for (const [service, url] of Object.entries(run.services)) {
      const ended = await look(`${url}/health/ready`);
      expect([service, ended.status, ended.output?.services[0]?.status]).toEqual([service, 'completed', 'up']);
    }
  }, 300_000);

  it('cannot reach other ports of loopback: NATS, PostgreSQL or a program of the user', async () => {
    const own = (listener.address() as AddressInfo).port;
    const ports = [new URL(run.nats_url).port, new URL(run.database_url).port, String(own), '8222'];
    for (const port of ports) {
      for (const host of ['127.0.0.1', 'localhost', '127.0.0.2', '[::1]', '[::ffff:127.0.0.1]']) {
        const ended = await look(`http://${host}:${port}/connz`);
        expect([host, port, ended.failure?.code]).toEqual([host, port, 'address_refused']);
      }
    }
    expect(connections).toBe(0);
  }, 300_000);
});
