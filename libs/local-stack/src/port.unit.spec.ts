import { afterEach, describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { eventually, runFile } from '@batuta/testing';
import type { Child } from '@batuta/testing';
import { freePort, portOr, portRange } from './port.js';

const RANGE_FILE = '/proc/sys/net/ipv4/ip_local_port_range';

describe('a free port', () => {
  const servers: Server[] = [];
  const children: Child[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await new Promise((closed) => server.close(closed));
    for (const child of children.splice(0)) await child.end('SIGKILL');
  });

  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const server = createServer().once('error', reject);
      servers.push(server.listen(port, '127.0.0.1', resolve));
    });

  /** Ports that another process has chosen but does not listen on. */
  const chosenElsewhere = async (): Promise<{ child: Child; ports: number[] }> => {
    const child = runFile('libs/local-stack/test/choose-ports.ts');
    children.push(child);
    await eventually(() => child.output().endsWith('\n'), {
      timeoutMs: 120_000,
      describe: 'the process has chosen',
      pointless: child.ended,
    });
    return { child, ports: JSON.parse(child.output()) as number[] };
  };

  it('is returned only once, although nobody listens on it yet', async () => {
    const ports: number[] = [];
    for (let batch = 0; batch < 20; batch += 1) {
      ports.push(...(await Promise.all(Array.from({ length: 40 }, () => freePort()))));
    }
    expect(new Set(ports).size).toBe(800);
  });

  it('can be listened on', async () => {
    await expect(listen(await freePort())).resolves.toBeUndefined();
  });

  (existsSync(RANGE_FILE) ? it : it.skip)('is outside the range of outgoing connections', async () => {
    const [from, to] = readFileSync(RANGE_FILE, 'utf8').trim().split(/\s+/).map(Number);
    for (let count = 0; count < 50; count += 1) {
      const port = await freePort();
      expect(port < from! || port > to!).toBe(true);
    }
  });

  it('belongs to the process that chose it until that process ends or is killed', async () => {
    const { child, ports } = await chosenElsewhere();
    for (const port of ports) expect(await portOr(port)).not.toBe(port);
    await child.end('SIGKILL');
    for (const port of ports) expect(await portOr(port)).toBe(port);
  });

  it('is returned again to the process that chose it, unless something listens on it', async () => {
    const port = await freePort();
    expect(await portOr(port)).toBe(port);
    await listen(port);
    const other = await portOr(port);
    expect(other).not.toBe(port);
    expect(await portOr(undefined)).not.toBe(other);
  });

  it('is the preferred port for only one of several simultaneous callers', async () => {
    const { child, ports } = await chosenElsewhere();
    await child.end('SIGKILL');
    const [port] = ports;
    const given = await Promise.all([portOr(port), portOr(port), portOr(port)]);
    expect(new Set(given).size).toBe(3);
    expect(given).toContain(port);
  });

  it.each([
    ['below the ports of outgoing connections', { from: 32_768, to: 60_999 }, { from: 20_000, to: 32_767 }],
    ['above them when there are too few below', { from: 1_024, to: 50_000 }, { from: 50_001, to: 65_535 }],
    ['anywhere when they are nearly all', { from: 1_024, to: 65_535 }, { from: 20_000, to: 65_535 }],
  ])('is chosen %s', (_, ephemeral, range) => {
    expect(portRange(ephemeral)).toEqual(range);
  });
});
