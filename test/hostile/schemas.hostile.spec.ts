import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@batuta/testing';
import { expectStatus } from '../support/api.js';
import type { Api } from '../support/api.js';
import { LocalPlatform } from '../support/local-platform.js';

const CONFIGS = '/api/v1/orchestrations/configs';
const EXECUTE = '/api/v1/orchestrations/execute';

interface Ended {
  readonly status: string;
  readonly code?: string;
}

/** Number of simultaneous checks. With first come, first served, the quiet tenant would wait for all of them. */
const AT_ONCE = 40;
/** Each item is compared with every other one. */
const LIST = Array.from({ length: 2_500 }, (_, n) => ({ n }));

describe('a tenant whose inputs take long to check', () => {
  let platform: LocalPlatform;
  let hostile: Api;
  let quiet: Api;

  beforeAll(async () => {
    platform = await LocalPlatform.start();
    hostile = await platform.user('mallory', 'operator');
    quiet = await platform.user('quiet', 'operator');
    const steps = [{ id: 'only', name: 'Only', agent: 'echo' }];
    const list = { type: 'array', uniqueItems: true };
    for (const api of [hostile, quiet]) {
      const input_schema = { type: 'object', properties: { list } };
      expectStatus(await api.post(CONFIGS, { name: 'checked', strategy: 'sequential', steps, input_schema }), 201);
    }
  }, 300_000);

  afterAll(async () => {
    await platform?.stop();
  }, 300_000);

  it('does not delay the checks of another tenant, and is itself told to try again at worst', async () => {
    const answers: { readonly status: number; readonly code?: string | undefined }[] = [];
    let attacking = true;
    const attack = Array.from({ length: AT_ONCE }, async () => {
      while (attacking) {
        const { status, body } = await hostile.post<Ended>(`${EXECUTE}/checked?wait=60s`, { input: { list: LIST } });
        answers.push({ status, code: status === 200 ? body.status : body.code });
      }
    });
    try {
      await eventually(() => expect(answers.length).toBeGreaterThan(0), {
        timeoutMs: 120_000,
        describe: 'inputs of the hostile tenant are checked, and others wait',
      });
      const passed: number[] = [];
      for (let n = 0; n < 5; n += 1) {
        const before = answers.length;
        const ended = await quiet.post<Ended>(`${EXECUTE}/checked?wait=60s`, { input: { list: [1, 2] } });
        expect(expectStatus(ended, 200).status).toBe('completed');
        passed.push(answers.length - before);
      }
      expect(passed.toSorted((a, b) => a - b)[2]).toBeLessThan(AT_ONCE / 2);
    } finally {
      attacking = false;
      await Promise.all(attack);
    }
    // No execution failed, and no input was refused, because a thread was missing.
    for (const answer of answers) {
      expect([
        { status: 200, code: 'completed' },
        { status: 422, code: 'input_invalid' },
        { status: 503, code: 'unavailable' },
      ]).toContainEqual(answer);
    }
  }, 300_000);
});
