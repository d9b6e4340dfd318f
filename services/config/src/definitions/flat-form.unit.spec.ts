import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from '@jest/globals';
import { Sandbox } from '@batuta/sandbox';
import { validateDefinition } from './validate-definition.js';
import type { ValidationPorts } from './validate-definition.js';

const sandbox = new Sandbox({ threads: 1 });
afterAll(() => sandbox.close());

const ports: ValidationPorts = {
  agentsWithSecrets: () => Promise.resolve(new Set()),
  knownSecrets: () => Promise.resolve({ known: new Set(), meant: new Map() }),
  registeredAgents: () => Promise.resolve(new Set()),
  agentNames: () => Promise.resolve([]),
  knownConfigs: () => Promise.resolve(new Map()),
  configNames: () => Promise.resolve([]),
  modelNames: () => Promise.resolve([]),
  checkSchema: (schema) => sandbox.checkSchema(schema, { timeoutMs: 120_000 }),
  parseExpressions: (expressions) => sandbox.parseExpressions(expressions, { timeoutMs: 120_000 }),
  parseTemplates: (templates) => sandbox.parseTemplates(templates, { timeoutMs: 120_000 }),
};

const step = (id: string, more: object = {}) => ({ id, name: id, agent: 'echo', ...more });
const nested = (steps: object, more: object = {}) => ({ name: 'c', strategy: 'parallel', steps, ...more });

async function stored(document: unknown): Promise<unknown> {
  const result = await validateDefinition(document, ports);
  return result.ok ? result.definition : result.violations.map(({ path, code }) => `${path} ${code}`);
}

describe('the nested form of a config', () => {
  it("accepts the source document's example in every strategy, and stores it flat with merged inputs", async () => {
    const url = new URL('../../../../examples/source-document/orchestration.json', import.meta.url);
    const example = JSON.parse(readFileSync(url, 'utf8')) as {
      steps: { steps: { id: string }[]; settings: object };
    };
    for (const strategy of ['sequential', 'parallel', 'consensus', 'fallback']) {
      expect(await stored({ ...example, strategy })).toEqual({
        ...example,
        strategy,
        steps: example.steps.steps,
        settings: { ...example.steps.settings, default_input: 'merged' },
      });
    }
    expect(example.steps.settings).toEqual({
      parallel_limit: 3,
      consensus_threshold: 0.8,
      enable_monitoring: true,
      callback_url: 'https://example.com/webhook/orchestration',
    });
  });

  it('means merged inputs unless it says otherwise, with or without settings', async () => {
    const steps = [step('a')];
    expect(await stored(nested({ steps }))).toMatchObject({ steps, settings: { default_input: 'merged' } });
    expect(await stored(nested({ steps, settings: null }))).toMatchObject({ settings: { default_input: 'merged' } });
    expect(await stored(nested({ steps, settings: { default_input: 'keyed' } }))).toMatchObject({
      settings: { default_input: 'keyed' },
    });
    expect(await stored({ name: 'c', strategy: 'parallel', steps })).toEqual({
      name: 'c',
      strategy: 'parallel',
      steps,
    });
  });

  it.each<[string, object, string[]]>([
    [
      'in steps and settings',
      nested({ steps: [step('a', { timeout_ms: 0, dependencies: ['b'] })], settings: { parallel_limit: -1 } }),
      [
        '/steps/steps/0/timeout_ms out_of_range',
        '/steps/settings/parallel_limit out_of_range',
        '/steps/steps/0/dependencies/0 unknown_dependency',
      ],
    ],
    ['without steps', nested({ settings: {} }), ['/steps/steps required']],
    ['with settings that are none', nested({ steps: [step('a')], settings: 1 }), ['/steps/settings wrong_type']],
    ['with other fields', nested({ steps: [step('a')], 'set/tings': {} }), ['/steps/set~1tings unknown_field']],
    [
      'with settings in both places',
      nested({ steps: [step('a')] }, { settings: { timeout_ms: 5 } }),
      ['/settings contradiction'],
    ],
    [
      'outside of its steps',
      nested({ steps: [step('a')] }, { consensus_groups: [{ id: 'g' }], colour: 1 }),
      ['/colour unknown_field', '/consensus_groups/0 empty_group'],
    ],
  ])('names mistakes %s by their places in the sent document', async (_, document, expected) => {
    expect(await stored(document)).toEqual(expected);
  });
});

describe('null in a config', () => {
  it('is the same as absent in every optional field', async () => {
    const retry = { max_attempts: 2, backoff_ms: null, non_retryable: null };
    const document = {
      name: 'c',
      description: null,
      strategy: 'consensus',
      metadata: null,
      is_global: null,
      input_schema: null,
      output: null,
      settings: { parallel_limit: null, callback_url: null, budget: { max_tokens: 5, max_cost: null } },
      consensus_groups: [{ id: 'g', mode: null, weights: null, vote_key: null, threshold: null, on_failure: null }],
      steps: [
        step('a', {
          retry,
          timeout_ms: null,
          dependencies: null,
          output_key: null,
          on_failure: null,
          is_fallback: null,
          fallback_for: null,
          fallback_when: null,
          consensus_group: 'g',
          input: null,
          when: null,
          require: null,
          compensate: { agent: 'echo', input: null, retry: null, timeout_ms: null },
          approval: null,
          metadata: null,
          heartbeat_ms: null,
        }),
        {
          id: 'b',
          name: 'b',
          agent: null,
          approval: { message: null, timeout_ms: null, on_timeout: null },
          retry: null,
        },
      ],
    };
    expect(await stored(document)).toEqual({
      name: 'c',
      strategy: 'consensus',
      settings: { budget: { max_tokens: 5 } },
      consensus_groups: [{ id: 'g' }],
      steps: [
        step('a', { retry: { max_attempts: 2 }, consensus_group: 'g', compensate: { agent: 'echo' } }),
        { id: 'b', name: 'b', approval: {} },
      ],
    });
  });

  it('is kept in free JSON: in mappings, metadata and schemas', async () => {
    const document = {
      name: 'c',
      strategy: 'parallel',
      metadata: { x: null },
      output: { x: null },
      input_schema: { properties: { x: { default: null } } },
      steps: [step('a', { input: { x: null }, metadata: { y: null } })],
    };
    expect(await stored(document)).toEqual(document);
  });

  it('is not accepted for a required field, an unknown field or an entry of a list', async () => {
    expect(await stored({ name: null, strategy: 'parallel', steps: [step('a')], colour: null })).toEqual([
      '/name required',
      '/colour unknown_field',
    ]);
    expect(
      await stored({ name: 'c', strategy: 'parallel', steps: [null, step('a', { dependencies: [null] })] }),
    ).toEqual(['/steps/0 wrong_type', '/steps/1/dependencies/0 wrong_type']);
    expect(await stored({ name: 'c', strategy: 'parallel', steps: null })).toEqual(['/steps required']);
    expect(
      await stored({ name: 'c', strategy: 'parallel', steps: [step('a')], settings: { budget: { max_cost: null } } }),
    ).toEqual(['/settings/budget required']);
    expect(await stored({ name: 'c', strategy: 'parallel', steps: [step('a', { agent: null })] })).toEqual([
      '/steps/0/agent required',
    ]);
  });
});
