import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CommandRequest, JsonValue } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { PostgresExecutionStore } from '../src/store/postgres/postgres-execution-store.js';
import { REDUCER_VERSION, encodeSnapshot, wantedEffects } from '../src/domain/index.js';
import { rebuildReadModels, verifyExecutions } from '../src/index.js';
import type { Difference, RunningExecution } from '../src/index.js';
import { ConfigRegistry } from '../src/partitions/ports/config-registry.js';
import { readExecution } from '../src/partitions/lane/fold-execution.js';
import type { ExecutionSource } from '../src/partitions/lane/fold-execution.js';
import { ExecutionQueries } from '../src/queries/execution-queries.js';
import { TenantExecutions } from '../src/queries/tenant-executions.js';
import { TENANT, executionId, startRequest } from './fixtures.js';
import { Platform } from './platform.js';

const ENV = { BATUTA_EXECUTION_SNAPSHOT_EVENTS: '7' };

let platform: Platform;
let service: RunningExecution;
let store: PostgresExecutionStore;
let source: ExecutionSource;

beforeAll(async () => {
  platform = await Platform.start();
  service = await platform.execution('one', ENV);
  await platform.run();
  store = new PostgresExecutionStore({ databaseUrl: platform.database.url, poolSize: 2 });
  const configs = new ConfigRegistry(store, {
    version: () => Promise.resolve({ kind: 'missing' }),
  });
  source = { reader: store, configs, snapshots: store };
});

afterAll(async () => {
  await store?.close();
  await platform?.end();
});

const start = async (config: string, input?: JsonValue): Promise<string> => {
  const id = executionId();
  const request: CommandRequest = startRequest(id, config, input);
  expect(await platform.command(request)).toMatchObject({ accepted: {} });
  return id;
};

const finished = (id: string): Promise<unknown> =>
  eventually(async () => (await platform.get(id))?.status === 'completed', { timeoutMs: 60_000 });

async function snapshotVersion(id: string): Promise<number> {
  const { rows } = await platform.sql.query<{ version: number }>(
    'SELECT version FROM execution.snapshots WHERE execution_id = $1',
    [id],
  );
  return rows[0]?.version ?? 0;
}

/** The execution as it is read with snapshots, after checking that it is the same without them. */
async function sameBothWays(id: string, version?: number): Promise<unknown> {
  const [quick, whole] = await Promise.all([
    readExecution(source, id, version),
    readExecution({ ...source, snapshots: undefined }, id, version),
  ]);
  if (quick === undefined || whole === undefined) throw new Error(`execution ${id} cannot be read`);
  expect(encodeSnapshot(quick)).toEqual(encodeSnapshot(whole));
  expect(wantedEffects(quick)).toEqual(wantedEffects(whole));
  return encodeSnapshot(quick);
}

/** A property for a proxy. Methods that read private fields need the object itself. */
function boundTo(target: object, value: unknown): unknown {
  return typeof value === 'function' ? (value.bind(target) as unknown) : value;
}

describe('questions that come together', () => {
  it('are answered from one statement, each with its own execution, and to its own tenant only', async () => {
    const ids = await Promise.all([start('three'), start('three'), start('three')]);
    for (const id of ids) await finished(id);
    const statements: (readonly string[])[] = [];
    const reader = new Proxy(store, {
      get: (target, name) =>
        name === 'readStreams'
          ? (asked: readonly string[]) => {
              statements.push(asked);
              return target.readStreams(asked);
            }
          : boundTo(target, Reflect.get(target, name)),
    });
    const read = { ...source, reader, snapshots: undefined };
    const unused = { seen: () => platform.sql };
    const queries = new ExecutionQueries(new TenantExecutions(() => read), unused, {
      marked: (_state, steps) => Promise.resolve(steps),
    });
    const unknown = executionId();
    const notFound = { refused: expect.objectContaining({ code: 'not_found' }) };
    const [first] = ids;
    const [others, ...found] = await Promise.all([
      queries.get({ tenantId: 'somebody-else', executionId: first ?? '' }),
      ...[...ids, unknown].map((id) => queries.get({ tenantId: TENANT, executionId: id })),
    ]);
    expect(found).toEqual([
      ...ids.map((id) => ({ execution: expect.objectContaining({ id, status: 'completed' }) })),
      notFound,
    ]);
    expect(others).toEqual(notFound);
    // Those of one tenant together, because no statement reads for two tenants.
    expect(statements.map((asked) => [...asked].sort())).toEqual([[first], [...ids, unknown].sort()]);
  });
});

