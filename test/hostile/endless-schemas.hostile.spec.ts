import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectStatus } from '../support/api.js';
import type { Answer, Api } from '../support/api.js';
import { LocalPlatform } from '../support/local-platform.js';

const CONFIGS = '/api/v1/orchestrations/configs';
const EXECUTE = '/api/v1/orchestrations/execute';
const EXECUTIONS = '/api/v1/orchestrations/executions';

interface Ended {
  readonly execution_id?: string;
  readonly status: string | number;
  readonly code?: string;
  readonly failure?: { readonly code: string; readonly message: string };
}

/** Each level refers to the next one twice, so a value is compared 2^40 times. */
const doubling = (): object => {
  const $defs: Record<string, object> = { d40: { type: 'object', minProperties: 100 } };
  for (let level = 0; level < 40; level += 1) {
    const next = { $ref: `#/$defs/d${level + 1}` };
    $defs[`d${level}`] = { anyOf: [next, next] };
  }
  return { $ref: '#/$defs/d0', $defs };
};

/** Configs with a schema: of its input, of the data of a decision and of a signal, and of the answer of a model. */
const places = (schema: object): readonly object[] => [
  { steps: [{ id: 'only', name: 'Only', agent: 'echo' }], input_schema: schema },
  { steps: [{ id: 'gate', name: 'Gate', approval: { schema, timeout_ms: 1_000 } }] },
  { steps: [{ id: 'wait', name: 'Wait', signal: { name: 'go', schema, timeout_ms: 1_000 } }] },
  { steps: [{ id: 'ask', name: 'Ask', llm: { model: 'helper', prompt: 'x', output_schema: schema } }] },
];

const deep = (levels: number): object => {
  let schema: object = { type: 'object' };
  for (let level = 0; level < levels; level += 1) schema = { properties: { a: schema } };
  return schema;
};

/** Schemas that take minutes of work to compile or to apply, with an input that makes them. */
const ENDLESS: Readonly<Record<string, { readonly schema: object; readonly input: unknown }>> = {
  pattern: {
    schema: { type: 'object', properties: { text: { type: 'string', pattern: '^(([a-z])+.)+[A-Z]([a-z])+$' } } },
    input: { text: 'a'.repeat(60_000) },
  },
  'pattern of names': {
    schema: { type: 'object', patternProperties: { '^(a+)+$': { type: 'null' } } },
    input: { [`${'a'.repeat(50)}!`]: 1 },
  },
  doubling: { schema: doubling(), input: {} },
  'reference to itself': { schema: { $ref: '#' }, input: {} },
  'references in a circle': {
    schema: { $ref: '#/$defs/a', $defs: { a: { allOf: [{ $ref: '#/$defs/b' }] }, b: { $ref: '#/$defs/a' } } },
    input: {},
  },
  'large enum': {
    schema: { type: 'object', properties: { one: { enum: Array.from({ length: 20_000 }, (_, n) => ({ n })) } } },
    input: { one: { n: -1 } },
  },
  deep: { schema: deep(60), input: {} },
  'comparison of items': {
    schema: { type: 'object', properties: { list: { type: 'array', uniqueItems: true } } },
    input: { list: Array.from({ length: 20_000 }, (_, n) => ({ n })) },
  },
  'large repetition': {
    schema: {
      type: 'object',
      properties: { text: { type: 'string', pattern: '^(?:(?:a{1,1000}){1,1000}){1,1000}$' } },
    },
    input: { text: `${'a'.repeat(50_000)}!` },
  },
};

describe('a JSON Schema that never ends', () => {
  let platform: LocalPlatform;
  let mallory: Api;
  let quiet: Api;

  beforeAll(async () => {
    platform = await LocalPlatform.start();
    mallory = await platform.user('mallory', 'admin');
    quiet = await platform.user('quiet', 'operator');
    // Nobody answers there, so a step with it fails.
    const model = { provider: 'openai_compatible', model: 'none', base_url: 'http://models.test/v1' };
    expect((await mallory.call('PUT', '/api/v1/models/helper', model)).status).toBeLessThan(300);
    const input_schema = { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } };
    const steps = [{ id: 'only', name: 'Only', agent: 'echo' }];
    expectStatus(await quiet.post(CONFIGS, { name: 'tidy', strategy: 'sequential', steps, input_schema }), 201);
  }, 300_000);

  afterAll(async () => {
    await platform?.stop();
  }, 300_000);

  /** The quiet tenant's schemas are checked meanwhile, on the platform that is still the same. */
  const isAlive = async (): Promise<void> => {
    const ended = await quiet.post<Ended>(`${EXECUTE}/tidy?wait=60s`, { input: { n: 1 } });
    expect(expectStatus(ended, 200).status).toBe('completed');
    expectStatus(await quiet.post(`${EXECUTE}/tidy?wait=60s`, { input: { n: 'one' } }), 422);
  };
  /** It is refused for what it is, or its own work takes its time; nobody's request fails for an unknown reason. */
  const isAnswered = ({ status, body }: Answer<Ended>): void => {
    if (status >= 500) expect([status, body.code]).toEqual([503, 'unavailable']);
  };
  let saved = 0;
  /** Saves a config, and runs it if it was saved. Returns the status of saving. */
  const tried = async (definition: object, input: unknown): Promise<number> => {
    const name = `endless-${(saved += 1)}`;
    const config = await mallory.post<Ended>(CONFIGS, { name, strategy: 'sequential', ...definition });
    isAnswered(config);
    if (config.status !== 201) return config.status;
    const started = await mallory.post<Ended>(`${EXECUTE}/${name}`, { input });
    isAnswered(started);
    const { execution_id: id } = started.body;
    if (started.status !== 202 || id === undefined) return config.status;
    const result = await mallory.get<Ended>(`${EXECUTIONS}/${id}/result?wait=30s`);
    isAnswered(result);
    if (result.status === 202) isAnswered(await mallory.post(`${EXECUTIONS}/${id}/terminate`, {}));
    return config.status;
  };

  it('is tried where an ordinary one is accepted', async () => {
    for (const definition of places({ type: 'object' })) expect(await tried(definition, {})).toBe(201);
    const agent = { pool: 'mallory', input_schema: { type: 'object' } };
    expect((await mallory.call('PUT', '/api/v1/agents/ordinary', agent)).status).toBeLessThan(300);
  }, 300_000);

  it.each(Object.entries(ENDLESS))(
    'stops nobody else: %s',
    async (name, { schema, input }) => {
      const others = (async (): Promise<void> => {
        for (let round = 0; round < 3; round += 1) await isAlive();
      })();
      for (const definition of places(schema)) expect([201, 400, 503]).toContain(await tried(definition, input));
      const agent = `agent-${name.replaceAll(' ', '-')}`;
      isAnswered(await mallory.call('PUT', `/api/v1/agents/${agent}`, { pool: 'mallory', input_schema: schema }));
      isAnswered(await mallory.post('/api/v1/tasks', { task_data: { type: agent, ...(input as object) } }));
      isAnswered(await mallory.post('/api/v1/workflows', { name: agent, tasks: [{ type: agent, config: input }] }));
      await others;
      await isAlive();
    },
    600_000,
  );
});
