import { describe, expect, it } from '@jest/globals';
import { ProblemError } from '@batuta/client';
import type { BatutaClient, Event, StreamItem } from '@batuta/client';
import { followSaid } from './follow.js';

interface Told {
  readonly said: readonly string[];
  /** Executions that are steps, by step. */
  readonly children?: Readonly<Record<string, string>>;
}

const part = (step: string, text: string): StreamItem => ({
  type: 'part',
  step_id: step,
  attempt: 1,
  place: '1.1',
  kind: 'text',
  text,
});
const started = (step: string, child: string): Event =>
  ({ type: 'ChildStarted', data: { step_id: step, child_id: child } }) as unknown as Event;

/** A client of a platform with these executions, and the most of them that were followed at once. */
function platform(executions: Readonly<Record<string, Told>>): { client: BatutaClient; most: () => number } {
  let open = 0;
  let most = 0;
  const client = {
    executions: {
      async *followOutput(id: string, { steps = [] }: { steps?: readonly string[] }) {
        open += 1;
        most = Math.max(most, open);
        try {
          await Promise.resolve();
          const told = executions[id];
          if (told === undefined) {
            throw new ProblemError('GET', { type: '', title: '', status: 409, code: 'not_monitored', detail: '' });
          }
          for (const line of told.said) {
            const [step = '', text = ''] = line.split(': ');
            if (steps.length === 0 || steps.includes(step)) yield part(step, text);
          }
        } finally {
          open -= 1;
        }
      },
      async *follow(id: string) {
        await Promise.resolve();
        for (const [step, child] of Object.entries(executions[id]?.children ?? {})) yield started(step, child);
      },
    },
  } as unknown as BatutaClient;
  return { client, most: () => most };
}

async function shown(client: BatutaClient, steps?: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  await followSaid(client, 'top', {
    steps,
    signal: new AbortController().signal,
    onBreak: () => undefined,
    show: ({ step_id: step, text = '' }) => lines.push(`${step}: ${text}`),
  });
  return lines.toSorted();
}

describe('following what is said', () => {
  const executions = {
    top: { said: ['draft: A', 'ask: B'], children: { work: 'child', 'ask:tool:1': 'other', secret: 'hidden' } },
    child: { said: ['reply: C'], children: { reply: 'grandchild' } },
    grandchild: { said: ['deep: D'] },
    other: { said: ['look: E'] },
  };

  it('shows executions that are steps too, under the step above, and leaves out those that say nothing', async () => {
    expect(await shown(platform(executions).client)).toEqual([
      'ask: B',
      'ask:tool:1 > look: E',
      'draft: A',
      'work > reply > deep: D',
      'work > reply: C',
    ]);
  });

  it('shows only those of the wanted steps', async () => {
    expect(await shown(platform(executions).client, ['ask'])).toEqual(['ask: B', 'ask:tool:1 > look: E']);
  });

  it('follows a limited number at once, and misses none', async () => {
    const names = Array.from({ length: 40 }, (_, place) => `c${place}`);
    const children = Object.fromEntries(names.map((name) => [`step_${name}`, name]));
    const below = Object.fromEntries(names.map((name) => [name, { said: [`reply: ${name}`] }]));
    const { client, most } = platform({ top: { said: [], children }, ...below });
    expect(await shown(client)).toEqual(names.map((name) => `step_${name} > reply: ${name}`).toSorted());
    expect(most()).toBeLessThanOrEqual(11);
  });

  it('fails with the execution, and with one below for another reason', async () => {
    await expect(shown(platform({}).client)).rejects.toMatchObject({ code: 'not_monitored' });
    const { client } = platform({ top: { said: [], children: { work: 'child' } }, child: { said: [] } });
    const broken = {
      executions: { follow: client.executions.follow, followOutput: () => fail() },
    };
    function fail(): never {
      throw new Error('broken');
    }
    await expect(shown(broken as unknown as BatutaClient)).rejects.toThrow('broken');
  });
});
