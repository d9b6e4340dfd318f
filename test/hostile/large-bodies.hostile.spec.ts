import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectStatus } from '../support/api.js';
import type { Answer, Api } from '../support/api.js';
import { LocalPlatform } from '../support/local-platform.js';

const TASKS = '/api/v1/tasks';
const EXECUTIONS = '/api/v1/orchestrations/executions';
const LARGE = 'x'.repeat(900 * 1024);
/** Requests of the hostile tenant at once. */
const AT_ONCE = 50;
const QUIET_REQUESTS = 5;
/**
 * How many of the hostile tenant's requests may be answered while one of the quiet tenant's waits. Four of its bodies
 * are handled at a time. When everything of the quiet tenant waited behind them, all fifty were answered meanwhile.
 */
const MOST_BETWEEN = 15;

interface Task {
  readonly task_id: string;
  readonly task_data: { readonly type: string; readonly text?: string };
  readonly task_data_omitted?: { readonly href: string };
  readonly output_omitted?: { readonly bytes: number; readonly href: string };
  readonly repeated?: boolean;
}

interface Page {
  readonly tasks: readonly Task[];
  readonly next_cursor: string | null;
}

describe('a tenant that sends many large bodies at once', () => {
  let platform: LocalPlatform;
  let mallory: Api;
  let quiet: Api;

  beforeAll(async () => {
    platform = await LocalPlatform.start();
    mallory = await platform.user('mallory', 'operator');
    quiet = await platform.user('quiet', 'operator');
    for (const api of [mallory, quiet]) {
      expectStatus(await api.post(TASKS, { task_data: { type: 'echo', text: 'first' } }), 202);
    }
  }, 300_000);

  afterAll(async () => {
    await platform?.stop();
  }, 300_000);

  const large = (n: number): object => ({ task_id: `large-${n}`, task_data: { type: 'echo', text: LARGE } });

  it("does not keep another tenant's requests behind them, and each of its own takes effect once", async () => {
    let answered = 0;
    const attack = Array.from({ length: AT_ONCE }, async (_, n) => {
      const answer = await mallory.post<Task>(TASKS, large(n));
      answered += 1;
      return answer;
    });
    const counts: number[] = [];
    for (let n = 0; n < QUIET_REQUESTS; n += 1) {
      const before = answered;
      expectStatus(await quiet.post(TASKS, { task_data: { type: 'echo', text: 'small' } }), 202);
      expectStatus(await quiet.get(TASKS), 200);
      counts.push(answered - before);
    }
    // They were compared with an attack that still went on.
    expect(answered).toBeLessThan(AT_ONCE);
    for (const count of counts) expect(count).toBeLessThanOrEqual(MOST_BETWEEN);

    const answers = await Promise.all(attack);
    for (const [n, { status, body }] of answers.entries()) {
      expect([202, 503]).toContain(status);
      if (status === 202) expect(body.task_data).toEqual({ type: 'echo', text: LARGE });
      // Whatever was answered, a repeat is answered rightly, and there is one task.
      const again: Answer<Task> = await mallory.post<Task>(TASKS, large(n));
      expect([again.status, again.body.task_id]).toEqual([202, `large-${n}`]);
      if (status === 202) expect(again.body.repeated).toBe(true);
    }
    const mismatch = { task_id: 'large-0', task_data: { type: 'echo', text: 'other' } };
    expectStatus(await mallory.post(TASKS, mismatch), 422);
    const ids = (await allTasks(mallory)).map(({ task_id: id }) => id).filter((id) => id.startsWith('large-'));
    expect(ids.toSorted()).toEqual(Array.from({ length: AT_ONCE }, (_, n) => `large-${n}`).toSorted());
  }, 600_000);

  it("lists them without their payloads, and its lists do not keep another tenant's waiting", async () => {
    let answered = 0;
    const paths = [TASKS, `${EXECUTIONS}?limit=200`];
    const attack = Array.from({ length: AT_ONCE }, async (_, n) => {
      const answer = await mallory.get(paths[n % paths.length] ?? TASKS);
      answered += 1;
      return answer;
    });
    const counts: number[] = [];
    for (let n = 0; n < QUIET_REQUESTS; n += 1) {
      const before = answered;
      expectStatus(await quiet.get(TASKS), 200);
      expectStatus(await quiet.get(EXECUTIONS), 200);
      counts.push(answered - before);
    }
    for (const count of counts) expect(count).toBeLessThan(AT_ONCE / 2);
    for (const answer of await Promise.all(attack)) expectStatus(answer, 200);
    const tasks = (await allTasks(mallory)).filter(({ task_id: id }) => id.startsWith('large-'));
    expect(tasks).toHaveLength(AT_ONCE);
    for (const { task_id: id, task_data: data, task_data_omitted: input, output_omitted: output } of tasks) {
      expect(data).toEqual({ type: 'echo' });
      expect(input).toEqual({ href: `${TASKS}/${id}` });
      expect(output?.bytes).toBeGreaterThan(LARGE.length);
    }
    const [one] = tasks;
    expect(expectStatus(await mallory.get<Task>(one?.task_data_omitted?.href ?? ''), 200).task_data.text).toBe(LARGE);
  }, 600_000);

  async function allTasks(api: Api): Promise<Task[]> {
    const all: Task[] = [];
    for (let query = ''; ;) {
      const page = expectStatus(await api.get<Page>(`${TASKS}${query}`), 200);
      all.push(...page.tasks);
      if (page.next_cursor === null) return all;
      query = `?cursor=${encodeURIComponent(page.next_cursor)}`;
    }
  }
});
