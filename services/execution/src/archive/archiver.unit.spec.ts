import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { linkOf } from '@batuta/event-store';
import { MOST_EXPANDED, readArchive } from './archive-file.js';
import { archiveName } from './archive-store.js';
import type { ArchiveStore } from './archive-store.js';
import { archivedExecution } from './archived-execution.js';
import { Archiver } from './archiver.js';

const TENANT = 'acme';
const always = (): boolean => true;

/** A bundle with events that are chained as the engine does it. */
function bundle(executionId: string, events: number, tenantId = TENANT): string[] {
  const config = { id: 'c', version: 1, definition: {} };
  let previous = '';
  const lines = Array.from({ length: events }, (_, place) => {
    const version = place + 1;
    const stored = { version, at: 5, type: 'StepStarted', commandId: `c${version}`, data: '{}' };
    const link = linkOf(previous, executionId, 1, [{ position: version, stored }]);
    previous = link;
    const { commandId, at, type } = stored;
    return { line: 'event', version, partition: 1, position: version, at, type, command_id: commandId, data: {}, link };
  });
  const first = { line: 'bundle', bundle: 1, execution_id: executionId, tenant_id: tenantId, config };
  return [first, ...lines, { line: 'end', events, checkpoint: null, config: null }].map((line) => JSON.stringify(line));
}

function memory(files = new Map<string, Buffer>()): ArchiveStore & { readonly files: Map<string, Buffer> } {
  return {
    files,
    where: 'memory',
    put: (name, bytes) => Promise.resolve(void files.set(name, bytes)),
    get: (name) => Promise.resolve(files.get(name)),
    remove: (name) => Promise.resolve(void files.delete(name)),
    async *list() {
      yield* files.keys();
    },
  };
}

let ids = 0;
function archiver(bundles: Readonly<Record<string, string[]>>, store: ArchiveStore): Archiver {
  return new Archiver({
    store,
    // A page is two events, so that several are put together.
    lines: ({ executionId, fromVersion = 1 }) => {
      const lines = bundles[executionId];
      if (lines === undefined) return Promise.resolve({ lines: [], refused: { code: 'not_found', message: '' } });
      const from = fromVersion === 1 ? 0 : fromVersion;
      const page = lines.slice(from, from + 2);
      const next = from + 2;
      return Promise.resolve({ lines: page, ...(next < lines.length ? { nextVersion: next } : {}) });
    },
    now: () => Date.UTC(2030, 0, 31),
    newId: () => `00000000-0000-7000-8000-${String((ids += 1)).padStart(12, '0')}`,
  });
}

describe('archiving', () => {
  it('puts executions into one file, as they are', async () => {
    const store = memory();
    const bundles = { a: bundle('a', 5), b: bundle('b', 1) };
    const wanted = [
      { id: 'a', version: 5 },
      { id: 'b', version: 1 },
    ];
    const found = await archiver(bundles, store).archive(TENANT, wanted, always);
    expect(found).toMatchObject({ taken: 2, archived: new Set(['a', 'b']), broken: new Map() });
    expect(found.name).toMatch(/^acme\/2030-01-31\/[0-9a-f-]+\.jsonl\.gz$/);
    const read: (readonly string[])[] = [];
    for await (const { lines } of readArchive(store.files.get(found.name ?? '') ?? Buffer.alloc(0))) read.push(lines);
    expect(read).toEqual([bundles.a, bundles.b]);
  });

  it('leaves out executions that have another version, are of another tenant, or are gone', async () => {
    const bundles = { a: bundle('a', 3), b: bundle('b', 2, 'other') };
    const wanted = ['a', 'b', 'c'].map((id) => ({ id, version: 2 }));
    expect(await archiver(bundles, memory()).archive(TENANT, wanted, always)).toMatchObject({ archived: new Set() });
    const store = memory();
    expect(await archiver({}, store).archive(TENANT, wanted, always)).toEqual({ taken: 3 });
    expect(store.files.size).toBe(0);
  });

  it('names the execution whose events are not those that were committed', async () => {
    const bad = bundle('a', 3).map((line) => line.replace('"command_id":"c2"', '"command_id":"x"'));
    const short = bundle('b', 3).filter((line) => !line.includes('"version":3'));
    const wanted = ['a', 'b', 'c'].map((id) => ({ id, version: 3 }));
    const found = await archiver({ a: bad, b: short, c: bundle('c', 3) }, memory()).archive(TENANT, wanted, always);
    expect(found).toMatchObject({ archived: new Set(['c']) });
    expect([...('broken' in found ? found.broken.keys() : [])]).toEqual(['a', 'b']);
  });

  it.each([
    ['gives nothing back', (): Promise<Buffer | undefined> => Promise.resolve(undefined)],
    ['gives half of it back', (bytes: Buffer): Promise<Buffer | undefined> => Promise.resolve(bytes.subarray(0, 20))],
  ])('believes no store that %s', async (_what, get) => {
    const store = memory();
    const liar = { ...store, get: (name: string) => get(store.files.get(name) ?? Buffer.alloc(0)) };
    const work = archiver({ a: bundle('a', 2) }, liar).archive(TENANT, [{ id: 'a', version: 2 }], always);
    await expect(work).rejects.toThrow('gave back something else');
    expect(store.files.size).toBe(0);
  });

  it('stops reading when it is told to stop', async () => {
    const bundles = { a: bundle('a', 1), b: bundle('b', 1) };
    const wanted = ['a', 'b'].map((id) => ({ id, version: 1 }));
    let asked = 0;
    const found = await archiver(bundles, memory()).archive(TENANT, wanted, () => (asked += 1) < 2);
    expect(found).toMatchObject({ taken: 1, archived: new Set(['a']) });
  });
});

describe('a file of the archive that is a trap', () => {
  const id = '00000000-0000-7000-8000-000000000001';
  const name = archiveName(TENANT, 0, id);
  const store = (bytes: Buffer): ArchiveStore => memory(new Map([[name, bytes]]));
  const read = (bytes: Buffer): Promise<unknown> => archivedExecution(store(bytes), name, id);

  it('is refused when a small file expands to one endless line', async () => {
    const line = gzipSync(Buffer.alloc(64 * 1024 * 1024, 'x'));
    expect(line.length).toBeLessThan(100_000);
    await expect(read(line)).rejects.toThrow(/line 1 cannot be read: it has more than \d+ bytes/);
  });

  it('is refused when a small file expands to more lines than any file has', async () => {
    const padding = 'x'.repeat(8 * 1024 * 1024);
    const line = Buffer.from(`${JSON.stringify({ line: 'bundle', execution_id: 'other', padding })}\n`);
    // Gzip allows several parts one after the other.
    const parts = Array.from({ length: Math.ceil(MOST_EXPANDED / line.length) + 1 }, () => gzipSync(line));
    await expect(read(Buffer.concat(parts))).rejects.toThrow(/cannot be read: the file has more than \d+ bytes/);
  });

  it('is never opened under a name that leads out of the archive', async () => {
    const opened: string[] = [];
    const watched = { ...memory(), get: (asked: string) => (opened.push(asked), Promise.resolve(undefined)) };
    for (const outside of [
      `../${name}`,
      `/etc/${name}`,
      `${TENANT}/../other/2026-01-01/${id}.jsonl.gz`,
      `${TENANT}/2026-01-01/../../other/2026-01-01/${id}.jsonl.gz`,
      `${name}\u0000`,
      `${name}\n`,
    ]) {
      await expect(archivedExecution(watched, outside, id)).rejects.toThrow('the archive has no file');
    }
    expect(opened).toEqual([]);
  });
});
