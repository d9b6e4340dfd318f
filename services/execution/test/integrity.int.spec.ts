import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { operations } from '@batuta/contracts';
import type { ExecutionIntegrity, ExportExecutionReply, VerifyExecutionReply } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { loadExecutionSettings, verifyExecutions } from '../src/index.js';
import type { Difference } from '../src/index.js';
import { TENANT, executionId, startRequest } from './fixtures.js';
import { Platform } from './platform.js';

jest.setTimeout(300_000);

const SEED = randomBytes(32);
const SCRIPT = join(import.meta.dirname, '../../../tools/check-bundle.mjs');
const { checkBundle } = (await import(SCRIPT)) as {
  checkBundle: (lines: readonly string[]) => Promise<{ problems: readonly string[] }>;
};
const folder = mkdtempSync(join(tmpdir(), 'batuta-bundle-'));

let platform: Platform;

beforeAll(async () => {
  platform = await Platform.start();
  await platform.execution('one', {
    BATUTA_EXECUTION_SEAL_KEYS: SEED.toString('base64'),
    BATUTA_EXECUTION_SEAL: '50ms',
  });
  await platform.run();
});

afterAll(async () => {
  await platform?.end();
  rmSync(folder, { recursive: true, force: true });
});

async function finished(config = 'three'): Promise<string> {
  const id = executionId();
  expect(await platform.command(startRequest(id, config))).toMatchObject({ accepted: {} });
  await eventually(async () => (await platform.get(id))?.status === 'completed', { timeoutMs: 120_000 });
  return id;
}

const ask = <Reply>(subject: string, id: string, more: object = {}): Promise<Reply> =>
  platform.control.request<Reply>(subject, { tenantId: TENANT, executionId: id, ...more });

async function verify(id: string): Promise<ExecutionIntegrity> {
  const { integrity } = await ask<VerifyExecutionReply>(operations.executions.verify.subject, id);
  if (integrity === undefined) throw new Error('nothing was verified');
  return integrity;
}

const anchored = (id: string): Promise<unknown> =>
  eventually(
    async () => {
      const { anchor, head } = await verify(id);
      return anchor.status === 'signed' && anchor.upToVersion === head?.version;
    },
    { timeoutMs: 120_000 },
  );

async function all(which = 'all'): Promise<Difference[]> {
  const found: Difference[] = [];
  await verifyExecutions(platform.database.url, which, (difference) => found.push(difference), [SEED]);
  return found;
}

interface Row {
  readonly version: number;
  readonly partition: number;
  readonly position: number;
}

async function rowsOf(id: string): Promise<Row[]> {
  const { rows } = await platform.sql.query<Row>(
    'SELECT version, partition, position::int AS position FROM execution.events WHERE execution_id = $1 ORDER BY version',
    [id],
  );
  return rows;
}

const at = (rows: readonly Row[], version: number): Row =>
  rows[version - 1] ?? { version: 0, partition: 0, position: 0 };

