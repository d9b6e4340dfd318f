import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { LocalPlatform } from '../support/local-platform.js';

const CONFIGS = '/api/v1/orchestrations/configs';
const EXECUTE = '/api/v1/orchestrations/execute';
const EXECUTIONS = '/api/v1/orchestrations/executions';

interface Execution {
  readonly created_at: string;
  readonly steps: readonly Step[];
}

interface Step {
  readonly status: string;
  readonly started_at: string | null;
}

const SLOTS = 4;
const REQUESTS = 4;
const STEPS = 60;

// The maximum number of the hostile tenant's attempts that may start while one of the quiet tenant's waits. Of all 240,
// those that workers already have go first.
describe.each([
  { direct: 'on', most: 3 * SLOTS },
  { direct: 'off', most: 40 },
])('a tenant that starts far more than there are slots (direct dispatch $direct)', ({ direct, most }) => {
  let platform: LocalPlatform;
  let mallory: Api;
  let quiet: Api;

  beforeAll(async () => {
    platform = await LocalPlatform.start({ BATUTA_RUNNER_SLOTS: String(SLOTS), BATUTA_EXECUTION_DIRECT: direct });
    mallory = await platform.user('mallory', 'operator');
    quiet = await platform.user('quiet', 'operator');
    const many = Array.from({ length: STEPS }, (_, n) => ({ id: `s${n}`, name: `Step ${n}`, agent: 'delay' }));
    expectStatus(await mallory.post(CONFIGS, { name: 'large', strategy: 'parallel', steps: many }), 201);
    const one = [{ id: 'only', name: 'Only', agent: 'echo' }];
    expectStatus(await quiet.post(CONFIGS, { name: 'tiny', strategy: 'sequential', steps: one }), 201);
  }, 300_000);

  afterAll(async () => {
    await platform?.stop();
  }, 300_000);

  const get = async (api: Api, id: string): Promise<Execution> =>
    expectStatus(await api.get<Execution>(`${EXECUTIONS}/${id}`), 200);
  const stepsOf = async (api: Api, id: string): Promise<readonly Step[]> => (await get(api, id)).steps;

  it("does not delay another tenant's executions", async () => {
    const large: string[] = [];
    for (let n = 0; n < REQUESTS; n += 1) {
      const body = { input: { ms: 250 } };
      large.push(
        expectStatus(await mallory.post<{ execution_id: string }>(`${EXECUTE}/large`, body), 202).execution_id,
      );
    }
    await eventually(
      async () => {
        const steps = (await Promise.all(large.map((id) => stepsOf(mallory, id)))).flat();
        expect(steps.filter(({ status }) => status === 'completed').length).toBeGreaterThan(0);
        expect(steps.filter(({ status }) => status === 'running').length).toBeGreaterThan(most);
      },
      { timeoutMs: 60_000, describe: 'the hostile tenant has every slot, and much more waits' },
    );
    const tiny: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      const ended = await quiet.post<{ execution_id: string; status: string }>(`${EXECUTE}/tiny?wait=60s`, {
        input: { n },
      });
      expect(expectStatus(ended, 200).status).toBe('completed');
      tiny.push(ended.body.execution_id);
    }
    const hostile = (await Promise.all(large.map((id) => stepsOf(mallory, id)))).flat();
    expect(hostile.some(({ status }) => status !== 'completed')).toBe(true);
    for (const id of tiny) {
      const { created_at, steps } = await get(quiet, id);
      const began = steps[0]?.started_at ?? '';
      expect(began).not.toBe('');
      const between = hostile.filter(
        ({ started_at }) => started_at !== null && started_at > created_at && started_at < began,
      );
      expect(between.length).toBeLessThanOrEqual(most);
    }
    // Nothing is lost: all of them are completed in the end.
    await eventually(
      async () => {
        const steps = (await Promise.all(large.map((id) => stepsOf(mallory, id)))).flat();
        expect(steps.map(({ status }) => status)).toEqual(Array(REQUESTS * STEPS).fill('completed'));
      },
      { timeoutMs: 120_000, describe: "the hostile tenant's steps are completed" },
    );
  }, 300_000);
});
