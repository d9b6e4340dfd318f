import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { LocalPlatform } from '../support/local-platform.js';
import { allHaveStatus } from '../support/running.js';

const CONFIGS = '/api/v1/orchestrations/configs';
const EXECUTE = '/api/v1/orchestrations/execute';
/** Many more than the threads for expressions. */
const AT_ONCE = 80;

/** Work without end, and values that use up the memory of whoever computes or keeps them. */
const ATTACKS: Readonly<Record<string, string>> = {
  recursion: '($f := function() { $f() }; $f())',
  loops: '$sum($map([1..100000], function($x) { $sum($map([1..100000], function($y) { $x * $y })) }))',
  'a text that doubles': '($d := function($s, $n) { $n = 0 ? $s : $d($s & $s, $n - 1) }; $d("xxxxxxxx", 40))',
  'a list that doubles': '($d := function($s, $n) { $n = 0 ? $s : $d($append($s, $s), $n - 1) }; $d([1, 2], 40))',
};

/** Everywhere a config may have an expression. */
const places = (expression: string): Readonly<Record<string, object>> => {
  const mapped = `{% ${expression} %}`;
  const step = (more: object): object => ({ steps: [{ id: 'only', name: 'Only', ...more }] });
  const model = { model: 'helper', max_turns: 1 };
  return {
    input: step({ agent: 'echo', input: { value: mapped } }),
    when: step({ agent: 'echo', when: mapped }),
    output: { ...step({ agent: 'echo' }), output: { value: mapped } },
    wait: step({ wait: { until: mapped } }),
    message: step({ approval: { message: mapped, timeout_ms: 1_000 } }),
    material: step({ approval: { timeout_ms: 1_000 }, input: { value: mapped } }),
    repeat: step({ agent: 'echo', repeat: { until: expression, max_iterations: 2 } }),
    map: step({ map: { items: mapped, step: { agent: 'echo' } } }),
    item: step({ map: { items: [1], step: { agent: 'echo', input: { value: mapped } } } }),
    system: step({ llm: { ...model, system: mapped, prompt: 'x' } }),
    prompt: step({ llm: { ...model, prompt: mapped } }),
  };
};

interface Ended {
  readonly status: string;
  readonly output?: unknown;
  readonly failure?: { readonly code: string; readonly message: string };
}

describe('a tenant whose expressions never end', () => {
  let platform: LocalPlatform;
  let hostile: Api;
  let quiet: Api;
  let saved = 0;

  const save = async (api: Api, expression: string): Promise<void> => {
    const steps = [{ id: 'only', name: 'Only', agent: 'echo', input: { value: `{% ${expression} %}` } }];
    expectStatus(await api.post(CONFIGS, { name: 'mapped', strategy: 'sequential', steps }), 201);
  };

  beforeAll(async () => {
    platform = await LocalPlatform.start();
    hostile = await platform.user('mallory', 'operator');
    quiet = await platform.user('quiet', 'operator');
    const admin = await platform.user('mallory', 'admin');
    // Nobody answers there.
    const model = { provider: 'openai_compatible', model: 'none', base_url: 'http://models.test/v1' };
    expectStatus(await admin.call('PUT', '/api/v1/models/helper', model), 201);
    await save(hostile, '($f := function() { $f() }; $f())');
    await save(quiet, '$sum(input.numbers) + 1');
  }, 300_000);

  afterAll(async () => {
    await platform?.stop();
  }, 300_000);

  it('fails its own steps because of their time, and nobody’s steps because a thread was busy', async () => {
    const starts = await Promise.all(
      Array.from({ length: AT_ONCE }, () => hostile.post<{ execution_id: string }>(`${EXECUTE}/mapped`, { input: {} })),
    );
    const ids = starts.map((answer) => expectStatus(answer, 202).execution_id);
    for (let round = 0; round < 5; round += 1) {
      const input = { numbers: [1, 2, round] };
      const ended = expectStatus(await quiet.post<Ended>(`${EXECUTE}/mapped?wait=60s`, { input }), 200);
      expect(ended).toMatchObject({ status: 'completed', output: { value: 4 + round } });
    }
    await allHaveStatus(hostile, ids, 'failed');
    for (const id of ids) {
      const { failure } = expectStatus(await hostile.get<Ended>(`/api/v1/orchestrations/executions/${id}`), 200);
      expect(failure).toMatchObject({
        code: 'expression_failed',
        message: expect.stringMatching(/took longer than \d+ ms/),
      });
    }
  }, 900_000);

  it('is tried where an ordinary expression is accepted', async () => {
    for (const [place, config] of Object.entries(places('1 + 1'))) {
      const answer = await hostile.post(CONFIGS, { name: `ordinary-${place}`, strategy: 'sequential', ...config });
      expect([place, answer.status]).toEqual([place, 201]);
    }
  }, 300_000);

  it.each(Object.entries(ATTACKS))(
    'stops only its own executions, wherever it stands: %s',
    async (_, expression) => {
      const ids: string[] = [];
      for (const [place, config] of Object.entries(places(expression))) {
        const name = `attack-${(saved += 1)}`;
        const { status } = await hostile.post(CONFIGS, { name, strategy: 'sequential', ...config });
        expect([place, status === 400 || status === 201]).toEqual([place, true]);
        if (status !== 201) continue;
        const started = await hostile.post<{ execution_id: string }>(`${EXECUTE}/${name}`, { input: {} });
        ids.push(expectStatus(started, 202).execution_id);
      }
      expect(ids.length).toBeGreaterThan(0);
      for (let round = 0; round < 3; round += 1) {
        const input = { numbers: [1, 2, round] };
        const ended = expectStatus(await quiet.post<Ended>(`${EXECUTE}/mapped?wait=60s`, { input }), 200);
        expect(ended).toMatchObject({ status: 'completed', output: { value: 4 + round } });
      }
      await allHaveStatus(hostile, ids, 'failed');
      expectStatus(await quiet.get('/health/ready'), 200);
    },
    900_000,
  );
});
