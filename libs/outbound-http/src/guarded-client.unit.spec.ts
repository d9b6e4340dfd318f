import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { addressPolicy } from './address-policy.js';
import { addressRefusal, GuardedClient, networkReason } from './guarded-client.js';
import type { CallAnswer, CallOptions } from './guarded-client.js';
import type { Resolve } from './host-names.js';

describe('GuardedClient', () => {
  let server: Server;
  let url: string;
  let hanging: number;
  let client: GuardedClient | undefined;
  beforeEach(async () => {
    hanging = 0;
    server = createServer((request, response) => {
      if (request.url === '/hang') hanging += 1;
      else response.end('answered');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    await client?.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const call = (tenantId: string, to: string, signal = new AbortController().signal): Promise<CallAnswer> => {
    const options: CallOptions = {
      tenantId,
      url: to,
      method: 'GET',
      headers: {},
      signal,
      maxBytes: 1_000,
      maxRedirects: 0,
    };
    return (client as GuardedClient).call(options);
  };

  it("answers a tenant whose host another tenant's calls keep busy", async () => {
    client = new GuardedClient(addressPolicy(['127.0.0.1']));
    const stop = new AbortController();
    const hostile = Array.from({ length: 600 }, () => call('hostile', `${url}/hang`, stop.signal).catch(() => 'ended'));
    while (hanging < 256) await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await call('quiet', `${url}/`)).body.toString()).toBe('answered');
    // The hostile tenant has only its own connections.
    expect(hanging).toBe(256);
    stop.abort(new Error('enough'));
    expect(new Set(await Promise.all(hostile))).toEqual(new Set(['ended']));
  });

  it('never lets one tenant use a connection of another', async () => {
    const tenantsOf = new Map<number | undefined, Set<string | undefined>>();
    server.on('request', ({ socket, url: path }) => {
      tenantsOf.set(socket.remotePort, (tenantsOf.get(socket.remotePort) ?? new Set()).add(path));
    });
    client = new GuardedClient(addressPolicy(['127.0.0.1']));
    for (let round = 0; round < 20; round += 1) {
      for (const tenant of ['a', 'b']) await call(tenant, `${url}/${tenant}`);
    }
    expect([...tenantsOf.values()].filter((tenants) => tenants.size > 1)).toEqual([]);
    // If this were 40, no connection would have been kept that the other tenant could have used.
    expect(tenantsOf.size).toBeLessThan(40);
  });

  it.each(['127.0.0.1', '10.1.2.3', '169.254.169.254', 'fd00::1', '100.64.0.1'])(
    'refuses %s with the same message as all refused addresses',
    async (address) => {
      const resolve: Resolve = (_host, _options, done) =>
        done(null, [{ address, family: address.includes(':') ? 6 : 4 }]);
      client = new GuardedClient(addressPolicy([]), resolve);
      const literal = address.includes(':') ? `[${address}]` : address;
      for (const host of ['name.test', literal]) {
        const refusal = addressRefusal(await call('a', `http://${host}/`).catch((error: unknown) => error));
        expect(refusal?.message).toBe('the address may not be called');
        expect(refusal?.detail).toContain(address);
      }
    },
  );

  it('reports errors of the network without the addresses of a name', async () => {
    const resolve: Resolve = (_host, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]);
    client = new GuardedClient(addressPolicy(['127.0.0.1']), resolve);
    const error = await call('a', 'http://name.test:1/').catch((thrown: unknown) => thrown);
    expect(networkReason(error)).toBe('connect ECONNREFUSED');
    expect(networkReason(new AggregateError([error], 'all'))).toBe('connect ECONNREFUSED');
    expect(networkReason(new Error('plain'))).toBe('plain');
  });
});
