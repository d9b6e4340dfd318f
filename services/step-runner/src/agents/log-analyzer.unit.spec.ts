import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { JsonObject } from '@batuta/contracts';
import { execFile } from 'node:child_process';
import { link, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
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

  it('accepts a text named logs, unless the log has its own name or logs is something else', async () => {
    expect(await analyze({ logs: 'ERROR one\nINFO two' })).toMatchObject({ source: 'text', lines: 2 });
    expect(await analyze({ text: 'INFO one', logs: 'a\nb' })).toMatchObject({ lines: 1 });
    expect(await analyze({ file: 'deep/app.log', logs: 'a' })).toMatchObject({ lines: 3 });
    // The output of an earlier step, under a key that the user chose.
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

  it('counts lines as editors do: the line break at the end begins no further one', async () => {
    expect(await analyze({ text: 'a\nb\n' })).toMatchObject({ lines: 2, entries: 2 });
    expect(await analyze({ text: 'a\n\nb' })).toMatchObject({ lines: 3, entries: 2 });
    expect(await analyze({ text: '' })).toMatchObject({ lines: 0, entries: 0, error_rate: 0, time_range: null });
    expect(await analyze({ lines: ['a\n', '', 'ERROR b\n\tat c'] })).toMatchObject({
      lines: 4,
      entries: 2,
      continuation_lines: 1,
      error_rate: 0.5,
    });
  });

  it('says how many lines of a pattern have which level', async () => {
    const text = Array.from(
      { length: 1_000 },
      (_, n) => `2026-11-28T10:00:00Z ${n === 500 ? 'ERROR' : 'INFO'} Job ${n} finished`,
    ).join('\n');
    expect((await analyze({ text }))['patterns']).toEqual([
      expect.objectContaining({ count: 1_000, level: 'info', levels: { error: 1, info: 999 } }),
    ]);
  });

  it.each([
    ['too few minutes to tell', 1, 0],
    ['six minutes', 5, 1],
    ['ten minutes', 9, 1],
    ['an hour', 59, 1],
  ])('finds a minute with many more lines than the others: %s', async (_, quiet, spikes) => {
    const at = (minute: number, second: number): string =>
      new Date(Date.UTC(2026, 10, 28, 10, minute, second)).toISOString();
    const lines = Array.from({ length: quiet }, (_, minute) => `${at(minute, 0)} INFO tick`);
    for (let n = 0; n < 500; n++) lines.push(`${at(quiet, n % 60)} ERROR boom ${n}`);
    const { rate } = await analyze({ lines });
    expect((rate as JsonObject)['spikes']).toEqual(
      spikes === 0 ? [] : [{ from: at(quiet, 0), lines: 500, errors: 500, times_the_median: 500 }],
    );
  });

  it('finds a second with many more lines in a log of two minutes, and none in an even log', async () => {
    const at = (second: number): string => new Date(Date.UTC(2026, 10, 28, 10, 0, second)).toISOString();
    const even = Array.from({ length: 480 }, (_, n) => `${at(Math.floor(n / 4))} INFO tick`);
    expect((await analyze({ lines: even }))['rate']).toMatchObject({ spikes: [] });
    const burst = Array.from({ length: 90 }, (_, n) => `${at(119)} ERROR boom ${n}`);
    expect((await analyze({ lines: [...even, ...burst] }))['rate']).toMatchObject({
      spikes: [{ from: at(119), lines: 94, errors: 90 }],
    });
  });

  const log = '2026-11-28T10:00:00Z ERROR büm\n'.repeat(300);
  const utf16be = Buffer.from(`\uFEFF${log}`, 'utf16le').swap16();
  it.each([
    ['plain', Buffer.from(log)],
    ['with a byte order mark', Buffer.from(`\uFEFF${log}`)],
    ['UTF-16', Buffer.from(`\uFEFF${log}`, 'utf16le')],
    ['UTF-16, big-endian', utf16be],
    ['UTF-16 without a mark', Buffer.from(log, 'utf16le')],
    ['gzip', gzipSync(log)],
    ['gzip in two members', Buffer.concat([gzipSync(log.slice(0, 3_200)), gzipSync(log.slice(3_200))])],
    ['gzip of UTF-16', gzipSync(utf16be)],
  ])('reads a file that is %s, whole and its end', async (name, content) => {
    const file = `${name.replace(/\W/g, '-')}.log`;
    await writeFile(join(allowed, file), content);
    const whole = { lines: 300, levels: expect.objectContaining({ error: 300, unknown: 0 }) as unknown, error_rate: 1 };
    expect(await analyze({ file })).toMatchObject({
      ...whole,
      patterns: [{ pattern: 'büm', count: 300 }],
    });
    const bytesOfLine = /UTF-16/.test(name) ? 62 : 32;
    // Exactly ten lines, and a little more: the cut line does not count.
    for (const last_bytes of [10 * bytesOfLine, 10 * bytesOfLine + 6]) {
      expect(await analyze({ file, last_bytes })).toMatchObject({ lines: 10, levels: { error: 10, unknown: 0 } });
    }
    expect(await analyze({ file, last_bytes: 1_000_000 })).toMatchObject(whole);
  });

  it('reads as much as there is of a compressed file that is being written', async () => {
    const packed = gzipSync(Array.from({ length: 20_000 }, (_, n) => `INFO ${n * 2_654_435_761}`).join('\n'));
    await writeFile(join(allowed, 'half.gz'), packed.subarray(0, packed.length / 2));
    const { lines } = await analyze({ file: 'half.gz' });
    expect(lines).toBeGreaterThan(5_000);
    expect(lines).toBeLessThan(20_000);
  });

  it.each([
    [
      'file_damaged',
      'damaged.gz',
      Buffer.concat([gzipSync('x'.repeat(5_000)).subarray(0, 14), Buffer.alloc(400, 0xff)]),
    ],
    ['file_too_large', 'bomb.gz', gzipSync(Buffer.alloc(80 * 1024 * 1024))],
    ['file_unsupported', 'app.log.bz2', Buffer.from('BZh91AY&SY')],
    ['file_unsupported', 'app.log.xz', Buffer.from('fd377a585a000004', 'hex')],
    ['file_unsupported', 'app.zip', Buffer.from('504b030414000000', 'hex')],
    ['file_unsupported', 'program', Buffer.from(Array.from({ length: 4_096 }, (_, n) => (n * 7) % 256))],
    [
      'file_unsupported',
      'logs.tar',
      Buffer.concat([Buffer.alloc(257, 97), Buffer.from('ustar\0'), Buffer.alloc(300, 97)]),
    ],
  ])('refuses with %s the file %s', async (code, file, content) => {
    await writeFile(join(allowed, file), content);
    expect(await codeOf(analyze({ file }))).toBe(code);
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