describe('snapshots', () => {
  it('are kept every so many events, and loading from them gives the same state, at every version', async () => {
    const id = await start('wide', { text: 'x'.repeat(200), list: [1.5, -0.25, 1e21], nested: { b: null, a: true } });
    await finished(id);
    await eventually(async () => (await snapshotVersion(id)) >= 35, { timeoutMs: 60_000 });
    const newest = (await platform.get(id))?.version ?? 0;
    expect(newest).toBeGreaterThan(40);
    for (let version = 1; version <= newest; version += 1) await sameBothWays(id, version);
    await sameBothWays(id);
  });

  it('are really used: of a long execution only the tail is read', async () => {
    const id = await start('wide');
    await finished(id);
    const kept = await eventually(async () => (await snapshotVersion(id)) || false, { timeoutMs: 60_000 });
    const asked: number[] = [];
    const reader = new Proxy(store, {
      get: (target, name) =>
        name === 'readEvents'
          ? (execution: string, from: number, limit: number) => {
              asked.push(from);
              return target.readEvents(execution, from, limit);
            }
          : boundTo(target, Reflect.get(target, name)),
    });
    await readExecution({ ...source, reader }, id);
    // A newer one may have been written since.
    expect(asked).toHaveLength(1);
    expect([kept, await snapshotVersion(id)]).toContain(asked[0]);
  });

  it('serve an execution that goes on after a restart', async () => {
    platform.agent = (task) => (task.stepId === 'w19' ? undefined : 'succeed');
    const id = await start('wide');
    await eventually(async () => (await snapshotVersion(id)) >= 21, { timeoutMs: 60_000 });
    await platform.stop(service);
    const state = await sameBothWays(id);
    expect(state).toBeDefined();
    platform.agent = () => 'succeed';
    service = await platform.execution('one', ENV);
    const task = platform.tasks.find(({ executionId: of, stepId }) => of === id && stepId === 'w19');
    if (task === undefined) throw new Error('w19 was never dispatched');
    await platform.report(task, 'succeed');
    await finished(id);
    await sameBothWays(id);
  });

  it('are disposable: those of another fold, and those that the log does not reach, are passed over', async () => {
    const id = await start('three');
    await finished(id);
    const whole = await sameBothWays(id);
    await eventually(async () => (await snapshotVersion(id)) > 0, { timeoutMs: 60_000 });
    await platform.sql.query(
      `UPDATE execution.snapshots SET reducer_version = 99, state = '{}' WHERE execution_id = $1`,
      [id],
    );
    expect(await sameBothWays(id)).toEqual(whole);
    await platform.sql.query(
      `UPDATE execution.snapshots SET reducer_version = ${REDUCER_VERSION}, version = 1000,
         state = jsonb_set('{"reducer":${REDUCER_VERSION},"state":{}}', '{state,version}', '1000') WHERE execution_id = $1`,
      [id],
    );
    expect(await sameBothWays(id)).toEqual(whole);
    await platform.sql.query('DELETE FROM execution.snapshots WHERE execution_id = $1', [id]);
    expect(await sameBothWays(id)).toEqual(whole);
  });
});

