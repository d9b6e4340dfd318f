import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { JsonValue } from '@batuta/contracts';
import { migrateEventStore } from '@batuta/event-store';
import { createTestDatabase, eventually, templateFor } from '@batuta/testing';
import type { TestDatabase } from '@batuta/testing';
import pg from 'pg';
import type { ExecutionReader } from '../src/store/port.js';
import type { State } from '../src/domain/index.js';
import { StreamChanges } from '../src/partitions/lane/batch.js';
import type { DecidedEvent } from '../src/partitions/lane/batch.js';
import { Partition } from '../src/partitions/lane/partition.js';
import type { HotExecution } from '../src/partitions/lane/partition.js';
import type { Clock, EngineLog } from '../src/partitions/ports/ports.js';
import { PROJECT_STEP_RUNS } from '../src/projections/sql/step-runs.js';
import { AS_STEP_RUNS } from '../src/projections/verify/sql.js';
import { StepRunColumns } from '../src/projections/step-run-columns.js';
import { StepRunProjection } from '../src/projections/step-run-projection.js';
import { NOON, config, scenario } from './engine/scenario.js';
import type { Scenario, StepInit } from './engine/scenario.js';
import { executionId } from './fixtures.js';

type Row = Readonly<Record<string, unknown>>;

let database: TestDatabase;
let sql: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase({ template: await templateFor('execution', migrateEventStore) });
  sql = new pg.Client({ connectionString: database.url });
  await sql.connect();
});

afterAll(async () => {
  await sql?.end();
  await database?.drop();
});

const begin = (...steps: readonly StepInit[]): Scenario => scenario(config('parallel', steps));

/** The state with an id that can be stored. */
const of = ({ state }: Scenario, id = executionId()): State => ({ ...state, executionId: id });

async function project(...changes: readonly (readonly [State | undefined, State])[]): Promise<void> {
  const columns = new StepRunColumns();
  for (const [base, state] of changes) columns.add(base, state);
  await sql.query(PROJECT_STEP_RUNS, [...columns.values, [], []]);
}

async function stored(id: string): Promise<Row[]> {
  const { rows } = await sql.query<Row>(
    'SELECT * FROM execution.orchestration_step_runs WHERE execution_id = $1 ORDER BY step_index',
    [id],
  );
  return rows;
}

/** Rows of one execution. Checks first that the expected rows have the same columns and values. */
async function projected(state: State): Promise<Row[]> {
  await project([undefined, state]);
  const columns = new StepRunColumns();
  columns.add(undefined, state);
  const verified = await sql.query<{ row: Row }>(AS_STEP_RUNS, columns.values);
  const { rows } = await sql.query<{ row: Row }>(
    `SELECT to_jsonb(x) - 'id' AS row FROM execution.orchestration_step_runs x WHERE execution_id = $1
     ORDER BY step_index`,
    [state.executionId],
  );
  expect(verified.rows.map(({ row }) => row)).toEqual(rows.map(({ row }) => row));
  return stored(state.executionId);
}

async function outputs(...given: readonly JsonValue[]): Promise<Row[]> {
  const run = begin(...given.map((_, index) => ({ id: `s${index}` }))).start();
  for (const [index, output] of given.entries()) run.ok(`s${index}`, output);
  return projected(of(run));
}

