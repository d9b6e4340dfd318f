import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { LocalPlatform } from '../support/local-platform.js';
import { allHaveStatus } from '../support/running.js';

const CONFIGS = '/api/v1/orchestrations/configs';
const EXECUTE = '/api/v1/orchestrations/execute';
/** Many more than the threads for expressions. */
const AT_ONCE = 80;

interface Ended {
  readonly status: string;
  readonly output?: unknown;
  readonly failure?: { readonly code: string; readonly message: string };
}

describe('a tenant whose expressions never end', () => {
  let platform: LocalPlatform;
  let hostile: Api;
  let quiet: Api;

  const save = async (api: Api, expression: string): Promise<void> => {
    const steps = [{ id: 'only', name: 'Only', agent: 'echo', input: { value: `{% ${expression} %}` } }];
    expectStatus(await api.post(CONFIGS, { name: 'mapped', strategy: 'sequential', steps }), 201);
  };

  beforeAll(async () => {
    platform = await LocalPlatform.start();
    hostile = await platform.user('mallory', 'operator');
    quiet = await platform.user('quiet', 'operator');
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
});
