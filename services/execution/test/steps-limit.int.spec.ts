import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { STEPS_STREAM } from '@batuta/contracts';
import { ensureStepsStream } from '@batuta/messaging';
import { eventually } from '@batuta/testing';
import { executionId, startRequest } from './fixtures.js';
import { Platform } from './platform.js';

interface StreamInfo {
  readonly config: { readonly max_bytes: number };
  readonly state: { readonly bytes: number; readonly messages: number };
}

const LIMIT = 64 * 1024;
const EXECUTIONS = 100;
const PATIENCE = { timeoutMs: 120_000 };

let platform: Platform;
beforeAll(async () => {
  platform = await Platform.start();
});
afterAll(() => platform?.end());

it('a full queue refuses tasks, which wait in the log until there is room: none is lost, and none runs twice', async () => {
  await platform.execution('one', {
    BATUTA_EXECUTION_STEPS_BYTES: String(LIMIT),
    BATUTA_EXECUTION_DIRECT: 'off',
  });
  const stream = async (): Promise<StreamInfo> =>
    (await platform.connection.request(`$JS.API.STREAM.INFO.${STEPS_STREAM}`)).json<StreamInfo>();
  expect((await stream()).config.max_bytes).toBe(LIMIT);
  // A runner that says nothing of it leaves it as it is.
  await ensureStepsStream(platform.connection);
  expect((await stream()).config.max_bytes).toBe(LIMIT);
  const ids: string[] = [];
  for (let n = 0; n < EXECUTIONS; n += 1) {
    const id = executionId();
    ids.push(id);
    const request = startRequest(id, 'three');
    const start = { ...request.start, input: { text: 'x'.repeat(2_000) } };
    expect(await platform.command({ ...request, start } as typeof request)).toMatchObject({ accepted: {} });
  }
  const { state } = await stream();
  expect(state.bytes).toBeLessThanOrEqual(LIMIT);
  expect(state.messages).toBeLessThan(EXECUTIONS);
  await platform.run();
  for (const id of ids) {
    await eventually(async () => expect((await platform.get(id))?.status).toBe('completed'), PATIENCE);
  }
  expect(await platform.logProblems()).toEqual([]);
});
