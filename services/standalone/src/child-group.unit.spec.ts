import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Logger } from '@batuta/observability';
import { eventually } from '@batuta/testing';
import { ChildGroup } from './child-group.js';

const logger = { debug: () => undefined, error: () => undefined, warn: () => undefined } as unknown as Logger;

describe('a process that never becomes ready', () => {
  let dir: string;

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'batuta-group-'));
  });

  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const groupOf = (name: string, source: string): ChildGroup => {
    const program = join(dir, `${name}.cjs`);
    writeFileSync(program, source);
    return new ChildGroup({
      services: ['config'],
      env: process.env,
      logger,
      stopLimitMs: 1_000,
      startLimitMs: 1_000,
      program,
      onReady: () => undefined,
    });
  };

  it.each([
    { when: 'while its programs are loaded', source: 'setInterval(() => undefined, 1000);' },
    {
      when: 'while its services start',
      source: "process.on('message', () => undefined); process.send({ type: 'loaded' });",
    },
  ])('is killed $when, and the start says so', async ({ when, source }) => {
    const group = groupOf(when.replaceAll(' ', '-'), source);
    await expect(group.start({})).rejects.toThrow(/config did not start: it was not ready within 1 s/);
    expect(group.pid).toBeUndefined();
    await group.stop();
  });

  it('waits for its start without a limit of its own, because the servers start meanwhile', async () => {
    const source = `process.on('message', ({ type }) => {
  if (type === 'stop') process.exit(0);
  process.send({ type: 'ready', urls: {} });
});
process.send({ type: 'loaded' });`;
    const group = groupOf('waits', source);
    group.load();
    const loadedAt = performance.now();
    await eventually(() => performance.now() - loadedAt > 2_500, { timeoutMs: 60_000 });
    expect(group.pid).toBeGreaterThan(0);
    await group.start({});
    await group.stop();
  });
});