describe('the chain of an execution', () => {
  it('holds for what the platform stored, and a signed checkpoint soon holds its newest link', async () => {
    const id = await finished();
    await anchored(id);
    const { events, linked, unlinked, problems, intact, head } = await verify(id);
    expect([intact, problems, unlinked, linked]).toEqual([true, [], 0, events]);
    expect(head?.version).toBe(events);
    expect(await all(id)).toEqual([]);
  });

  it('is told to its tenant only', async () => {
    const id = await finished();
    for (const subject of [operations.executions.verify.subject, operations.executions.export.subject]) {
      expect(await ask(subject, id, { tenantId: 'somebody-else' })).toMatchObject({ refused: { code: 'not_found' } });
      expect(await ask(subject, 'x')).toMatchObject({ refused: { code: 'not_found' } });
    }
  });

  it.each([
    ['data', `data = jsonb_set(data, '{attempt}', '99')`],
    ['a time', 'at = at + 1'],
    ['a type', `type = 'StepStarted'`],
    ['a command', `command_id = command_id || 'x'`],
    ['a link', `link = sha256('x')`],
  ])('finds an event with %s changed, and tells its commit', async (_what, change) => {
    const id = await finished();
    const rows = await rowsOf(id);
    const { rows: linked } = await platform.sql.query<{ version: number }>(
      'SELECT version FROM execution.events WHERE execution_id = $1 AND version > 2 AND length(link) = 32 ORDER BY version',
      [id],
    );
    const version = linked[0]?.version ?? 0;
    await platform.sql.query(`UPDATE execution.events SET ${change} WHERE execution_id = $1 AND version = $2`, [
      id,
      version,
    ]);
    const { intact, problems } = await verify(id);
    expect(intact).toBe(false);
    expect(problems[0]).toMatchObject({
      kind: 'changed',
      toVersion: version,
      partition: at(rows, version).partition,
      toPosition: at(rows, version).position,
    });
    expect((await all(id))[0]).toMatchObject({ executionId: id, where: 'chain' });
  });

  it('finds an event that is missing, and the positions around it', async () => {
    const id = await finished();
    const rows = await rowsOf(id);
    await platform.sql.query('DELETE FROM execution.events WHERE execution_id = $1 AND version = 3', [id]);
    expect((await verify(id)).problems[0]).toMatchObject({
      kind: 'missing',
      fromVersion: 3,
      toVersion: 3,
      fromPosition: at(rows, 2).position,
      toPosition: at(rows, 4).position,
    });
  });

  /**
   * An execution whose links are all in one checkpoint, because links in an earlier checkpoint stay valid when the rest
   * is cut off.
   */
  async function inOneCheckpoint(): Promise<string> {
    return eventually(
      async () => {
        const id = await finished();
        await anchored(id);
        const { rows } = await platform.sql.query<{ n: number }>(
          `SELECT count(DISTINCT c.position)::int AS n FROM execution.events e JOIN execution.checkpoints c
             ON c.partition = e.partition AND c.after_position < e.position AND c.position >= e.position
           WHERE e.execution_id = $1 AND length(e.link) = 32`,
          [id],
        );
        return rows[0]?.n === 1 ? id : false;
      },
      { timeoutMs: 120_000, describe: 'an execution is in one checkpoint' },
    );
  }

  it('finds a tail that was cut by what the row and the checkpoint say', async () => {
    const id = await inOneCheckpoint();
    const rows = await rowsOf(id);
    await platform.sql.query('DELETE FROM execution.events WHERE execution_id = $1 AND version >= $2', [
      id,
      rows.length - 1,
    ]);
    const cut = await verify(id);
    expect(cut.problems[0]).toMatchObject({ kind: 'missing', toVersion: rows.length });
    // An attacker who cuts events off may also change the row.
    await platform.sql.query('UPDATE execution.orchestration_executions SET version = $2 WHERE id = $1', [
      id,
      rows.length - 2,
    ]);
    const { intact, anchor } = await verify(id);
    expect([intact, anchor.status]).toEqual([false, 'broken']);
    const position = at(rows, rows.length).position;
    expect((await all()).filter(({ where }) => where === 'checkpoint')).not.toEqual([]);
    expect(anchor.checkpointPosition).toBeGreaterThanOrEqual(position - rows.length);
  });

  it('finds an event that lies elsewhere', async () => {
    const id = await finished();
    await platform.sql.query(
      'UPDATE execution.events SET position = -position WHERE execution_id = $1 AND version = 3',
      [id],
    );
    const rows = await rowsOf(id);
    expect((await verify(id)).problems[0]).toMatchObject({
      kind: 'moved',
      fromVersion: 3,
      fromPosition: at(rows, 3).position,
    });
  });

  it('made anew by somebody who knows how is not what was signed', async () => {
    const id = await finished();
    await anchored(id);
    const rows = await rowsOf(id);
    // Only the newest event: its link is computed for other data, as anybody who can write to the database could do.
    const { canonicalJson, linkOf } = await import('@batuta/event-store');
    const { rows: stored } = await platform.sql.query<{
      version: number;
      at: string;
      type: string;
      commandId: string;
      data: object;
      link: string;
    }>(
      `SELECT version, at, type, command_id AS "commandId", data, encode(link, 'hex') AS link
       FROM execution.events WHERE execution_id = $1 ORDER BY version`,
      [id],
    );
    const commits = stored.filter(({ link }) => link !== '');
    const [previous] = commits.slice(-2);
    const last = stored.filter(({ version }) => version > (previous?.version ?? 0));
    const forged = last.map((event) => ({ ...event, at: Number(event.at) + 1 }));
    const link = linkOf(
      previous?.link ?? '',
      id,
      rows[0]?.partition ?? 0,
      forged.map((event) => ({
        position: at(rows, event.version).position,
        stored: { ...event, data: canonicalJson(event.data) },
      })),
    );
    await platform.sql.query('UPDATE execution.events SET at = at + 1 WHERE execution_id = $1 AND version > $2', [
      id,
      previous?.version ?? 0,
    ]);
    await platform.sql.query(
      `UPDATE execution.events SET link = decode($3, 'hex') WHERE execution_id = $1 AND version = $2`,
      [id, rows.length, link],
    );
    const { problems, intact, anchor } = await verify(id);
    expect([problems, intact, anchor.status]).toEqual([[], false, 'broken']);
  });

  it('says which events are from before there were links', async () => {
    const id = await finished();
    await platform.sql.query('UPDATE execution.events SET link = NULL WHERE execution_id = $1', [id]);
    const { intact, unlinked, events, linked } = await verify(id);
    expect([unlinked, linked]).toEqual([events, 0]);
    expect(intact).toBe(true);
  });
});

