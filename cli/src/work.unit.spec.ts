import { describe, expect, it } from '@jest/globals';
import { ConnectionError, ProblemError } from '@batuta/client';
import type { BatutaClient } from '@batuta/client';
import type { ListOptions, WorkNoun } from '../command-line.js';
import { shownError } from './api-client.js';
import { approvalLines } from './approvals.js';
import { jsonArgument } from './json-argument.js';
import { changedWork, createWork, workLines } from './work.js';

async function lines(client: object, noun: WorkNoun, options: ListOptions = {}): Promise<string[]> {
  const all: string[] = [];
  for await (const line of workLines(client as BatutaClient, noun, options)) all.push(line);
  return all;
}

async function* items(...all: object[]): AsyncGenerator<object> {
  await Promise.resolve();
  yield* all;
}

describe('lists', () => {
  it('show one line each, up to the limit', async () => {
    const list = (): AsyncGenerator<object> =>
      items(
        { id: '2', status: 'failed', config_name: 'greeting', created_at: 'now', failure: { code: 'timeout' } },
        { id: '1', status: 'completed', config_name: 'greeting', created_at: 'before' },
      );
    const client = { executions: { list } };
    expect(await lines(client, 'executions')).toEqual([
      '2  failed  greeting  now  timeout',
      '1  completed  greeting  before',
    ]);
    expect(await lines(client, 'executions', { limit: 1 })).toHaveLength(1);
    expect(await lines(client, 'executions', { limit: 0 })).toEqual([]);
  });

  it('hand the filters on', async () => {
    const asked: object[] = [];
    const list = (options: object): AsyncGenerator<object> => {
      asked.push(options);
      return items();
    };
    const options: ListOptions = { status: ['failed'], config: 'greeting', session: 's' };
    expect(await lines({ executions: { list } }, 'executions', options)).toEqual(['there are no such executions']);
    expect(asked).toEqual([{ status: ['failed'], config_id: 'greeting', session_id: 's' }]);
  });

  it.each(['configs', 'executions', 'schedules', 'tasks', 'workflows', 'processes'] as const)(
    'say that there are no %s',
    async (noun) => expect(await lines({ [noun]: { list: () => items() } }, noun)).toEqual([`there are no ${noun}`]),
  );

  it('of approvals keep a question on its line', async () => {
    const approvals = (): AsyncGenerator<object> =>
      items({ execution_id: 'e', step_id: 'gate', config_name: 'release', message: 'ship\nit?', deadline_at: 'noon' });
    const all: string[] = [];
    const client = { executions: { approvals } } as unknown as BatutaClient;
    for await (const line of approvalLines(client, {})) all.push(line);
    expect(all).toEqual(['e  gate  release  ship it?  until noon']);
  });
});

describe('what is done', () => {
  it('hands a reason on, and refuses unknown words', async () => {
    const cancel = (id: string, body: object): Promise<object> => Promise.resolve({ id, body });
    const client = { executions: { cancel } } as unknown as BatutaClient;
    const done = await changedWork(client, 'executions', 'cancel', 'e', { reason: 'twice' });
    expect(done).toEqual({ id: 'e', body: { reason: 'twice' } });
    await expect(changedWork(client, 'executions', 'eat', 'e', {})).rejects.toThrow('executions know no "eat"');
  });

  it('saves a config as a new version when its name is taken, and only then', async () => {
    const refusal = (code: 'name_taken' | 'validation_failed'): ProblemError =>
      new ProblemError('POST', { type: '', title: '', status: 409, code, detail: '' });
    const client = (error?: Error): BatutaClient =>
      ({
        configs: {
          create: () => (error === undefined ? Promise.resolve({ version: 1 }) : Promise.reject(error)),
          update: (id: string) => Promise.resolve({ id, version: 2 }),
        },
      }) as unknown as BatutaClient;
    const file = 'examples/orchestrations/approval.json';
    expect(await createWork(client(), 'configs', file)).toEqual({ version: 1 });
    expect(await createWork(client(refusal('name_taken')), 'configs', file)).toEqual({
      id: 'example-approval',
      version: 2,
    });
    await expect(createWork(client(refusal('validation_failed')), 'configs', file)).rejects.toMatchObject({
      code: 'validation_failed',
    });
  });
});

it('an option that is JSON is JSON, or a file that has it', async () => {
  expect(await jsonArgument('--input', '{"a": [1]}')).toEqual({ a: [1] });
  expect(await jsonArgument('--input', 'null')).toBeNull();
  expect(await jsonArgument('--input', '@examples/orchestrations/approval.json')).toHaveProperty('steps');
  await expect(jsonArgument('--input', '{a}')).rejects.toThrow('--input is not JSON: ');
  await expect(jsonArgument('--input', '@nowhere.json')).rejects.toThrow('cannot read nowhere.json: ');
});

it('a platform that does not listen is one that may have to be started', () => {
  const fails = (code: string): Error => {
    const inner = Object.assign(new Error(`connect ${code}`), { code });
    return shownError(
      new ConnectionError('GET /', { cause: new TypeError('fetch failed', { cause: inner }) }),
    ) as Error;
  };
  expect(fails('ECONNREFUSED').message).toMatch(/connect ECONNREFUSED\n.*`npm start`/);
  expect(fails('ECONNRESET').message).toMatch(/connect ECONNRESET$/);
});
