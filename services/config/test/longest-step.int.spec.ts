import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { operations } from '@batuta/contracts';
import type { ConfigReply } from '@batuta/contracts';
import { createConfig, principal, simpleConfig, startConfigUnderTest } from './harness.js';
import type { ConfigUnderTest } from './harness.js';

const me = principal('acme');
const { configs: on } = operations;
let under: ConfigUnderTest;

beforeAll(async () => {
  under = await startConfigUnderTest(1, { BATUTA_MAX_STEP_TIMEOUT: '2m' });
});
afterAll(() => under?.close());

const withTimeouts = (name: string, ms: number, undoMs = 1_000): object =>
  simpleConfig(name, {
    steps: [{ id: 'a', name: 'A', agent: 'echo', timeout_ms: ms, compensate: { agent: 'echo', timeout_ms: undoMs } }],
  });
const placesOf = ({ refused }: ConfigReply): string[] =>
  (refused?.violations ?? []).map(({ path, code }) => `${path} ${code}`).toSorted();

describe('BATUTA_MAX_STEP_TIMEOUT', () => {
  it('is the longest time of a step and of its undoing, in each way in which a config is written', async () => {
    const both = ['/steps/0/compensate/timeout_ms out_of_range', '/steps/0/timeout_ms out_of_range'];
    const ask = (pattern: string, request: object): Promise<ConfigReply> =>
      under.client.request<ConfigReply>(pattern, { principal: me, ...request });
    const made = await createConfig(under, me, withTimeouts('longest', 120_000, 120_000));
    const tooLong = withTimeouts('longest', 120_001, 120_001);
    expect(placesOf(await ask(on.create.subject, { definition: withTimeouts('longer', 120_001, 120_001) }))).toEqual(
      both,
    );
    expect(placesOf(await ask(on.update.subject, { id: made.id, definition: tooLong }))).toEqual(both);
    expect(placesOf(await ask(on.update.subject, { id: made.id, definition: tooLong, merge: true }))).toEqual(both);
    expect(placesOf(await ask(on.create.subject, { definition: withTimeouts('longer', 1_000, 120_001) }))).toEqual([
      both[0],
    ]);
    expect((await ask(on.get.subject, { id: made.id })).config?.version).toBe(1);
  });

  it('says what the platform allows', async () => {
    const definition = withTimeouts('longer', 600_000);
    const { refused } = await under.client.request<ConfigReply>(on.create.subject, { principal: me, definition });
    expect(refused?.violations?.[0]?.message).toBe('must be at most 120000 on this platform');
  });
});