describe('verify', () => {
  const verify = async (which: string): Promise<Difference[]> => {
    const found: Difference[] = [];
    const summary = await verifyExecutions(platform.database.url, which, (difference) => found.push(difference));
    expect(summary.different).toBe(found.length);
    expect(summary.behind).toBe(0);
    return found;
  };

  it('finds nothing wrong with executions of every kind, also while the service runs', async () => {
    const ids = await Promise.all(['three', 'wide', 'retried', 'three'].map((config) => start(config)));
    await Promise.all(ids.filter((_id, index) => index !== 2).map(finished));
    expect(await verify('all')).toEqual([]);
    expect(await verify(ids[1] ?? '')).toEqual([]);
  });

  it('compares the kept beginning of a large output, in whatever order its keys were written', async () => {
    const id = await start('three', { list: Array.from({ length: 3_000 }, (_, n) => ({ ms: 200, n, i: n })) });
    await finished(id);
    const { rows } = await platform.sql.query<{ step_id: string; output: string }>(
      'SELECT step_id, output FROM execution.orchestration_step_runs WHERE execution_id = $1 AND output_truncated',
      [id],
    );
    expect(rows.map(({ output }) => output.includes('"ms":200,"n":1'))).toContain(true);
    expect(await verify(id)).toEqual([]);
    const changed = await platform.sql.query(
      `UPDATE execution.orchestration_step_runs SET output = to_jsonb(replace(output #>> '{}', '"n":5,', '"n":6,'))
         WHERE execution_id = $1 AND step_id = $2`,
      [id, rows[0]?.step_id],
    );
    expect(changed.rowCount).toBe(1);
    expect(await verify(id)).toMatchObject([{ what: expect.stringContaining(`/${rows[0]?.step_id}/output`) }]);
  });

  it('knows nothing of an execution that does not exist', async () => {
    expect(await verify(executionId())).toMatchObject([
      { where: 'log', what: 'there are no events of this execution' },
    ]);
  });

  it.each([
    [
      'orchestration_executions',
      `UPDATE execution.orchestration_executions SET output = '{"forged": true}' WHERE id = $1`,
      '/output',
    ],
    [
      'orchestration_executions',
      `UPDATE execution.orchestration_executions SET status = 'failed' WHERE id = $1`,
      '/status',
    ],
    [
      'orchestration_executions',
      `UPDATE execution.orchestration_executions SET estimated_cost = 1 WHERE id = $1`,
      '/estimated_cost',
    ],
    [
      'orchestration_executions',
      `UPDATE execution.orchestration_executions SET wake_at = 4102444800000 WHERE id = $1`,
      '/wake_at',
    ],
    ['orchestration_executions', `DELETE FROM execution.orchestration_executions WHERE id = $1`, 'missing'],
    [
      'orchestration_step_runs',
      `UPDATE execution.orchestration_step_runs SET retry_count = 9 WHERE execution_id = $1 AND step_id = 'b'`,
      '/b/retry_count',
    ],
    [
      'orchestration_step_runs',
      `DELETE FROM execution.orchestration_step_runs WHERE execution_id = $1 AND step_id = 'c'`,
      '/c',
    ],
    [
      'snapshot',
      `UPDATE execution.snapshots SET state = jsonb_set(state, '{state,status}', '"failed"') WHERE execution_id = $1`,
      '/state/status',
    ],
  ] as const)('tells that a row of %s was tampered with, and a rebuild mends it: %s', async (where, corrupt, what) => {
    const id = await start('three');
    await finished(id);
    await eventually(async () => (await snapshotVersion(id)) > 0, { timeoutMs: 60_000 });
    expect(await verify(id)).toEqual([]);
    expect((await platform.sql.query(corrupt, [id])).rowCount).toBe(1);
    expect(await verify(id)).toEqual([{ executionId: id, where, what: expect.stringContaining(what) }]);
    await rebuildReadModels(platform.database.url);
    expect(await verify('all')).toEqual([]);
  });

  it('tells that the log itself has a gap, and which rows belong to nothing', async () => {
    const id = await start('three');
    await finished(id);
    expect(await verify(id)).toEqual([]);
    await platform.sql.query('DELETE FROM execution.events WHERE execution_id = $1 AND version = 4', [id]);
    expect(await verify('all')).toEqual([
      {
        executionId: id,
        where: 'chain',
        what: expect.stringMatching(
          /^version 4 missing \(partition \d, positions \d+ to \d+\): version 5 comes after version 3$/,
        ),
      },
    ]);
    await platform.sql.query('DELETE FROM execution.events WHERE execution_id = $1', [id]);
    expect(await verify('all')).toEqual([
      { executionId: id, where: 'log', what: 'there are no events of this execution' },
    ]);
  });
});
