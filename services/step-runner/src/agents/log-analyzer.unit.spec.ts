import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { JsonObject } from '@batuta/contracts';
import { execFile } from 'node:child_process';
import { link, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { testContext } from '../../test/test-context.js';
import { logAnalyzerAgent } from './log-analyzer.js';

describe('log_analyzer', () => {
  let home: string;
  let allowed: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'batuta-logs-'));
    allowed = join(home, 'logs');
    await mkdir(join(allowed, 'deep'), { recursive: true });
    await writeFile(join(allowed, 'deep', 'app.log'), 'one\ntwo\r\nthree');
    await writeFile(join(home, 'secret.log'), 'secret');
    await symlink(join(home, 'secret.log'), join(allowed, 'link.log'));
    await symlink(home, join(allowed, 'up'));
    await link(join(home, 'secret.log'), join(allowed, 'hard.log'));
    await promisify(execFile)('mkfifo', [join(allowed, 'pipe')]);
  });
  afterAll(() => rm(home, { recursive: true, force: true }));

  const analyze = async (input: JsonObject): Promise<JsonObject> =>
    (await logAnalyzerAgent([`${testContext().tenantId}=${allowed}`]).run(input, testContext())) as JsonObject;
  const codeOf = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => 'done',
      (error: unknown) => (error as { code?: unknown }).code,
    );

  it('takes a text under the name logs, unless the log is given under its own name or logs is something else', async () => {
    expect(await analyze({ logs: 'ERROR one\nINFO two' })).toMatchObject({ source: 'text', lines: 2 });
    expect(await analyze({ text: 'INFO one', logs: 'a\nb' })).toMatchObject({ lines: 1 });
    expect(await analyze({ file: 'deep/app.log', logs: 'a' })).toMatchObject({ lines: 3 });
    // The output of a step before, under a key of the user's choice.
    expect(await analyze({ lines: ['INFO one'], logs: { lines: 7 } })).toMatchObject({ source: 'lines', lines: 1 });
    expect(await codeOf(analyze({ logs: null }))).toBe('input_invalid');
  });

  it('counts levels, finds range, rate, spikes, patterns and errors', async () => {
    const lines: string[] = [];
    const at = (minute: number, second: number): string =>
      new Date(Date.UTC(2026, 10, 21, 4, minute, second)).toISOString().replace('T', ' ').replace('Z', ' UTC');
    for (let minute = 0; minute < 30; minute++) {
      lines.push(`${at(minute, 1)} [${minute}] LOG:  checkpoint complete: wrote ${minute * 3} buffers`);
      lines.push(`${at(minute, 2)} [${minute}] LOG:  connection received: host=10.0.0.${minute}`);
    }
    for (let n = 0; n < 40; n++) {
      lines.push(`${at(20, 10)} [99] ERROR:  duplicate key value violates unique constraint "events_${n}"`);
      lines.push(`\tat line ${n}`);
    }
    lines.push(`${at(29, 59)} [1] FATAL:  terminating connection`);
    const output = await analyze({ lines, max_errors: 2 });
    expect(output).toMatchObject({
      lines: 141,
      continuation_lines: 40,
      levels: { info: 60, error: 40, fatal: 1, warn: 0, debug: 0, trace: 0, unknown: 0 },
      time_range: { from: '2026-11-21T04:00:01.000Z', to: '2026-11-21T04:29:59.000Z' },
    });
    const { patterns, rate, first_errors, last_errors } = output;
    expect((patterns as JsonObject[]).slice(0, 2)).toEqual([
      expect.objectContaining({
        count: 40,
        level: 'error',
        pattern: '<*> duplicate key value violates unique constraint <*>',
        example: '[99]   duplicate key value violates unique constraint "events_0"',
      }),
      expect.objectContaining({ count: 30, level: 'info' }),
    ]);
    expect(rate).toMatchObject({ spikes: [{ from: '2026-11-21T04:20:00.000Z', lines: 42, errors: 40 }] });
    expect(first_errors).toHaveLength(2);
    expect(last_errors).toEqual([
      expect.objectContaining({ level: 'error' }),
      { line: 141, time: '2026-11-21T04:29:59.000Z', level: 'fatal', message: '[1]   terminating connection' },
    ]);
  });

  it('reads text, and a file by its name below an allowed directory, whole or its end', async () => {
    expect(await analyze({ text: 'a\nb' })).toMatchObject({ lines: 2, source: 'text' });
    expect(await analyze({ file: 'deep/app.log' })).toMatchObject({ lines: 3, bytes: 14 });
    expect(await analyze({ file: join(allowed, 'deep/app.log') })).toMatchObject({ lines: 3 });
    expect(await analyze({ file: 'deep/app.log', last_bytes: 5 })).toMatchObject({ lines: 1, bytes: 5 });
  });

  it('handles lines that are longer than anything it keeps', async () => {
    await writeFile(join(allowed, 'long.log'), `${'x'.repeat(1_000_000)}\nshort\n`);
    const output = await analyze({ file: 'long.log' });
    expect(output).toMatchObject({ lines: 2, bytes: 1_000_007 });
    expect(JSON.stringify(output).length).toBeLessThan(10_000);
  });

  it.each([
    '../secret.log',
    'link.log',
    'hard.log',
    'up/secret.log',
    '/etc/passwd',
    '../missing.log',
    '/etc/missing',
    '.',
  ])('refuses the file %s', async (file) => {
    expect(await codeOf(analyze({ file }))).toBe('file_refused');
  });

  it('shows each tenant the files of its own directory only', async () => {
    for (const tenant of ['acme', 'other']) {
      await mkdir(join(home, 'files', tenant), { recursive: true });
      await writeFile(join(home, 'files', tenant, `${tenant}.log`), 'one line');
    }
    const agent = logAnalyzerAgent([join(home, 'files', '{tenant}'), `other=${allowed}`]);
    const read = (tenantId: string, file: string): Promise<unknown> =>
      codeOf(agent.run({ file }, testContext({ tenantId })) as Promise<unknown>);
    expect(await read('acme', 'acme.log')).toBe('done');
    expect(await read('other', 'other.log')).toBe('done');
    expect(await read('other', 'deep/app.log')).toBe('done');
    expect(await read('acme', 'other.log')).toBe('file_missing');
    expect(await read('acme', '../other/other.log')).toBe('file_refused');
    expect(await read('acme', join(home, 'files', 'other', 'other.log'))).toBe('file_refused');
    expect(await read('acme', join(allowed, 'deep/app.log'))).toBe('file_refused');
    expect(await read('..', 'secret.log')).toBe('file_refused');
  });

  it('refuses a pipe without waiting for it, and says when a file is missing', async () => {
    expect(await codeOf(analyze({ file: 'pipe' }))).toBe('file_refused');
    expect(await codeOf(analyze({ file: 'deep/missing.log' }))).toBe('file_missing');
  });

  it.each([
    [{}],
    [{ text: 'a', lines: ['b'] }],
    [{ lines: [1] }],
    [{ file: 'a\0b' }],
    [{ text: 'a', max_patterns: 0 }],
  ])('refuses the input %p', async (input) => {
    expect(await codeOf(analyze(input as JsonObject))).toBe('input_invalid');
  });

  it('stops when it is told to', async () => {
    const context = testContext({ signal: AbortSignal.abort(new Error('stopped')) });
    await expect(
      logAnalyzerAgent([`${testContext().tenantId}=${allowed}`]).run({ file: 'long.log' }, context),
    ).rejects.toThrow('stopped');
  });
});
