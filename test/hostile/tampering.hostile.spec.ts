import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectStatus } from '../support/api.js';
import { LocalPlatform } from '../support/local-platform.js';
import { Orchestrations } from '../support/orchestration.js';

interface Integrity {
  readonly intact: boolean;
  readonly problems: readonly { readonly kind: string }[];
}

/** Somebody who writes in the database itself, past every service. */
describe('somebody who changes the log in the database', () => {
  let platform: LocalPlatform;
  let run: Orchestrations;

  beforeAll(async () => {
    platform = await LocalPlatform.start();
    run = new Orchestrations(platform.admin());
    const step = (id: string) => ({ id, name: id, agent: 'echo', input: { amount: '{% input.amount %}' } });
    await run.save({ name: 'paid', strategy: 'sequential', steps: [step('ask'), step('pay')] });
  }, 300_000);

  afterAll(() => platform?.stop(), 300_000);

  const paid = async (amount: number): Promise<string> => {
    const id = await run.start('paid', { input: { amount } });
    expect(await run.ended(id)).toMatchObject({ status: 'completed' });
    return id;
  };
  const verified = async (id: string): Promise<Integrity> =>
    expectStatus(await platform.admin().get<Integrity>(`/api/v1/orchestrations/executions/${id}/verify`), 200);

  it.each([
    [
      'changes an amount',
      'changed',
      (id: string) => [
        `UPDATE execution.events SET data = jsonb_set(data::jsonb, '{input}', '{"amount":1}') WHERE execution_id = '${id}' AND version = 1`,
      ],
    ],
    [
      'moves an event to another time',
      'changed',
      (id: string) => [`UPDATE execution.events SET at = at + 60000 WHERE execution_id = '${id}' AND version = 2`],
    ],
    [
      'removes an event',
      'missing',
      (id: string) => [`DELETE FROM execution.events WHERE execution_id = '${id}' AND version = 3`],
    ],
    [
      'removes the end',
      'missing',
      (id: string) => [
        `DELETE FROM execution.events WHERE execution_id = '${id}' AND version = (SELECT max(version) FROM execution.events WHERE execution_id = '${id}')`,
      ],
    ],
    [
      'puts the events of another execution in its place',
      'moved',
      (id: string, other: string) => [
        `DELETE FROM execution.events WHERE execution_id = '${id}' AND version = 1`,
        `UPDATE execution.events SET execution_id = '${id}' WHERE execution_id = '${other}' AND version = 1`,
      ],
    ],
  ])(
    'is found out when it %s',
    async (_what, kind, change) => {
      const [id, other] = [await paid(100), await paid(7)];
      expect(await verified(id)).toMatchObject({ intact: true, problems: [] });
      await platform.inDatabase(change(id, other));
      const { intact, problems } = await verified(id);
      expect(intact).toBe(false);
      expect(problems.map((problem) => problem.kind)).toContain(kind);
    },
    300_000,
  );
});