describe('the columns of step runs', () => {
  it('hold all that a step has, and null for what it has not', async () => {
    const run = begin({ id: 'a', name: 'First' }, { id: 'b', dependencies: ['a'] }, { id: 'c' }).start();
    const id = executionId();
    run.when({
      type: 'RecordResult',
      result: {
        executionId: id,
        stepId: 'a',
        attempt: 1,
        ok: true,
        output: { answer: 42, _tokens: 12, _cost: 0.1234567 },
        startedAt: NOON + 1,
        finishedAt: NOON + 1_234,
        agentVersion: '1.2.3',
      },
    });
    const rows = await projected(of(run, id));
    const nothing = {
      output: null,
      output_truncated: false,
      error_message: null,
      error_trace: null,
      latency_ms: null,
      retry_count: 0,
      token_count: 0,
      estimated_cost: '0.000000',
      completed_at: null,
      agent_version: null,
      approval_tenant_id: null,
      approval_requested_at: null,
      approval_deadline_at: null,
      approval_message: null,
      approval_approvers: null,
      approval_config_id: null,
      approval_config_name: null,
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      execution_id: id,
      agent_id: 'echo',
      version: run.state.version,
    };
    expect(rows).toEqual([
      {
        ...nothing,
        step_index: 0,
        step_id: 'a',
        step_name: 'First',
        status: 'completed',
        output: { answer: 42 },
        dependencies: [],
        latency_ms: 1_233,
        token_count: 12,
        estimated_cost: '0.123457',
        started_at: new Date(NOON + 1),
        completed_at: new Date(NOON + 1_234),
        agent_version: '1.2.3',
      },
      {
        ...nothing,
        step_index: 1,
        step_id: 'b',
        step_name: 'B',
        status: 'running',
        dependencies: ['a'],
        started_at: new Date(NOON),
      },
      {
        ...nothing,
        step_index: 2,
        step_id: 'c',
        step_name: 'C',
        status: 'running',
        dependencies: [],
        started_at: new Date(NOON),
      },
    ]);
    const { rows: ids } = await sql.query<{ id: string }>(`SELECT md5($1 || '/a')::uuid AS id`, [id]);
    expect(rows[0]?.['id']).toBe(ids[0]?.id);
  });

  it('of a single row of empty texts are one row', async () => {
    const rows = await projected(of(begin({ id: 'a', name: '', agent: '' })));
    expect(rows).toMatchObject([{ step_name: '', agent_id: '', status: 'pending', started_at: null }]);
  });

  it('keep line breaks, quotes and every script', async () => {
    const texts = ['two\nlines', '\n', 'a\r\nb\t"c"\\ {d},e', 'NULL', '日本語 🎼 ñ', "it's \u2028 \\u0041"];
    const run = begin(...texts.map((text, index) => ({ id: `s${index}`, name: text, agent: text }))).start();
    for (const [index, text] of texts.entries()) {
      run.fails(`s${index}`, { code: 'broken', message: text, retryable: false, trace: `at ${text}\n  at "x"\n` });
    }
    const rows = await projected(of(run));
    // The first failure ends the execution: later results are not taken.
    expect(rows.map((row) => [row['step_name'], row['agent_id']])).toEqual(texts.map((text) => [text, text]));
    expect(rows[0]).toMatchObject({
      status: 'failed',
      error_message: 'two\nlines',
      error_trace: 'at two\nlines\n  at "x"\n',
    });
  });

  it.each(['', 'plain', 'a "quoted"\nline', '\\n {1,2} NULL', '字\u{1f3bc}'])('keep an error: %j', async (message) => {
    const run = begin({ id: 'a' }).start().fails('a', { code: 'broken', message, retryable: false });
    expect(await projected(of(run))).toMatchObject([{ status: 'failed', error_message: message, error_trace: null }]);
  });

  it('take an odd id and agent version too', async () => {
    const run = begin({ id: 'a\nb' }).start();
    run.when({
      type: 'RecordResult',
      result: {
        executionId: '',
        stepId: 'a\nb',
        attempt: 1,
        ok: true,
        output: 1,
        startedAt: NOON,
        finishedAt: NOON,
        agentVersion: 'v1\n\u0000',
      },
    });
    expect(await projected(of(run))).toMatchObject([{ step_id: 'a\nb', agent_version: 'v1\n\ufffd', output: 1 }]);
  });

  it('replace what PostgreSQL refuses, in outputs, names and errors', async () => {
    const bad = 'x\u0000y\ud800z';
    const good = 'x\ufffdy\ufffdz';
    const run = begin({ id: 'a', name: bad }, { id: 'b', name: `${bad}\n`, agent: bad })
      .start()
      .ok('a', { [bad]: [bad, 'fine', '\\u0000'] })
      .fails('b', { code: 'broken', message: bad, retryable: false, trace: bad });
    expect(await projected(of(run))).toMatchObject([
      { step_name: good, output: { [good]: [good, 'fine', '\\u0000'] } },
      { step_name: `${good}\n`, agent_id: good, error_message: good, error_trace: good },
    ]);
  });

  it('show an output of null as none, and every other one as it is', async () => {
    const given: JsonValue[] = [null, false, 0, '', 'null', [], {}, [null], { a: null }, -1.5e-7, 'a\nb'];
    const rows = await outputs(...given);
    expect(rows.map((row) => [row['status'], row['output']])).toEqual(given.map((output) => ['completed', output]));
    const { rows: nulls } = await sql.query(
      `SELECT step_index FROM execution.orchestration_step_runs WHERE execution_id = $1 AND output IS NULL`,
      [rows[0]?.['execution_id']],
    );
    expect(nulls).toEqual([{ step_index: 0 }]);
  });

  it('keep the beginning of a long output', async () => {
    const characters = 64 * 1024;
    const whole = 'y'.repeat(characters - 2);
    const rows = await outputs({ text: '\n'.repeat(characters) }, whole, `${whole}y`, ['', '🎼'.repeat(characters)]);
    expect(rows.map((row) => row['output_truncated'])).toEqual([true, false, true, true]);
    const ends = rows
      .map((row) => row['output'] as string)
      .map((text) => [text.length, text.slice(0, 5), text.slice(-3)]);
    expect(ends).toEqual([
      [characters, '{"tex', '\\n\\'],
      [whole.length, 'yyyyy', 'yyy'],
      [characters, '"yyyy', 'yyy'],
      // Cut within a pair of surrogates.
      [characters, '["","', '🎼\ufffd'],
    ]);
  });

  it('show an approval while it waits', async () => {
    const approval = { message: '', approvers: ['alice', 'b"o\nb'], timeout_ms: 60_000 };
    const run = begin(
      { id: 'gate', approval: { ...approval, message: 'Line 1\n"Pay"?' } },
      { id: 'free', approval: {} },
    );
    run.start();
    const id = executionId();
    const before = of(run, id);
    expect(await projected(before)).toMatchObject([
      {
        step_id: 'gate',
        agent_id: '',
        status: 'running',
        approval_tenant_id: 'default',
        approval_requested_at: new Date(NOON),
        approval_deadline_at: new Date(NOON + 60_000),
        approval_message: 'Line 1\n"Pay"?',
        approval_approvers: approval.approvers,
      },
      {
        step_id: 'free',
        approval_tenant_id: 'default',
        approval_requested_at: new Date(NOON),
        approval_deadline_at: null,
        approval_message: '',
        approval_approvers: null,
      },
    ]);
    run.approves('gate');
    await project([before, of(run, id)]);
    expect(await stored(id)).toMatchObject([
      {
        status: 'completed',
        approval_tenant_id: null,
        approval_requested_at: null,
        approval_deadline_at: null,
        approval_message: null,
        approval_approvers: null,
      },
      { approval_tenant_id: 'default', version: before.version },
    ]);
  });

  it('keep every millisecond that a runner may tell', async () => {
    const last = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
    const times = [1, 999, NOON + 1, NOON + 999, 2 ** 32 * 1000 - 1, 2 ** 32 * 1000 + 1, last];
    for (let ms = NOON; times.length < 1_000; ms += 7_919_003) times.push(ms);
    const run = begin(...times.map((_, index) => ({ id: `s${index}` }))).start();
    for (const [index, ms] of times.entries()) {
      const result = { executionId: '', stepId: `s${index}`, attempt: 1, ok: true as const, output: 1 };
      run.when({ type: 'RecordResult', result: { ...result, startedAt: ms, finishedAt: ms } });
    }
    const state = of(run);
    await project([undefined, state]);
    const { rows } = await sql.query<{ started: string; completed: string }>(
      `SELECT to_char(started_at AT TIME ZONE 'UTC', $2) AS started, to_char(completed_at AT TIME ZONE 'UTC', $2) AS completed
       FROM execution.orchestration_step_runs WHERE execution_id = $1 ORDER BY step_index`,
      [state.executionId, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'],
    );
    const shown = times.map((ms) => new Date(ms).toISOString().replace('Z', '000Z'));
    expect(rows).toEqual(shown.map((time) => ({ started: time, completed: time })));
  });

  it('show amounts that the columns cannot hold as the largest', async () => {
    expect(await outputs({ _tokens: 1e12, _cost: 1e9 }, { _cost: 1e-9 }, { _cost: 0.0000006 })).toMatchObject([
      { token_count: 2_147_483_647, estimated_cost: '9999.999999' },
      { estimated_cost: '0.000000' },
      { estimated_cost: '0.000001' },
    ]);
  });
});

describe('the projection of step runs', () => {
  it('writes only the steps that changed, of several executions at once', async () => {
    const [one, two] = [begin({ id: 'a' }, { id: 'b' }).start(), begin({ id: 'a' }, { id: 'b' }).start()];
    const ids = [executionId(), executionId()] as const;
    const before = [of(one, ids[0]), of(two, ids[1])] as const;
    await project([undefined, before[0]], [undefined, before[1]]);
    one.ok('a', 'A');
    two.ok('b', 'B');
    const columns = new StepRunColumns();
    columns.add(before[0], of(one, ids[0]));
    columns.add(before[1], of(two, ids[1]));
    expect(columns.size).toBe(2);
    await sql.query(PROJECT_STEP_RUNS, [...columns.values, [], []]);
    expect((await stored(ids[0])).map((row) => row['output'])).toEqual(['A', null]);
    expect((await stored(ids[1])).map((row) => row['output'])).toEqual([null, 'B']);
  });

  it('changes nothing that a newer version has written', async () => {
    const run = begin({ id: 'a' }).start();
    const id = executionId();
    const old = of(run, id);
    const newer = of(run.ok('a', 'done'), id);
    await project([undefined, newer]);
    const rows = await stored(id);
    await project([undefined, old]);
    expect(await stored(id)).toEqual(rows);
    expect(rows).toMatchObject([{ status: 'completed', output: 'done', version: newer.version }]);
    await project([old, { ...newer, version: newer.version + 1 }]);
    expect(await stored(id)).toMatchObject([{ version: newer.version + 1 }]);
  });

  it('moves its cursors forward only, also without any row', async () => {
    const none = new StepRunColumns();
    const move = (positions: readonly number[]): Promise<unknown> =>
      sql.query(PROJECT_STEP_RUNS, [...none.values, [1, 2], positions]);
    await move([5, 7]);
    await move([6, 3]);
    const { rows } = await sql.query('SELECT partition, position FROM execution.projection_cursors ORDER BY 1');
    expect(rows).toEqual([
      { partition: 1, position: '6' },
      { partition: 2, position: '7' },
    ]);
  });
});

describe('passes of the projection', () => {
  const PARTITION = 9;
  let pool: pg.Pool;
  let asked: string[];
  let warned: unknown[];
  let ends: (() => Promise<void>)[];

  beforeEach(async () => {
    pool = new pg.Pool({ connectionString: database.url, max: 1 });
    ends = [() => pool.end()];
    asked = [];
    warned = [];
    const query = pool.query.bind(pool) as (...args: unknown[]) => unknown;
    jest.spyOn(pool, 'query').mockImplementation(((statement: pg.QueryConfig) => {
      asked.push(statement.name ?? statement.text);
      return query(statement);
    }) as never);
    await sql.query(`DELETE FROM execution.projection_cursors WHERE partition = $1`, [PARTITION]);
  });

  afterEach(async () => {
    for (const end of ends.toReversed()) await end();
  });

  /** A projection of one partition whose passes the test begins; what is committed appends as many events as it says. */
  function passes() {
    const record = {
      partition: PARTITION,
      owner: 'me',
      ownerAlive: true,
      epoch: 1,
      lastPosition: 0,
      publishedPosition: 0,
    };
    const partition = new Partition(record, 0, 0);
    let due: (() => void) | undefined;
    const projection = new StepRunProjection({
      clock: { ...({} as Clock), after: (_, callback) => ((due = callback), () => (due = undefined)) },
      log: { warn: (fields: unknown) => warned.push(fields) } as unknown as EngineLog,
      pool,
      reader: {} as ExecutionReader,
      load: () => Promise.reject(new Error('nothing is loaded here')),
      partitions: () => [partition],
      intervalMs: 1,
    });
    projection.start();
    ends.push(() => projection.stop());
    return {
      projection,
      commit(base: State | undefined, state: State, events: number): void {
        const execution = partition.executions.get(state.executionId) ?? partition.add(state.executionId);
        const changes = new StreamChanges<State>(execution as HotExecution, base, state);
        for (let event = 1; event <= events; event += 1) {
          changes.events.push({ position: partition.committedPosition + event } as DecidedEvent<State>);
        }
        partition.committedPosition += events;
        projection.committed(changes);
      },
      async pass(): Promise<void> {
        await eventually(() => due !== undefined, { describe: 'the pass before is over' });
        const begin = due;
        due = undefined;
        begin?.();
        await eventually(() => due !== undefined, { describe: 'the pass is over' });
      },
    };
  }

  const cursor = async (): Promise<number> => {
    const { rows } = await sql.query<{ position: string }>(
      `SELECT position FROM execution.projection_cursors WHERE projection = 'step_runs' AND partition = $1`,
      [PARTITION],
    );
    return Number(rows[0]?.position ?? 0);
  };

  it('write an execution once that ends before the second of them', async () => {
    const { commit, pass } = passes();
    const [early, late] = [begin({ id: 'a' }).start(), begin({ id: 'a' }).start()];
    const ids = [executionId(), executionId()] as const;
    const began = [of(early, ids[0]), of(late, ids[1])] as const;
    commit(undefined, began[0], 2);
    commit(undefined, began[1], 2);
    const ended = of(early.ok('a', 'A'), ids[0]);
    commit(began[0], ended, 2);
    await pass();
    expect(await stored(ids[0])).toMatchObject([{ status: 'completed', output: 'A' }]);
    expect(await stored(ids[1])).toEqual([]);
    // Not past the first event of what waits.
    expect(await cursor()).toBe(2);
    commit(began[1], of(late.ok('a', 'B'), ids[1]), 2);
    await pass();
    expect(await stored(ids[1])).toMatchObject([{ status: 'completed', output: 'B' }]);
    expect(await cursor()).toBe(8);
    expect(asked.filter((name) => name === 'add-step-runs')).toHaveLength(2);
    expect(warned).toEqual([]);
  });

  it('write one that goes on with the second of them, and its changes later', async () => {
    const { commit, pass, projection } = passes();
    const run = begin({ id: 'a' }, { id: 'b' }).start();
    const id = executionId();
    const began = of(run, id);
    commit(undefined, began, 3);
    await pass();
    expect(await stored(id)).toEqual([]);
    expect(projection.lag).toBe(3);
    await pass();
    expect((await stored(id)).map((row) => row['status'])).toEqual(['running', 'running']);
    expect(await cursor()).toBe(3);
    expect(projection.lag).toBe(0);
    const later = of(run.ok('b', 'B'), id);
    commit(began, later, 1);
    await pass();
    await pass();
    expect((await stored(id)).map((row) => row['output'])).toEqual([null, 'B']);
    expect(await cursor()).toBe(4);
    expect(warned).toEqual([]);
  });

  it('write what the table has already as something that changes', async () => {
    const { commit, pass } = passes();
    const run = begin({ id: 'a' }).start();
    const id = executionId();
    await project([undefined, of(run, id)]);
    commit(undefined, of(run.ok('a', 'A'), id), 4);
    await pass();
    expect(await stored(id)).toMatchObject([{ status: 'completed', output: 'A' }]);
    expect(asked.slice(0, 2)).toEqual(['add-step-runs', 'project-step-runs']);
    expect(await cursor()).toBe(4);
    expect(warned).toEqual([]);
  });

  it('keep what could not be written, and where it begins', async () => {
    const { commit, pass } = passes();
    const run = begin({ id: 'a' }).start();
    const id = executionId();
    const began = of(run, id);
    commit(undefined, began, 2);
    await pass();
    jest.mocked(pool.query).mockImplementationOnce((() => Promise.reject(new Error('cut off'))) as never);
    await pass();
    expect(warned).toHaveLength(1);
    expect(await cursor()).toBe(0);
    commit(began, of(run.ok('a', 'A'), id), 2);
    await pass();
    expect(await stored(id)).toMatchObject([{ status: 'completed', output: 'A' }]);
    expect(await cursor()).toBe(4);
  });

  it('leave nothing behind when they end', async () => {
    const { commit, projection } = passes();
    const id = executionId();
    commit(undefined, of(begin({ id: 'a' }).start(), id), 2);
    await projection.stop();
    expect(await stored(id)).toHaveLength(1);
    expect(await cursor()).toBe(2);
  });
});
