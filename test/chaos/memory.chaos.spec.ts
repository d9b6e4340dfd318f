import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Api } from '../support/api.js';
import { expectStatus } from '../support/api.js';
import { Cluster } from '../support/cluster.js';
import { MemoryGroup, containerSettings, imageMemoryEnvironment } from '../support/memory-group.js';
import { allHaveStatus, startSurely } from '../support/running.js';

const API = '/api/v1/orchestrations';
const LIMITED = ['gateway', 'execution', 'step-runner'] as const;
const EXECUTIONS = 64;
const ROUNDS = 3;
/** Nearly a mebibyte, the maximum of a request. The text does not repeat itself, so that nothing compresses it. */
const TEXT = Array.from({ length: (2 ** 20 - 4_096) / 8 }, (_, index) =>
  ((index * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, '0'),
).join('');
const SHARE_OF_LIMIT = 0.9;
const LOOK_MS = 100;

// Skipped on systems without such groups.
const whereGroupsCanBeMade = MemoryGroup.possible ? describe : describe.skip;

whereGroupsCanBeMade(`${EXECUTIONS} executions with a mebibyte of input and output each, at once`, () => {
  let cluster: Cluster;
  let api: Api;
  let groups: ReadonlyMap<string, MemoryGroup> = new Map();
  const most = new Map<string, number>();
  let looking: NodeJS.Timeout;

  beforeAll(async () => {
    groups = new Map(
      LIMITED.map((service) => [service, MemoryGroup.make(service, containerSettings(service).memoryLimit)]),
    );
    const { BATUTA_RUNNER_SLOTS: slots } = containerSettings('step-runner').env;
    cluster = await Cluster.start({
      memoryGroups: groups,
      env: { ...imageMemoryEnvironment(), ...(slots === undefined ? {} : { BATUTA_RUNNER_SLOTS: slots }) },
    });
    api = cluster.api();
    const config = { name: 'large', strategy: 'sequential', steps: [{ id: 'step', name: 'Step', agent: 'echo' }] };
    expectStatus(await api.post(`${API}/configs`, config), 201);
    looking = setInterval(() => {
      for (const [name, { used }] of groups) most.set(name, Math.max(most.get(name) ?? 0, used));
    }, LOOK_MS);
  }, 300_000);

  afterAll(async () => {
    clearInterval(looking);
    await cluster?.stop();
    for (const group of groups.values()) await group.remove();
  }, 300_000);

  it('stay within the memory of the manifests', async () => {
    for (let round = 1; round <= ROUNDS; round += 1) {
      const ids = await Promise.all(
        Array.from({ length: EXECUTIONS }, (_, index) =>
          startSurely(api, 'large', `large-${round}-${index}`, { text: `${round} ${index} ${TEXT}` }),
        ),
      );
      await allHaveStatus(api, ids, 'completed', 300_000);
    }
    for (const [name, { limit, kills }] of groups) {
      const used = most.get(name) ?? 0;
      expect([name, kills]).toEqual([name, 0]);
      // A value of 0 would mean that the processes are not in the group.
      expect(used).toBeGreaterThan(0);
      expect(used / limit).toBeLessThan(SHARE_OF_LIMIT);
    }
  }, 1_200_000);
});
