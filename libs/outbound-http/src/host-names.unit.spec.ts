import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { NameServer } from '@batuta/testing';
import type { NameRecords } from '@batuta/testing';
import { HostNames } from './host-names.js';
import { candidates, parseHosts, parseResolvConf } from './system-names.js';

describe('HostNames', () => {
  let dir: string;
  let server: NameServer;
  let address: string;
  let records: Map<string, NameRecords>;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'batuta-names-'));
    records = new Map();
    server = new NameServer((name) => (name.endsWith('.silent.test') ? 'silent' : records.get(name)));
    address = await server.start();
  });
  afterEach(async () => {
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const names = (options: { hosts?: string; resolvConf?: string; timeoutMs?: number } = {}): HostNames => {
    const files = { hosts: join(dir, 'hosts'), resolvConf: join(dir, 'resolv.conf') };
    writeFileSync(files.hosts, options.hosts ?? '');
    writeFileSync(files.resolvConf, options.resolvConf ?? '');
    return new HostNames({ servers: [address], files, timeoutMs: options.timeoutMs ?? 60_000 });
  };
  const ipv4 = (...addresses: string[]): { address: string; family: number }[] =>
    addresses.map((one) => ({ address: one, family: 4 }));

  it('queries DNS again only when the answer has expired', async () => {
    records.set('good.test', { a: ['192.0.2.1', '192.0.2.2'], ttl: 60 });
    records.set('moving.test', { a: ['192.0.2.3'], ttl: 0 });
    const found = names();
    for (let round = 0; round < 2; round += 1) {
      expect(await found.addresses('a', 'Good.test')).toEqual(ipv4('192.0.2.1', '192.0.2.2'));
      expect(await found.addresses('a', 'moving.test')).toEqual(ipv4('192.0.2.3'));
    }
    expect(server.questions.filter((question) => question === 'A good.test')).toHaveLength(1);
    expect(server.questions.filter((question) => question === 'A moving.test')).toHaveLength(2);
  });

  it('queries a name once when many calls need it at the same time', async () => {
    records.set('good.test', { a: ['192.0.2.1'], ttl: 0 });
    const found = names();
    await Promise.all(Array.from({ length: 20 }, () => found.addresses('a', 'good.test')));
    expect(server.questions.filter((question) => question === 'A good.test')).toHaveLength(1);
  });

  it('prefers /etc/hosts and localhost to DNS', async () => {
    const found = names({ hosts: '10.0.0.7 db.internal db # ours\nfd00::7 db\n' });
    expect(await found.addresses('a', 'DB')).toEqual([
      { address: '10.0.0.7', family: 4 },
      { address: 'fd00::7', family: 6 },
    ]);
    expect(await found.addresses('a', 'db.internal.')).toEqual(ipv4('10.0.0.7'));
    expect((await found.addresses('a', 'any.localhost')).map((one) => one.address)).toEqual(['127.0.0.1', '::1']);
    expect(server.questions).toEqual([]);
  });

  it('finds a service of a Kubernetes cluster by its short name', async () => {
    records.set('api.shop.svc.cluster.local', { a: ['10.43.0.9'] });
    const resolvConf = 'nameserver 10.43.0.10\nsearch batuta.svc.cluster.local svc.cluster.local\noptions ndots:5\n';
    expect(await names({ resolvConf }).addresses('a', 'api.shop')).toEqual(ipv4('10.43.0.9'));
    expect(server.questions).toContain('A api.shop.batuta.svc.cluster.local');
    expect(server.questions).not.toContain('A api.shop');
  });

  it('distinguishes a name that does not exist from servers that do not answer', async () => {
    await expect(names().addresses('a', 'no.test')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    const slow = names({ timeoutMs: 300 });
    await expect(slow.addresses('a', 'x.silent.test')).rejects.toMatchObject({ code: 'ETIMEOUT' });
  });

  it('finds the names of one tenant while a thousand lookups of another get no answer', async () => {
    records.set('good.test', { a: ['192.0.2.1'], ttl: 0 });
    const found = names({ timeoutMs: 5_000 });
    const hostile = Array.from({ length: 1_000 }, (_, index) =>
      found.addresses('hostile', `n${index}.silent.test`).then(
        () => 'found',
        (error: unknown) => (error as NodeJS.ErrnoException).code,
      ),
    );
    for (let round = 0; round < 10; round += 1) {
      expect(await found.addresses('quiet', 'good.test')).toEqual(ipv4('192.0.2.1'));
    }
    const asked = new Set(server.questions.filter((question) => question.endsWith('.silent.test')));
    // An A and an AAAA query for each of its 32 places.
    expect(asked.size).toBeLessThanOrEqual(64);
    expect(new Set(await Promise.all(hostile))).toEqual(new Set(['ETIMEOUT']));
  });
});

describe('the files of the system', () => {
  it('reads addresses and names of hosts(5)', () => {
    const hosts = parseHosts('127.0.0.1\tlocalhost loopback\n# 10.0.0.1 no\n::1 localhost\nnonsense x\n');
    expect([...hosts]).toEqual([
      ['localhost', ['127.0.0.1', '::1']],
      ['loopback', ['127.0.0.1']],
    ]);
  });

  it('reads the search list and ndots of resolv.conf(5); the last line counts', () => {
    expect(parseResolvConf('domain a.test\nsearch b.test. C.test ; no\noptions timeout:1 ndots:3')).toEqual({
      search: ['b.test', 'c.test'],
      ndots: 3,
    });
    expect(parseResolvConf('nameserver 10.0.0.1')).toEqual({ search: [], ndots: 1 });
  });

  it.each([
    ['api', ['api.b.test', 'api']],
    ['a.b', ['a.b.b.test', 'a.b']],
    ['a.b.c', ['a.b.c', 'a.b.c.b.test']],
    ['a.b.', ['a.b']],
  ])('tries %s as %j', (name, tried) => {
    expect(candidates(name, { search: ['b.test'], ndots: 2 })).toEqual(tried);
  });
});