describe('an exported bundle', () => {
  function check(text: string | Buffer): { status: number | null; output: string } {
    const file = join(folder, 'bundle.ndjson');
    writeFileSync(file, text);
    const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, file], { encoding: 'utf8' });
    return { status, output: stdout + stderr };
  }

  async function isWhole(bytes: Buffer): Promise<boolean> {
    try {
      return (await checkBundle(bytes.toString('utf8').trimEnd().split('\n'))).problems.length === 0;
    } catch {
      return false;
    }
  }

  it('holds without the platform, and no byte of it can be changed', async () => {
    const id = await finished();
    await eventually(async () => (await verify(id)).anchor.upToVersion === (await verify(id)).head?.version, {
      timeoutMs: 120_000,
    });
    const lines: string[] = [];
    for (let fromVersion = 1; fromVersion > 0;) {
      const part = await ask<ExportExecutionReply>(operations.executions.export.subject, id, { fromVersion });
      lines.push(...part.lines);
      fromVersion = part.nextVersion ?? 0;
    }
    const bundle = `${lines.join('\n')}\n`;
    const whole = check(bundle);
    expect(whole).toMatchObject({ status: 0, output: expect.stringContaining('the bundle holds') });
    expect(whole.output).toContain('signed at');
    const bytes = Buffer.from(bundle);
    const unseen: number[] = [];
    for (let place = 0; place < bytes.length; place += 1) {
      const changed = Buffer.from(bytes);
      // Another letter, digit or sign. For a letter, the other case.
      changed[place] = bytes[place]! ^ 0x20;
      if (bytes[place] !== 0x0a && (await isWhole(changed))) unseen.push(place);
    }
    // Only white space between the parts of lines has no meaning, and there is none.
    expect(unseen.map((place) => bundle.slice(Math.max(0, place - 40), place + 10))).toEqual([]);
    expect(check(bundle.split('\n').toSpliced(3, 1).join('\n'))).toMatchObject({ status: 1 });
    expect(check(lines.slice(0, -1).join('\n'))).toMatchObject({ status: 1 });
  });
});

it('refuses keys that are none', () => {
  const env = { DATABASE_URL: 'postgres://x', NATS_URL: 'nats://x', BATUTA_EXECUTION_SEAL_KEYS: 'short' };
  expect(() => loadExecutionSettings(env)).toThrow(/BATUTA_EXECUTION_SEAL_KEYS must be 32 bytes/);
});
