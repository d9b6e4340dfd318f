import { afterAll, describe, expect, it } from '@jest/globals';
import type { StepDefinition } from '@batuta/contracts';
import { Sandbox } from '@batuta/sandbox';
import { validateDefinition } from './validate-definition.js';
import type { ValidationPorts } from './validate-definition.js';

const sandbox = new Sandbox({ threads: 1 });
afterAll(() => sandbox.close());

const ports: ValidationPorts = {
  agentsWithSecrets: () => Promise.resolve(new Set()),
  knownSecrets: (names) =>
    Promise.resolve({
      known: new Set(names.filter((name) => name === 'API_TOKEN')),
      meant: new Map(names.filter((name) => name === 'API_TOKN').map((name) => [name, 'API_TOKEN'])),
    }),
  registeredAgents: (names) => Promise.resolve(new Set(names.filter((name) => name === 'mine'))),
  agentNames: () => Promise.resolve(['mine', 'translator']),
  knownConfigs: (names) => {
    const known: [string, { isGlobal: boolean }][] = [
      ['billing', { isGlobal: false }],
      ['shared', { isGlobal: true }],
    ];
    return Promise.resolve(new Map(known.filter(([name]) => names.includes(name))));
  },
  configNames: () => Promise.resolve(['billing', 'shared']),
  modelNames: () => Promise.resolve(['writer', 'm']),
  checkSchema: (schema) => sandbox.checkSchema(schema, { timeoutMs: 120_000 }),
  parseExpressions: (expressions) => sandbox.parseExpressions(expressions, { timeoutMs: 120_000 }),
  parseTemplates: (templates) => sandbox.parseTemplates(templates, { timeoutMs: 120_000 }),
};

const step = (id: string, more: object = {}) => ({ id, name: id, agent: 'echo', ...more });
const config = (steps: unknown, more: object = {}) => ({ name: 'c', strategy: 'parallel', steps, ...more });

const budget = (limits: unknown) => config([step('a')], { settings: { budget: limits } });

/** `<path> <code>` of every mistake. */
async function mistakes(document: unknown): Promise<string[]> {
  const result = await validateDefinition(document, ports);
  return result.ok ? [] : result.violations.map(({ path, code }) => `${path} ${code}`);
}
async function messages(document: unknown): Promise<string[]> {
  const result = await validateDefinition(document, ports);
  return result.ok ? [] : result.violations.map(({ message }) => message);
}

describe('a valid definition', () => {
  it('may use every field', async () => {
    const retry = {
      max_attempts: 3,
      backoff_ms: 1,
      backoff_coefficient: 3,
      max_backoff_ms: 10,
      jitter: 'none',
      non_retryable: ['x'],
      total_timeout_ms: 1,
    };
    const document = config(
      [
        step('a', {
          timeout_ms: 1,
          retry,
          dependencies: [],
          output_key: 'ключ',
          on_failure: 'fallback',
          input: { q: '{% input.q %}' },
          when: 'input.q > 1',
          require: 'any',
          compensate: { agent: 'mine', input: '{% $ %}', retry, timeout_ms: 1 },
          schedule_to_start_ms: 1,
          schedule_to_close_ms: 1,
          heartbeat_ms: 1,
          metadata: { x: [1] },
        }),
        step('b', {
          is_fallback: true,
          fallback_for: 'a',
          fallback_when: ['error', 'timeout'],
          on_failure: 'fallback',
          dependencies: ['a'],
        }),
        step('b2', { fallback_for: 'b' }),
        step('m1', { consensus_group: 'g', output_key: 'answer' }),
        step('m2', { consensus_group: 'g', output_key: 'answer' }),
        step('m3', { consensus_group: 'h' }),
        step('u1', { consensus_group: 'undeclared' }),
        step('u3', { consensus_group: 'undeclared' }),
        step('u2', { consensus_group: 'not_declared' }),
        step('z', { agent: 'mine', dependencies: ['a', 'g', 'undeclared', 'm1'], require: 'all' }),
      ],
      {
        strategy: 'consensus',
        description: '',
        settings: {
          parallel_limit: 0,
          consensus_threshold: 1,
          callback_url: 'https://example.org/x?y',
          timeout_ms: 1,
          priority: 'low',
          budget: { max_tokens: 1, max_cost: 0.000001 },
          default_input: 'merged',
          enable_monitoring: false,
          concurrency: { key: '{% input.a & session_id %}', limit: 1, on_limit: 'cancel_oldest' },
        },
        metadata: {},
        is_global: false,
        input_schema: { type: 'object' },
        consensus_groups: [
          {
            id: 'g',
            mode: 'majority',
            threshold: 0.5,
            vote_key: '{% answer %}',
            judge: 'echo',
            on_tie: 'judge',
            on_failure: 'continue',
            early_stop: true,
            output_key: 'group',
          },
          { id: 'undeclared', mode: 'best', score: 'score', on_tie: 'first', early_stop: false },
          { id: 'h', mode: 'weighted', weights: { m3: 2 } },
        ],
        output: ['{% outputs.z %}', 1],
      },
    );
    expect(await validateDefinition(document, ports)).toEqual({ ok: true, definition: document, agents: ['mine'] });
  });

  it('may name its schema, which is not stored', async () => {
    const document = config([step('a')]);
    const named = { $schema: 'http://127.0.0.1:3000/schemas/config.json', ...document };
    expect(await validateDefinition(named, ports)).toEqual({ ok: true, definition: document, agents: [] });
    expect(await mistakes({ ...document, $schema: 5 })).toEqual(['/$schema wrong_type']);
    expect(await messages({ ...document, schema: 'x' })).toEqual([
      '"schema" is not a known field; did you mean "$schema"?',
    ]);
  });

  it('accepts a name of 255 characters of any script, counted as characters', async () => {
    expect(await mistakes(config([step('a')], { name: '😀'.repeat(255) }))).toEqual([]);
    expect(await mistakes(config([step('a')], { name: '😀'.repeat(256) }))).toEqual(['/name too_long']);
  });
});

describe('structure', () => {
  it.each<[unknown, string[]]>([
    [null, [' wrong_type']],
    [[], [' wrong_type']],
    ['x', [' wrong_type']],
    [{}, ['/name required', '/strategy required', '/steps required']],
    [config({}), ['/steps/steps required']],
    [config([]), ['/steps too_few']],
    [config([null, 1]), ['/steps/0 wrong_type', '/steps/1 wrong_type']],
    [config([{}]), ['/steps/0/id required', '/steps/0/name required', '/steps/0/agent required']],
    [config([step('a')], { colour: 1, 'x/y': 2 }), ['/colour unknown_field', '/x~1y unknown_field']],
    [config([step('a', { retrys: {} })]), ['/steps/0/retrys unknown_field']],
    [config([step('a')], { strategy: 'chaos' }), ['/strategy not_allowed']],
    [config([step('a')], { name: '' }), ['/name too_short']],
    [config([step('a')], { name: ' a' }), ['/name bad_format']],
    [config([step('a')], { name: 'a\nb' }), ['/name invalid_character']],
    [config([step('a')], { name: '01900000-0000-7000-8000-000000000000' }), ['/name bad_format']],
    [config([step('a.b')]), ['/steps/0/id bad_format']],
    [config([step('é')]), ['/steps/0/id bad_format']],
    [config([step('a'.repeat(65))]), ['/steps/0/id too_long']],
    [budget({}), ['/settings/budget required']],
    [budget(5), ['/settings/budget wrong_type']],
    [budget({ max_tokens: 0 }), ['/settings/budget/max_tokens out_of_range']],
    [budget({ max_tokens: 1.5 }), ['/settings/budget/max_tokens wrong_type']],
    [budget({ max_cost: -1 }), ['/settings/budget/max_cost out_of_range']],
    [
      budget({ max_cost: 0, tokens: 1 }),
      ['/settings/budget/max_cost out_of_range', '/settings/budget/tokens unknown_field'],
    ],
    [config([step('a', { timeout_ms: '5s' })]), ['/steps/0/timeout_ms wrong_type']],
    [config([step('a', { timeout_ms: 1.5 })]), ['/steps/0/timeout_ms wrong_type']],
    [config([step('a', { timeout_ms: 2 ** 31 })]), ['/steps/0/timeout_ms out_of_range']],
    [config([step('a', { retry: { max_attempts: 0 } })]), ['/steps/0/retry/max_attempts out_of_range']],
    [
      config([step('a', { retry: { max_attempts: 3, backoff_ms: 1, backoff_coefficient: 0.5 } })]),
      ['/steps/0/retry/backoff_coefficient out_of_range'],
    ],
    [
      config([step('a', { on_failure: 'fallback', fallback_when: ['always'] }), step('b', { fallback_for: 'a' })]),
      ['/steps/0/fallback_when/0 not_allowed'],
    ],
    [config([step('a', { fallback_when: ['error'] })]), ['/steps/0/fallback_when contradiction']],
    [config([step('a', { dependencies: 'b' })]), ['/steps/0/dependencies wrong_type']],
    [config([step('a', { metadata: [] })]), ['/steps/0/metadata wrong_type']],
    [config([step('a', { compensate: {} })]), ['/steps/0/compensate/agent required']],
    [config([step('a')], { is_global: 'yes' }), ['/is_global wrong_type']],
    [config([step('a')], { settings: { consensus_threshold: 1.1 } }), ['/settings/consensus_threshold out_of_range']],
    [config([step('a')], { settings: { parallel_limit: -1 } }), ['/settings/parallel_limit out_of_range']],
    [config([step('a')], { settings: { timeout_ms: 0 } }), ['/settings/timeout_ms out_of_range']],
    [config([step('a')], { settings: { callback_url: 'ftp://x' } }), ['/settings/callback_url bad_format']],
    [config([step('a')], { settings: { callback_url: 'http://u:p@x' } }), ['/settings/callback_url bad_format']],
  ])('names what is wrong with %j', async (document, expected) => {
    expect(await mistakes(document)).toEqual(expected);
  });

  it.each([
    ['__proto__', 'reserved_name'],
    ['constructor', 'reserved_name'],
    ['prototype', 'reserved_name'],
  ])('refuses the id %s in every place of an id', async (id, code) => {
    const document = config([step(id, { agent: id, consensus_group: id, compensate: { agent: id } })], {
      consensus_groups: [{ id, judge: id }],
    });
    expect(await mistakes(document)).toEqual(
      expect.arrayContaining(
        ['/steps/0/id', '/steps/0/agent', '/steps/0/consensus_group', '/steps/0/compensate/agent']
          .concat('/consensus_groups/0/id', '/consensus_groups/0/judge')
          .map((path) => `${path} ${code}`),
      ),
    );
  });

  it.each([
    ['..', 'reserved_name'],
    ['a\u200bb', 'invalid_character'],
    ['a\u202eb', 'invalid_character'],
    ['a\u2028b', 'invalid_character'],
    ['a\nb', 'invalid_character'],
    ['cafe\u0301', 'bad_format'],
    ['a ', 'bad_format'],
  ])('refuses %j in every place of a name', async (name, code) => {
    const gate = { id: 'gate', name, output_key: name, approval: { message: 'ok?', approvers: [name] } };
    const member = step('m', { consensus_group: 'g', metadata: { [name]: 1 } });
    const document = config([gate, member], {
      name,
      consensus_groups: [{ id: 'g', output_key: name + name }],
      metadata: { [name]: 1 },
    });
    const found = await mistakes(document);
    for (const path of ['/name', '/steps/0/name', '/steps/0/output_key', '/steps/0/approval/approvers/0']) {
      expect(found).toContain(`${path} ${code}`);
    }
    expect(found).toContain(`/metadata/${name} ${code}`);
    expect(found).toContain(`/steps/1/metadata/${name} ${code}`);
  });

  it('refuses text that cannot be stored, in every place', async () => {
    const document = JSON.parse(
      '{"name":"c","strategy":"parallel","steps":[{"id":"a","name":"\\u0000","agent":"echo","input":{"\\ud800":"\\udc00"}}],' +
        '"metadata":{"__proto__":{"x":1},"constructor":1,"deep":{"prototype":2}}}',
    ) as unknown;
    expect(await mistakes(document)).toEqual([
      '/steps/0/name invalid_character',
      '/steps/0/input invalid_character',
      '/steps/0/input/\ud800 invalid_character',
      '/metadata/__proto__ forbidden_key',
      '/metadata/constructor forbidden_key',
      '/metadata/deep/prototype forbidden_key',
    ]);
  });

  it('refuses nesting that is too deep without recursing into it', async () => {
    let metadata: object = {};
    for (let depth = 0; depth < 100_000; depth += 1) metadata = { a: metadata };
    expect(await mistakes(config([step('a')], { metadata }))).toEqual([
      expect.stringMatching(/^\/metadata(\/a)+ too_deep$/),
    ]);
  });
});

describe('dependencies', () => {
  it.each<[string, Partial<StepDefinition>[], string[]]>([
    [
      'twice the same id',
      [step('a'), step('a'), step('b')],
      ['/steps/1/id duplicate_id', '/steps/1 duplicate_output_key'],
    ],
    ['an unknown one', [step('a', { dependencies: ['x'] })], ['/steps/0/dependencies/0 unknown_dependency']],
    ['itself', [step('a', { dependencies: ['a'] })], ['/steps/0/dependencies/0 self_dependency']],
    [
      'one listed twice',
      [step('a'), step('b', { dependencies: ['a', 'a'] })],
      ['/steps/1/dependencies/1 duplicate_dependency'],
    ],
    [
      'a fallback',
      [step('a', { on_failure: 'fallback' }), step('f', { fallback_for: 'a' }), step('b', { dependencies: ['f'] })],
      ['/steps/2/dependencies/0 depends_on_fallback'],
    ],
    [
      'a member of the same group',
      [step('a', { consensus_group: 'g' }), step('b', { consensus_group: 'g', dependencies: ['a'] })],
      ['/steps/1/dependencies/0 depends_on_member'],
    ],
  ])('refuses %s', async (_, steps, expected) => {
    expect(await mistakes(config(steps))).toEqual(expected);
  });

  it('names a cycle in the order of waiting', async () => {
    const steps = [
      step('start'),
      step('a', { dependencies: ['start', 'b'] }),
      step('b', { dependencies: ['c'] }),
      step('c', { dependencies: ['a'] }),
      step('x', { dependencies: ['y'] }),
      step('y', { dependencies: ['x'] }),
    ];
    expect(await messages(config(steps))).toEqual([
      expect.stringContaining('a → b → c → a'),
      expect.stringContaining('x → y → x'),
    ]);
  });

  it('finds a cycle through a group or a fallback', async () => {
    const group = [step('m', { consensus_group: 'g', dependencies: ['x'] }), step('x', { dependencies: ['g'] })];
    expect(await messages(config(group))).toEqual([expect.stringContaining('m → g → x → g → m')]);
    const alternative = [
      step('a', { on_failure: 'fallback' }),
      step('b', { dependencies: ['a'] }),
      step('f', { fallback_for: 'a', dependencies: ['b'] }),
    ];
    expect(await messages(config(alternative))).toEqual([expect.stringContaining('a → f → b → a')]);
  });

  it('requires dependencies to be listed earlier in the sequential strategy', async () => {
    const steps = [step('a', { dependencies: ['b'] }), step('b')];
    expect(await mistakes(config(steps, { strategy: 'sequential' }))).toEqual([
      '/steps/0/dependencies/0 dependency_order',
    ]);
    expect(await mistakes(config(steps))).toEqual([]);
    const fallback = [
      step('a', { on_failure: 'fallback' }),
      step('b'),
      step('f', { fallback_for: 'a', dependencies: ['b'] }),
    ];
    expect(await mistakes(config(fallback, { strategy: 'sequential' }))).toEqual([
      '/steps/2/dependencies/0 dependency_order',
    ]);
  });
});

describe('fallbacks', () => {
  it.each<[string, object[], string[]]>([
    [
      'without a step to stand in for',
      [step('a'), step('f', { is_fallback: true })],
      ['/steps/1/fallback_for required'],
    ],
    ['for a step that is missing', [step('a', { fallback_for: 'x' })], ['/steps/0/fallback_for unknown_step']],
    ['for itself', [step('a', { fallback_for: 'a' })], ['/steps/0/fallback_for fallback_cycle']],
    [
      'for each other',
      [
        step('a', { fallback_for: 'b', on_failure: 'fallback' }),
        step('b', { fallback_for: 'c', on_failure: 'fallback' }),
        step('c', { fallback_for: 'a', on_failure: 'fallback' }),
      ],
      ['/steps/0/fallback_for fallback_cycle'],
    ],
    [
      'that say they are none',
      [step('a', { on_failure: 'fallback' }), step('f', { fallback_for: 'a', is_fallback: false })],
      ['/steps/1/is_fallback contradiction'],
    ],
    [
      'that are members of a group',
      [
        step('a', { on_failure: 'fallback' }),
        step('m', { consensus_group: 'g' }),
        step('f', { fallback_for: 'a', consensus_group: 'g' }),
      ],
      ['/steps/2/consensus_group contradiction'],
    ],
  ])('are refused %s', async (_, steps, expected) => {
    expect(await mistakes(config(steps))).toEqual(expected);
  });

  it('may go unnamed in the fallback strategy, after the step they serve', async () => {
    const unnamed = step('f', { is_fallback: true });
    expect(await mistakes(config([step('a'), unnamed], { strategy: 'fallback' }))).toEqual([]);
    expect(await mistakes(config([unnamed, step('a')], { strategy: 'fallback' }))).toEqual([
      '/steps/0/fallback_for required',
    ]);
  });

  it('may serve a group, and depend on the step that they serve through a chain', async () => {
    const steps = [
      step('m', { consensus_group: 'g' }),
      step('f', { fallback_for: 'g', dependencies: ['g'], on_failure: 'fallback' }),
      step('f2', { fallback_for: 'f', dependencies: ['g', 'f'] }),
    ];
    const groups = { consensus_groups: [{ id: 'g', on_failure: 'fallback' }] };
    expect(await mistakes(config(steps, groups))).toEqual([]);
  });
});

describe('consensus groups', () => {
  const members = [step('a', { consensus_group: 'g' }), step('b', { consensus_group: 'g' })];
  it.each<[object, string[]]>([
    [{ id: 'a' }, ['/consensus_groups/0/id duplicate_id', '/consensus_groups/0 empty_group']],
    [{ id: 'empty' }, ['/consensus_groups/0 empty_group']],
    [{ id: 'g', mode: 'best' }, ['/consensus_groups/0/score required']],
    [{ id: 'g', mode: 'judge' }, ['/consensus_groups/0/judge required']],
    [{ id: 'g', mode: 'majority', on_tie: 'judge' }, ['/consensus_groups/0/judge required']],
    [{ id: 'g', mode: 'weighted' }, ['/consensus_groups/0/weights required']],
    [{ id: 'g', mode: 'judge', judge: 'nobody' }, ['/consensus_groups/0/judge unknown_agent']],
    [{ id: 'g', weights: { a: 1 } }, ['/consensus_groups/0/weights contradiction']],
    [{ id: 'g', mode: 'weighted', weights: { a: 1, x: 1 } }, ['/consensus_groups/0/weights/x unknown_member']],
    [{ id: 'g', mode: 'weighted', weights: { a: 0, b: 0 } }, ['/consensus_groups/0/weights bad_limit']],
    [{ id: 'g', mode: 'weighted', weights: { a: -1 } }, ['/consensus_groups/0/weights/a out_of_range']],
    [{ id: 'g', threshold: 2 }, ['/consensus_groups/0/threshold out_of_range']],
    [{ id: 'g', threshold: 0 }, ['/consensus_groups/0/threshold out_of_range']],
    [{ id: 'g', mode: 'unanimous', threshold: 1 }, ['/consensus_groups/0/threshold contradiction']],
    [{ id: 'g', mode: 'best', score: 'x', threshold: 1 }, ['/consensus_groups/0/threshold contradiction']],
    [{ id: 'g', mode: 'judge', judge: 'echo', threshold: 1 }, ['/consensus_groups/0/threshold contradiction']],
    [{ id: 'g', on_tie: 'fail' }, ['/consensus_groups/0/on_tie contradiction']],
    [{ id: 'g', mode: 'unanimous', on_tie: 'first' }, ['/consensus_groups/0/on_tie contradiction']],
    [{ id: 'g', mode: 'judge', judge: 'echo', on_tie: 'judge' }, ['/consensus_groups/0/on_tie contradiction']],
    [{ id: 'g', mode: 'best', score: 'x', early_stop: true }, ['/consensus_groups/0/early_stop contradiction']],
    [{ id: 'g', mode: 'judge', judge: 'echo', early_stop: true }, ['/consensus_groups/0/early_stop contradiction']],
    [{ id: 'g', vote_key: 'x' }, ['/consensus_groups/0/vote_key contradiction']],
    [{ id: 'g', mode: 'judge', judge: 'echo', vote_key: 'x' }, ['/consensus_groups/0/vote_key contradiction']],
    [{ id: 'g', score: 'x' }, ['/consensus_groups/0/score contradiction']],
    [{ id: 'g', mode: 'majority', judge: 'echo' }, ['/consensus_groups/0/judge contradiction']],
    [{ id: 'g', mode: 'best', score: 'x', vote_key: 'y' }, ['/consensus_groups/0/vote_key contradiction']],
    [{ id: 'g', mode: 'majority', vote_key: '(' }, ['/consensus_groups/0/vote_key bad_expression']],
  ])('refuses %j', async (group, expected) => {
    expect(await mistakes(config(members, { strategy: 'consensus', consensus_groups: [group] }))).toEqual(expected);
  });

  it('refuses a setting without effect and names the field and the mode, and accepts early_stop: false everywhere', async () => {
    const group = { id: 'g', mode: 'judge', judge: 'echo', threshold: 1, early_stop: false };
    const report = await validateDefinition(config(members, { consensus_groups: [group] }), ports);
    expect(report).toMatchObject({
      violations: [
        {
          path: '/consensus_groups/0/threshold',
          message: 'has no effect in mode judge: it is only used with modes quorum, majority and weighted',
        },
      ],
    });
  });

  it.each<[object, string[]]>([
    [{ early_stop: true }, ['early_stop: there is nobody else to stop']],
    [{ threshold: 0.5 }, ['threshold: the share of one member is all or nothing']],
    [{ mode: 'majority', on_tie: 'first', threshold: 1 }, ['threshold: the share', 'on_tie: one member cannot tie']],
    [{ mode: 'best', score: 'x', on_tie: 'judge', judge: 'echo' }, ['on_tie: one member cannot tie']],
    [{ mode: 'majority', on_tie: 'fail', early_stop: false, vote_key: 'x' }, []],
    [{ mode: 'weighted', weights: { a: 1 } }, []],
    [{ mode: 'judge', judge: 'echo' }, []],
  ])('refuses %j in a group of one member where it has no effect', async (fields, expected) => {
    const alone = config([step('a', { consensus_group: 'g' })], { consensus_groups: [{ id: 'g', ...fields }] });
    const result = await validateDefinition(alone, ports);
    const found = result.ok ? [] : result.violations;
    const field = (path: string): string => path.replace('/consensus_groups/0/', '');
    const told = found.map(({ path, message }) =>
      message.replace(/^has no effect in a group of one member/, field(path)),
    );
    expect(told.toSorted()).toEqual(expected.toSorted().map((text) => expect.stringMatching(new RegExp(`^${text}`))));
  });

  it('accepts any on_failure of a member, because the group decides the effect of its failure', async () => {
    const failing = [
      step('a', { consensus_group: 'g', on_failure: 'abort' }),
      step('b', { consensus_group: 'g', on_failure: 'continue' }),
      step('c', { consensus_group: 'g', on_failure: 'fallback' }),
      step('c2', { fallback_for: 'c', on_failure: 'abort' }),
      step('d', { on_failure: 'abort' }),
    ];
    expect(await mistakes(config(failing))).toEqual([]);
  });

  it('refuses an undeclared group that is named like a step, and a group declared twice', async () => {
    const clash = [step('a', { consensus_group: 'b' }), step('b')];
    expect(await mistakes(config(clash))).toContain('/steps/0/consensus_group duplicate_id');
    const twice = [{ id: 'g' }, { id: 'g' }];
    expect(await mistakes(config(members, { consensus_groups: twice }))).toEqual([
      '/consensus_groups/1/id duplicate_id',
    ]);
  });
});

describe('settings.concurrency', () => {
  const limited = (concurrency: unknown): object =>
    config([{ id: 'a', name: 'A', agent: 'echo' }], { settings: { concurrency } });
  const at = '/settings/concurrency';

  it.each<[string, unknown]>([
    ['a limit alone', { limit: 10_000 }],
    ['a text as key', { key: 'nightly', limit: 1, on_limit: 'queue' }],
    ['the input and the user in its key', { key: '{% input.customer & user_id %}', limit: 2, on_limit: 'reject' }],
    ['nulls beside the limit', { limit: 1, key: null, on_limit: null }],
  ])('may have %s', async (_, concurrency) => {
    expect(await mistakes(limited(concurrency))).toEqual([]);
  });

  it.each<[string, unknown, string[]]>([
    ['no limit', { key: 'a' }, [`${at}/limit required`]],
    ['a limit of nothing', { limit: 0 }, [`${at}/limit out_of_range`]],
    ['a limit that is too large', { limit: 10_001 }, [`${at}/limit out_of_range`]],
    ['another word', { limit: 1, on_limit: 'wait' }, [`${at}/on_limit not_allowed`]],
    ['an unknown field', { limit: 1, max: 1 }, [`${at}/max unknown_field`]],
    ['an expression in part', { limit: 1, key: 'c-{% input.c %}' }, [`${at}/key bad_expression`]],
    ['no JSONata', { limit: 1, key: '{% input. %}' }, [`${at}/key bad_expression`]],
    ['an output', { limit: 1, key: '{% outputs.a %}' }, [`${at}/key unknown_reference`]],
    ['no object', 3, [`${at} wrong_type`]],
  ])('is refused with %s', async (_, concurrency, expected) => {
    expect(await mistakes(limited(concurrency))).toEqual(expected);
  });

  it('says what an expression sees, and suggests a name', async () => {
    const found = await messages(limited({ limit: 1, key: '{% sesion_id %}' }));
    expect(found[0]).toContain('an expression sees input, session_id and user_id; did you mean "session_id"?');
  });
});

describe('waits', () => {
  const wait = (rules: unknown, more: object = {}) => ({ id: 'w', name: 'Wait', wait: rules, ...more });

  it.each<[string, object]>([
    ['a duration', wait({ duration_ms: 1 })],
    ['a time', wait({ until: '2030-01-01T09:00:00+01:00' })],
    ['an expression', wait({ until: '{% input.at %}' })],
    [
      'a condition, an alternative to stand in for and a key',
      wait({ duration_ms: 5 }, { when: 'input.slow', output_key: 'k' }),
    ],
    ['nulls beside it', wait({ duration_ms: 5, until: null }, { agent: null, approval: null })],
  ])('may have %s', async (_, step) => {
    expect(await mistakes(config([step]))).toEqual([]);
  });

  it.each<[string, object, string[]]>([
    ['neither duration nor time', wait({}), ['/steps/0/wait required']],
    ['both', wait({ duration_ms: 1, until: '{% input.at %}' }), ['/steps/0/wait/until contradiction']],
    ['no object', wait(5), ['/steps/0/wait wrong_type']],
    ['an unknown field', wait({ duration: 5 }), ['/steps/0/wait/duration unknown_field', '/steps/0/wait required']],
    ['no time at all', wait({ duration_ms: 0 }), ['/steps/0/wait/duration_ms out_of_range']],
    ['a time without a zone', wait({ until: '2030-01-01T09:00:00' }), ['/steps/0/wait/until bad_format']],
    ['a day that is none', wait({ until: '2030-02-30T09:00:00Z' }), ['/steps/0/wait/until bad_format']],
    ['an expression in part', wait({ until: 'at {% input.at %}' }), ['/steps/0/wait/until bad_expression']],
    ['no JSONata', wait({ until: '{% a + %}' }), ['/steps/0/wait/until bad_expression']],
    ['an output that is not there', wait({ until: '{% outputs.nope %}' }), ['/steps/0/wait/until unknown_reference']],
    ['an agent', wait({ duration_ms: 1 }, { agent: 'echo' }), ['/steps/0/agent contradiction']],
    ['an approval', wait({ duration_ms: 1 }, { approval: {} }), ['/steps/0/wait contradiction']],
    ['an input', wait({ duration_ms: 1 }, { input: {} }), ['/steps/0/input contradiction']],
    ['a retry', wait({ duration_ms: 1 }, { retry: { max_attempts: 2 } }), ['/steps/0/retry contradiction']],
    ['a vote', wait({ duration_ms: 1 }, { consensus_group: 'g' }), ['/steps/0/consensus_group contradiction']],
  ])('are refused with %s', async (_, wrong, expected) => {
    expect(await mistakes(config([wrong]))).toEqual(expected);
  });

  it('are refused when the execution ends before them', async () => {
    const short = config([wait({ duration_ms: 11 })], { settings: { timeout_ms: 10 } });
    expect(await mistakes(short)).toEqual(['/steps/0/wait/duration_ms contradiction']);
  });

  it('have no fallbacks for a timeout, because they cannot time out', async () => {
    const other = step('other', { fallback_for: 'w', fallback_when: ['timeout'] });
    const served = wait({ until: '{% input.at %}' }, { on_failure: 'fallback' });
    expect(await messages(config([served, other]))).toEqual(['has no effect: this wait fails with error only']);
  });

  it('suggest the right name for a misspelt field', async () => {
    expect((await messages(config([wait({ duration_m: 5 })])))[0]).toContain('duration_ms');
  });
});

describe('choices', () => {
  const choice = (rules: unknown, more: object = {}) => ({ id: 'route', name: 'Route', choice: rules, ...more });
  const after = (id: string, more: object = {}) => step(id, { dependencies: ['route'], ...more });
  const branch = { when: 'input.a', steps: ['a'] };

  it('may have branches, a default and both modes', async () => {
    for (const mode of ['first', 'all', null]) {
      const rules = { branches: [branch, { when: '{% input.b > 1 %}', steps: ['a', 'b'] }], default: ['b'], mode };
      expect(await mistakes(config([choice(rules), after('a'), after('b')]))).toEqual([]);
    }
    expect(await mistakes(config([choice({ branches: [branch], default: [] }), after('a')]))).toEqual([]);
  });

  it.each<[string, object[], string[]]>([
    ['no branches', [choice({ branches: [], default: [] })], ['/steps/0/choice/branches too_few']],
    ['no default', [choice({ branches: [branch] }), after('a')], ['/steps/0/choice/default required']],
    [
      'a branch without steps',
      [choice({ branches: [{ when: 'input.a' }], default: [] })],
      ['/steps/0/choice/branches/0/steps required'],
    ],
    [
      'no JSONata',
      [choice({ branches: [{ when: 'a +', steps: ['a'] }], default: [] }), after('a')],
      ['/steps/0/choice/branches/0/when bad_expression'],
    ],
    [
      'a name of no step',
      [choice({ branches: [branch], default: ['nope'] }), after('a')],
      ['/steps/0/choice/default/0 unknown_step'],
    ],
    [
      'a step that does not wait for it',
      [choice({ branches: [branch], default: [] }), step('a')],
      ['/steps/0/choice/branches/0/steps/0 contradiction'],
    ],
    [
      'itself',
      [choice({ branches: [branch], default: ['route'] }), after('a')],
      ['/steps/0/choice/default/0 contradiction'],
    ],
    [
      'a fallback',
      [
        choice({ branches: [branch], default: ['x'] }),
        after('a', { on_failure: 'fallback' }),
        step('x', { fallback_for: 'a' }),
      ],
      ['/steps/0/choice/default/0 contradiction'],
    ],
    [
      'a member of a group',
      [choice({ branches: [branch], default: ['x'] }), after('a'), after('x', { consensus_group: 'g' })],
      ['/steps/0/choice/default/0 contradiction'],
    ],
    [
      'an agent, a vote and an input',
      [choice({ branches: [branch], default: [] }, { agent: 'echo', input: {} }), after('a')],
      ['/steps/0/agent contradiction', '/steps/0/input contradiction'],
    ],
  ])('are refused with %s', async (_, steps, expected) => {
    expect(await mistakes(config(steps))).toEqual(expected);
  });

  it('suggest the step that was meant', async () => {
    const wrong = choice({ branches: [{ when: 'input.a', steps: ['examin'] }], default: [] });
    expect((await messages(config([wrong, after('examine')])))[0]).toContain('"examine"');
  });
});

describe('orchestrations', () => {
  const child = (rules: unknown, more: object = {}) => ({ id: 's', name: 'Child', orchestration: rules, ...more });

  it.each<[string, object]>([
    ['a config of the tenant', child({ config: 'billing' })],
    ['a version and an end', child({ config: 'shared', config_version: 3, on_parent_close: 'abandon' })],
    [
      'an input and a way back',
      child({ config: 'billing' }, { input: { n: '{% input.n %}' }, compensate: { agent: 'echo' } }),
    ],
    ['the config itself', child({ config: 'c' })],
  ])('may have %s', async (_, step) => {
    expect(await mistakes(config([step]))).toEqual([]);
  });

  it.each<[string, object, string[]]>([
    ['no config', child({}), ['/steps/0/orchestration/config required']],
    [
      'another end',
      child({ config: 'billing', on_parent_close: 'stop' }),
      ['/steps/0/orchestration/on_parent_close not_allowed'],
    ],
    [
      'a retry and a time',
      child({ config: 'billing' }, { retry: { max_attempts: 2 }, timeout_ms: 5 }),
      ['/steps/0/timeout_ms contradiction', '/steps/0/retry contradiction'],
    ],
    ['an agent', child({ config: 'billing' }, { agent: 'echo' }), ['/steps/0/agent contradiction']],
    ['a config that is not there', child({ config: 'biling' }), ['/steps/0/orchestration/config unknown_config']],
  ])('are refused with %s', async (_, step, expected) => {
    expect(await mistakes(config([step]))).toEqual(expected);
  });

  it('suggest the config that was meant', async () => {
    expect((await messages(config([child({ config: 'biling' })])))[0]).toContain('"billing"');
  });

  it('start only global configs in a global one', async () => {
    const steps = [child({ config: 'billing' }), { ...child({ config: 'shared' }), id: 't' }];
    expect(await mistakes(config(steps, { is_global: true }))).toEqual([
      '/steps/0/orchestration/config config_not_global',
    ]);
  });
});

describe('settings.on_failure', () => {
  const steps = [
    { id: 'a', name: 'A', agent: 'echo' },
    { id: 'b', name: 'B', agent: 'echo', fallback_for: 'a' },
  ];

  it('lets fallbacks run that nothing else lets run', async () => {
    expect(await mistakes(config(steps, { settings: { on_failure: 'fallback' } }))).toEqual([]);
    expect(await mistakes(config(steps))).toEqual(['/steps/1/fallback_for contradiction']);
  });

  it('is told where it keeps a fallback from running', async () => {
    const told = await messages(config(steps, { strategy: 'fallback', settings: { on_failure: 'continue' } }));
    expect(told).toEqual([expect.stringContaining('on_failure of "a" is continue, its default')]);
  });

  it('is one of three words', async () => {
    expect(await mistakes(config([steps[0]], { settings: { on_failure: 'ignore' } }))).toEqual([
      '/settings/on_failure not_allowed',
    ]);
  });
});

describe('repeats', () => {
  const loop = (repeat: object, more: object = {}) => ({ id: 's', name: 'Loop', agent: 'echo', repeat, ...more });

  it.each<[string, object]>([
    ['an expression alone', loop({ until: 'result.done' })],
    ['everything', loop({ until: '{% iteration > 2 %}', max_iterations: 1000, delay_ms: 5, on_max: 'complete' })],
    [
      'what its mapping sees',
      loop({ until: '$count(results) = 2' }, { input: { a: '{% [iteration, result, results] %}' } }),
    ],
    ['retries and limits of its own', loop({ until: 'true' }, { retry: { max_attempts: 2 }, timeout_ms: 9 })],
    ['a child', { id: 's', name: 'Loop', orchestration: { config: 'billing' }, repeat: { until: 'result.good' } }],
  ])('are taken with %s', async (_, step) => {
    expect(await mistakes(config([step]))).toEqual([]);
  });

  it.each<[string, object, string[]]>([
    ['no expression', loop({}), ['/steps/0/repeat/until required']],
    [
      'too many iterations',
      loop({ until: 'true', max_iterations: 1001 }),
      ['/steps/0/repeat/max_iterations out_of_range'],
    ],
    ['another word', loop({ until: 'true', on_max: 'stop' }), ['/steps/0/repeat/on_max not_allowed']],
    ['what cannot be read', loop({ until: 'a +' }), ['/steps/0/repeat/until bad_expression']],
    ['what is not there', loop({ until: 'reslt.done' }), ['/steps/0/repeat/until unknown_reference']],
    ['its own output', loop({ until: 'outputs.s.done' }), ['/steps/0/repeat/until not_a_dependency']],
    [
      'a loop in its condition',
      loop({ until: 'true' }, { when: 'iteration = 1' }),
      ['/steps/0/when unknown_reference'],
    ],
    [
      'a delay before nothing',
      loop({ until: 'true', max_iterations: 1, delay_ms: 5 }),
      ['/steps/0/repeat/delay_ms contradiction'],
    ],
    [
      'a delay that ends it',
      loop({ until: 'true', delay_ms: 50 }, { schedule_to_close_ms: 9 }),
      ['/steps/0/repeat/delay_ms contradiction'],
    ],
    [
      'a wait',
      { id: 's', name: 'W', wait: { duration_ms: 5 }, repeat: { until: 'true' } },
      ['/steps/0/repeat contradiction'],
    ],
    [
      'an llm',
      { id: 's', name: 'W', llm: { model: 'm', prompt: 'a' }, repeat: { until: 'true' } },
      ['/steps/0/repeat contradiction'],
    ],
  ])('are refused with %s', async (_, step, expected) => {
    expect(await mistakes(config([step]))).toEqual(expected);
  });

  it('suggest what was meant', async () => {
    expect((await messages(config([loop({ until: 'reslt.done' })])))[0]).toContain('did you mean "result"?');
    expect((await messages(config([loop({ until: 'outputs.s.done' })])))[0]).toContain(
      'what its last iteration gave is result',
    );
    expect(await messages(config([loop({ untill: 'true' })]))).toContainEqual(expect.stringContaining('"until"'));
  });
});

describe('signals', () => {
  const signal = (rules: unknown, more: object = {}) => ({ id: 's', name: 'Wait', signal: rules, ...more });
  const schema = { type: 'object', required: ['amount'] };

  it.each<[string, object]>([
    ['a name alone', signal({ name: 'go' })],
    ['everything', signal({ name: 'go', schema, timeout_ms: 5, on_timeout: 'continue', default: null })],
    ['a vote', signal({ name: 'go' }, { consensus_group: 'g' })],
    ['a schema that refuses all', signal({ name: 'go', schema: false })],
  ])('may have %s', async (_, step) => {
    expect(await mistakes(config([step]))).toEqual([]);
  });

  it('may wait for one name in several steps, with one schema', async () => {
    const second = { ...signal({ name: 'go', schema }), id: 't' };
    expect(
      await mistakes(config([signal({ name: 'go', schema }), second, { ...signal({ name: 'go' }), id: 'u' }])),
    ).toEqual([]);
    const other = { ...signal({ name: 'go', schema: { type: 'array' } }), id: 't' };
    expect(await mistakes(config([signal({ name: 'go', schema }), other]))).toEqual([
      '/steps/1/signal/schema contradiction',
    ]);
  });

  it.each<[string, object, string[]]>([
    ['no name', signal({}), ['/steps/0/signal/name required']],
    ['a name that is none', signal({ name: 'a.b' }), ['/steps/0/signal/name bad_format']],
    ['an unknown field', signal({ name: 'go', timeout: 5 }), ['/steps/0/signal/timeout unknown_field']],
    ['no time at all', signal({ name: 'go', timeout_ms: 0 }), ['/steps/0/signal/timeout_ms out_of_range']],
    [
      'a way out without a time',
      signal({ name: 'go', on_timeout: 'fail' }),
      ['/steps/0/signal/on_timeout contradiction'],
    ],
    [
      'a default that nobody reads',
      signal({ name: 'go', timeout_ms: 5, default: 1 }),
      ['/steps/0/signal/default contradiction'],
    ],
    [
      'no JSON Schema',
      signal({ name: 'go', schema: { required: 'amount' } }),
      ['/steps/0/signal/schema/required invalid_schema'],
    ],
    ['a wait', signal({ name: 'go' }, { wait: { duration_ms: 5 } }), ['/steps/0/wait contradiction']],
    ['an agent', signal({ name: 'go' }, { agent: 'echo' }), ['/steps/0/agent contradiction']],
    ['an input', signal({ name: 'go' }, { input: {} }), ['/steps/0/input contradiction']],
  ])('are refused with %s', async (_, wrong, expected) => {
    expect(await mistakes(config([wrong]))).toEqual(expected);
  });

  it('have no fallbacks for a timeout when they cannot time out', async () => {
    const other = step('other', { fallback_for: 's', fallback_when: ['timeout'] });
    const served = signal({ name: 'go' }, { on_failure: 'fallback' });
    expect(await messages(config([served, other]))).toEqual(['has no effect: this signal fails with error only']);
  });
});

describe('approvals', () => {
  const gate = (approval: unknown, more: object = {}) => ({ id: 'gate', name: 'Gate', approval, ...more });

  it.each<[string, object[]]>([
    ['nothing but itself', [gate({})]],
    [
      'every field',
      [
        gate({
          message: '{% input.x & "?" %}',
          approvers: ['ada', 'bob'],
          timeout_ms: 2_592_000_000,
          on_timeout: 'approve',
        }),
      ],
    ],
    [
      'what any step may have',
      [
        step('a'),
        gate(
          {},
          {
            dependencies: ['a'],
            input: { shown: '{% outputs.a %}' },
            when: 'input.big',
            require: 'all',
            output_key: 'k',
            on_failure: 'fallback',
            fallback_when: ['error'],
            metadata: {},
          },
        ),
        gate({}, { id: 'boss', fallback_for: 'gate' }),
      ],
    ],
    ['a vote in a group', [step('a', { consensus_group: 'g' }), gate({}, { consensus_group: 'g' })]],
  ])('may have %s', async (_, steps) => {
    expect(await mistakes(config(steps))).toEqual([]);
  });

  it.each<[string, object, string[]]>([
    ['no agent and no approval', { id: 'a', name: 'A' }, ['/steps/0/agent required']],
    ['both', gate({}, { agent: 'echo' }), ['/steps/0/agent contradiction']],
    ['an approval that is no object', gate(true), ['/steps/0/approval wrong_type']],
    ['an unknown field', gate({ approver: 'ada' }), ['/steps/0/approval/approver unknown_field']],
    ['an empty list of approvers', gate({ approvers: [] }), ['/steps/0/approval/approvers too_few']],
    ['an approver twice', gate({ approvers: ['a', 'b', 'a'] }), ['/steps/0/approval/approvers/2 duplicate_approver']],
    ['an empty message', gate({ message: '' }), ['/steps/0/approval/message too_short']],
    ['a long message', gate({ message: 'x'.repeat(4_097) }), ['/steps/0/approval/message too_long']],
    ['a message that is no JSONata', gate({ message: '{% a + %}' }), ['/steps/0/approval/message bad_expression']],
    ['no JSON Schema', gate({ schema: { required: 'a' } }), ['/steps/0/approval/schema/required invalid_schema']],
    ['no time at all', gate({ timeout_ms: 0 }), ['/steps/0/approval/timeout_ms out_of_range']],
    ['another way out', gate({ timeout_ms: 5, on_timeout: 'ignore' }), ['/steps/0/approval/on_timeout not_allowed']],
    ['a way out without a time', gate({ on_timeout: 'approve' }), ['/steps/0/approval/on_timeout contradiction']],
    [
      'what is for attempts',
      gate(
        {},
        {
          timeout_ms: 5,
          retry: { max_attempts: 2 },
          heartbeat_ms: 5,
          schedule_to_start_ms: 5,
          schedule_to_close_ms: 5,
          compensate: { agent: 'echo' },
        },
      ),
      ['timeout_ms', 'retry', 'heartbeat_ms', 'schedule_to_start_ms', 'schedule_to_close_ms', 'compensate'].map(
        (field) => `/steps/0/${field} contradiction`,
      ),
    ],
  ])('are refused with %s', async (_, wrong, expected) => {
    expect(await mistakes(config([wrong]))).toEqual(expected);
  });

  it('say what to use instead of a field without effect', async () => {
    expect(await messages(config([gate({}, { timeout_ms: 5 })]))).toEqual([
      'has no effect on a step with an approval: the time to decide is approval.timeout_ms',
    ]);
  });
});

describe('the rest', () => {
  it('requires output keys to be unambiguous', async () => {
    const steps = [step('a', { output_key: 'k' }), step('b', { output_key: 'k' }), step('k')];
    expect(await mistakes(config(steps))).toEqual([
      '/steps/1/output_key duplicate_output_key',
      '/steps/2 duplicate_output_key',
    ]);
  });

  it('reports unknown agents in every place', async () => {
    const steps = [step('a', { agent: 'x', compensate: { agent: 'y' } }), step('b', { agent: 'mine' })];
    expect(await mistakes(config(steps))).toEqual([
      '/steps/0/agent unknown_agent',
      '/steps/0/compensate/agent unknown_agent',
    ]);
    expect(await mistakes(config(steps.slice(1), { is_global: true }))).toEqual(['/steps/0/agent agent_not_global']);
  });

  it('refuses limits that contradict each other', async () => {
    const steps = [
      step('a', {
        retry: { max_attempts: 3, backoff_ms: 5, max_backoff_ms: 4 },
        schedule_to_start_ms: 9,
        schedule_to_close_ms: 8,
      }),
    ];
    expect(await mistakes(config(steps))).toEqual([
      '/steps/0/retry/max_backoff_ms bad_limit',
      '/steps/0/schedule_to_start_ms bad_limit',
    ]);
  });

  it('parses every expression, and reports the position of a mistake', async () => {
    const document = config(
      [step('a', { when: '{% a + %}', input: { x: ['{% [1 %}', '{% input.ok %}', 'no {% expression'] } })],
      {
        output: { y: '{% "open %}' },
        input_schema: { type: 'object', required: 'x' },
      },
    );
    expect(await mistakes(document)).toEqual([
      '/input_schema/required invalid_schema',
      '/steps/0/input/x/0 bad_expression',
      '/steps/0/when bad_expression',
      '/output/y bad_expression',
      '/steps/0/input/x/2 bad_expression',
    ]);
    expect((await messages(document)).at(-2)).toMatch(/\(at position \d+\)$/);
  });

  it('parses the template of the synthesizer as Liquid, and reports the position of a mistake', async () => {
    const written = (template: string) =>
      config([step('a', { agent: 'synthesizer', input: { template, list: '{% input.list %}' } })]);
    for (const template of ['{% for i in list %}{{ i }},{% endfor %}', '{%- # note -%}', '{% input.template %}']) {
      expect(await mistakes(written(template))).toEqual([]);
    }
    expect(await mistakes(written('{% for i in list %}'))).toEqual(['/steps/0/input/template bad_template']);
    expect(await messages(written('a\n{{ list | shout }}'))).toEqual(['undefined filter: shout, line:2, col:1']);
    const compensate = { agent: 'synthesizer', input: { template: '{% if x %}' } };
    expect(await mistakes(config([step('a', { compensate })]))).toEqual([
      '/steps/0/compensate/input/template bad_template',
    ]);
  });

  it('reports mistakes of structure and of meaning together', async () => {
    const document = config([step('a', { dependencies: ['x', 5], timeout_ms: 'z' }), 7], { extra: true });
    expect(await mistakes(document)).toEqual([
      '/steps/0/dependencies/1 wrong_type',
      '/steps/0/timeout_ms wrong_type',
      '/steps/1 wrong_type',
      '/extra unknown_field',
      '/steps/0/dependencies/0 unknown_dependency',
    ]);
  });
});

describe('a field without effect', () => {
  const spare = (more: object = {}) => step('spare', { fallback_for: 'main', ...more });
  const asking = (more: object = {}) => step('main', { on_failure: 'fallback', ...more });
  const gate = (approval: object) => ({ id: 'main', name: 'Gate', approval, on_failure: 'fallback' });

  it.each<[string, object[], object, string[]]>([
    ['a fallback whose step does not ask it', [step('main'), spare()], {}, ['/steps/1/fallback_for']],
    ['a fallback whose step aborts', [step('main', { on_failure: 'abort' }), spare()], {}, ['/steps/1/fallback_for']],
    [
      'a fallback whose step goes on',
      [step('main', { on_failure: 'continue' }), spare()],
      {},
      ['/steps/1/fallback_for'],
    ],
    [
      'a fallback whose step goes on, in strategy fallback',
      [step('main', { on_failure: 'continue' }), step('spare', { is_fallback: true })],
      { strategy: 'fallback' },
      ['/steps/1/is_fallback'],
    ],
    [
      'a fallback of a fallback that does not ask it',
      [asking(), spare(), step('last', { fallback_for: 'spare' })],
      {},
      ['/steps/2/fallback_for'],
    ],
    [
      'a fallback of a group that does not ask it, declared or not',
      [
        step('m', { consensus_group: 'g' }),
        step('n', { consensus_group: 'h' }),
        step('f', { fallback_for: 'g' }),
        step('f2', { fallback_for: 'h' }),
      ],
      { consensus_groups: [{ id: 'g', on_failure: 'continue' }] },
      ['/steps/2/fallback_for', '/steps/3/fallback_for'],
    ],
    [
      'a fallback of a member that does not ask it',
      [step('main', { consensus_group: 'g' }), spare()],
      {},
      ['/steps/1/fallback_for'],
    ],
    ['on_failure continue of a fallback', [asking(), spare({ on_failure: 'continue' })], {}, ['/steps/1/on_failure']],
    [
      'kinds of failure that the step does not ask its fallback for',
      [asking({ fallback_when: ['timeout'] }), spare({ fallback_when: ['error'] })],
      {},
      ['/steps/1/fallback_when'],
    ],
    [
      'a kind of failure that no step has',
      [asking(), spare({ fallback_when: ['no_consensus'] })],
      {},
      ['/steps/1/fallback_when'],
    ],
    [
      'kinds of failure that no group has',
      [step('m', { consensus_group: 'g' }), step('f', { fallback_for: 'g', fallback_when: ['error', 'timeout'] })],
      { consensus_groups: [{ id: 'g', on_failure: 'fallback' }] },
      ['/steps/1/fallback_when'],
    ],
    [
      'a time-out of an approval that has none',
      [gate({}), spare({ fallback_when: ['timeout'] })],
      {},
      ['/steps/1/fallback_when'],
    ],
    [
      'a time-out of an approval that it approves',
      [gate({ timeout_ms: 5, on_timeout: 'approve' }), spare({ fallback_when: ['timeout'] })],
      {},
      ['/steps/1/fallback_when'],
    ],
    [
      'fallback_when without on_failure fallback',
      [step('a', { fallback_when: ['error'] })],
      {},
      ['/steps/0/fallback_when'],
    ],
    ['fallback_when without a fallback', [asking({ fallback_when: ['error'] })], {}, ['/steps/0/fallback_when']],
    [
      'fallback_when without a fallback, in strategy fallback',
      [step('a', { fallback_when: ['error'] })],
      { strategy: 'fallback' },
      ['/steps/0/fallback_when'],
    ],
    [
      'a key of its own of a fallback',
      [asking({ output_key: 'k' }), spare({ output_key: 'l' })],
      {},
      ['/steps/1/output_key'],
    ],
    ['require all without dependencies', [step('a', { require: 'all', dependencies: [] })], {}, ['/steps/0/require']],
    [
      'no weights in mode weighted',
      [step('a', { consensus_group: 'g' })],
      { consensus_groups: [{ id: 'g', mode: 'weighted', weights: {} }] },
      ['/consensus_groups/0/weights'],
    ],
    [
      'a retry policy without retries',
      [
        step('a', {
          retry: {
            backoff_ms: 1,
            backoff_coefficient: 3,
            max_backoff_ms: 9,
            jitter: 'none',
            non_retryable: ['x'],
            total_timeout_ms: 5,
          },
          compensate: { agent: 'echo', retry: { max_attempts: 1, backoff_ms: 5 } },
        }),
      ],
      {},
      [
        ...['backoff_ms', 'backoff_coefficient', 'max_backoff_ms', 'jitter', 'non_retryable', 'total_timeout_ms'].map(
          (field) => `/steps/0/retry/${field}`,
        ),
        '/steps/0/compensate/retry/backoff_ms',
      ],
    ],
    [
      'what shapes waits that there are none of',
      [
        step('a', {
          retry: { max_attempts: 3, backoff_coefficient: 3, max_backoff_ms: 9, jitter: 'none', non_retryable: ['x'] },
        }),
      ],
      {},
      ['backoff_coefficient', 'max_backoff_ms', 'jitter'].map((field) => `/steps/0/retry/${field}`),
    ],
    [
      'growth of a single wait',
      [step('a', { retry: { max_attempts: 2, backoff_ms: 9, backoff_coefficient: 3, max_backoff_ms: 9 } })],
      {},
      ['/steps/0/retry/backoff_coefficient'],
    ],
    [
      'limits later than the one of all attempts',
      [
        step('a', {
          timeout_ms: 11,
          heartbeat_ms: 11,
          schedule_to_close_ms: 10,
          retry: { max_attempts: 2, total_timeout_ms: 11 },
        }),
      ],
      {},
      ['/steps/0/timeout_ms', '/steps/0/heartbeat_ms', '/steps/0/retry/total_timeout_ms'],
    ],
    [
      'signs of life later than the time-out',
      [step('a', { timeout_ms: 5, heartbeat_ms: 6 })],
      {},
      ['/steps/0/heartbeat_ms'],
    ],
    [
      'signs of life later than the usual time-out',
      [step('a', { heartbeat_ms: 60_001 })],
      {},
      ['/steps/0/heartbeat_ms'],
    ],
    [
      'limits later than the one of the execution',
      [
        step('a', {
          timeout_ms: 11,
          schedule_to_start_ms: 11,
          schedule_to_close_ms: 11,
          compensate: { agent: 'echo', timeout_ms: 11 },
        }),
        { id: 'main', name: 'Gate', approval: { timeout_ms: 11 } },
      ],
      { settings: { timeout_ms: 10 } },
      [
        ...['timeout_ms', 'schedule_to_start_ms', 'schedule_to_close_ms', 'compensate/timeout_ms'].map(
          (field) => `/steps/0/${field}`,
        ),
        '/steps/1/approval/timeout_ms',
      ],
    ],
    [
      'a time to decide longer than an execution lasts',
      [{ id: 'main', name: 'Gate', approval: { timeout_ms: 2_592_000_001 } }],
      {},
      ['/steps/0/approval/timeout_ms'],
    ],
  ])('is refused: %s', async (_, steps, more, paths) => {
    expect(await mistakes(config(steps, more))).toEqual(paths.map((path) => `${path} contradiction`));
  });

  it.each<[string, object[], object]>([
    [
      'abort in strategy fallback, which asks the fallbacks',
      [step('main', { on_failure: 'abort', fallback_when: ['error'] }), spare()],
      { strategy: 'fallback' },
    ],
    [
      'the same of a group and of a fallback',
      [
        step('m', { consensus_group: 'g' }),
        step('f', { fallback_for: 'g', on_failure: 'abort' }),
        step('f2', { fallback_for: 'f' }),
      ],
      { strategy: 'fallback', consensus_groups: [{ id: 'g', on_failure: 'abort' }] },
    ],
    [
      'a fallback of a group for its only kind of failure',
      [step('m', { consensus_group: 'g' }), step('f', { fallback_for: 'g', fallback_when: ['no_consensus', 'error'] })],
      { consensus_groups: [{ id: 'g', on_failure: 'fallback' }] },
    ],
    ['the key of what it serves on a fallback', [asking({ output_key: 'k' }), spare({ output_key: 'k' })], {}],
    [
      'a key by which another fallback knows it',
      [
        asking(),
        spare({ output_key: 'k', on_failure: 'fallback' }),
        step('last', { fallback_for: 'spare', dependencies: ['spare'], when: 'outputs.k = 1' }),
      ],
      {},
    ],
    [
      'defaults, wherever they stand',
      [
        step('a', {
          on_failure: 'abort',
          is_fallback: false,
          require: 'any',
          dependencies: [],
          retry: { max_attempts: 1, backoff_ms: 0, backoff_coefficient: 2, jitter: 'full', non_retryable: [] },
        }),
      ],
      {},
    ],
    ['fallback where nothing stands in', [step('a', { on_failure: 'fallback' })], {}],
    [
      'limits that meet',
      [step('a', { timeout_ms: 9, heartbeat_ms: 9, schedule_to_start_ms: 9, schedule_to_close_ms: 9 })],
      { settings: { timeout_ms: 9 } },
    ],
  ])('is not: %s', async (_, steps, more) => {
    expect(await mistakes(config(steps, more))).toEqual([]);
  });

  it('explains how to repair a fallback that can never run', async () => {
    expect(await messages(config([step('main'), spare()]))).toEqual([
      'this fallback can never run: on_failure of "main" is abort, its default; give it "on_failure": "fallback"',
    ]);
    const group = [step('m', { consensus_group: 'g' }), step('f', { fallback_for: 'g' })];
    expect(await messages(config(group))).toEqual([
      'this fallback can never run: on_failure of "g" is abort, its default; declare the group with "on_failure": "fallback"',
    ]);
  });

  it.each(['sequential', 'parallel', 'consensus', 'fallback'])(
    'settings and policies of a whole config are accepted in strategy %s',
    async (strategy) => {
      const steps = [
        step('one', { retry: { max_attempts: 2, backoff_ms: 1000 }, dependencies: [], on_failure: 'continue' }),
        step('two', { dependencies: ['one'], on_failure: 'fallback' }),
        step('three', { retry: { max_attempts: 1, backoff_ms: 0 }, on_failure: 'continue' }),
        step('four', { dependencies: ['one', 'two', 'three'], on_failure: 'abort' }),
      ];
      const settings = { parallel_limit: 3, consensus_threshold: 0.8, enable_monitoring: true };
      expect(await mistakes(config(steps, { strategy, settings }))).toEqual([]);
    },
  );
});

describe('references in expressions', () => {
  const steps = (input: unknown, more: object = {}) => [
    step('fetch', { output_key: 'pages' }),
    step('parse-it', { dependencies: ['fetch'] }),
    step('other'),
    step('main', { dependencies: ['parse-it'], input, ...more }),
  ];
  const told = (input: string, more: object = {}) => messages(config(steps({ x: input }), more));

  it.each([
    '{% input.anything.at.all %}',
    '{% outputs.pages.rows[price > 1].name & outputs.`parse-it` %}',
    '{% $lookup(outputs, input.key) & $string(outputs.*) & outputs %}',
    '{% execution.id & execution.name %}',
    '{% $map(input.list, function($v) { $v.nope }) %}',
    '{% "a text that holds {% and %}" %}',
    'width: 50%}',
    '{{ liquid }}',
  ])('leaves %s alone', async (text) => {
    expect(await told(text)).toEqual([]);
  });

  it.each([
    ['{% outputs.nope %}', 'no output stands under outputs.nope'],
    ['{% outputs.page.x %}', 'no output stands under outputs.page; did you mean outputs.pages?'],
    ['{% outputs.Pages %}', 'no output stands under outputs.Pages; did you mean outputs.pages?'],
    [
      '{% outputs.fetch.x %}',
      'no output stands under outputs.fetch: the output of "fetch" stands under its output_key, outputs.pages',
    ],
    [
      '{% $count(outputs.other) > 1 %}',
      'outputs.other is given by "other", which "main" does not depend on; add it to the dependencies',
    ],
    ['{% outputs.main %}', 'outputs.main is what this step itself gives, after it has run'],
    [
      '{% $map([1], function($i) { inputs.x }) %}',
      'there is no "inputs" here: an expression sees input, outputs and execution; did you mean "input"?',
    ],
    ['{% amount > 1 %}', 'there is no "amount" here: an expression sees input, outputs and execution'],
    [
      '{% output.x %}',
      'there is no "output" here: an expression sees input, outputs and execution; did you mean "outputs"?',
    ],
    ['{% execution.nmae %}', 'there is no execution.nmae: an execution shows id and name; did you mean "name"?'],
    [
      '{% $input.amount %}',
      '"$input" is no function of JSONata, and the expression does not define it; did you mean "input", without a $?',
    ],
    ['{% $summ(input.x) %}', '"$summ" is no function of JSONata, and the expression does not define it'],
    [
      'Pay {% input.amount %} EUR',
      'a text is an expression only when all of it is one {% … %}; write {% "Pay " & $string(input.amount) & " EUR" %}',
    ],
    [
      '{% input.a %} and {% input.b %}',
      'a text is an expression only when all of it is one {% … %}; write {% $string(input.a) & " and " & $string(input.b) %}',
    ],
    [
      'Pay {% input.amount } EUR',
      'the "{%" is never closed with "%}"; a text that should hold "{%" itself is written as {% "…" %}',
    ],
  ])('says what is wrong with %s', async (text, expected) => {
    expect(await told(text)).toEqual([expected]);
    expect(await mistakes(config(steps({ x: text })))).toEqual([expect.stringMatching('^/steps/3/input/x ')]);
  });

  it('recognises a minus that was meant as part of a name', async () => {
    expect((await told('{% outputs.parse-it %}'))[0]).toBe(
      'no output stands under outputs.parse; did you mean outputs.`parse-it`?',
    );
  });

  it('checks conditions, messages, compensations and the output, each in its own context', async () => {
    const document = config(
      [
        ...steps('{% outputs.pages %}', {
          when: 'outputs.other',
          compensate: { agent: 'echo', input: ['{% output.x %}', '{% outputs.main.x %}', '{% outputs.other %}'] },
        }),
        { id: 'human', name: 'h', dependencies: ['main'], approval: { message: '{% outputs.pages & outputs.nope %}' } },
      ],
      { output: { all: '{% outputs.other & outputs.nope %}', '{% key %}': 1 } },
    );
    expect(await mistakes(document)).toEqual([
      '/steps/3/when not_a_dependency',
      '/steps/3/compensate/input/2 not_a_dependency',
      '/steps/4/approval/message unknown_reference',
      '/output/all unknown_reference',
      '/output/{% key %} bad_expression',
    ]);
    expect(
      await messages(config([step('a', { when: 'Is {% input.x %}?' }), step('b', { when: '{% input.x' })])),
    ).toEqual([
      expect.stringContaining('is one {% … %}; write {% "Is " & $string(input.x) & "?" %}'),
      expect.stringContaining('never closed'),
    ]);
  });

  it('accepts any name in votes and scores, because a member’s output may contain anything', async () => {
    const members = [step('a', { consensus_group: 'g' }), step('b', { consensus_group: 'g' })];
    const group = (vote: string) =>
      config(members, { consensus_groups: [{ id: 'g', mode: 'majority', vote_key: vote }] });
    expect(await mistakes(group('verdict.value'))).toEqual([]);
    expect(await mistakes(group('$lowercas(verdict)'))).toEqual(['/consensus_groups/0/vote_key unknown_reference']);
  });

  it('shows a group’s dependents its output and those of its members, with what they depend on', async () => {
    const members = [
      step('x'),
      step('a', { consensus_group: 'g', output_key: 'answer', dependencies: ['x'] }),
      step('b', { consensus_group: 'g', output_key: 'answer' }),
    ];
    const after = (key: string) => config([...members, step('z', { dependencies: ['g'], when: `outputs.${key}` })]);
    for (const key of ['g', 'answer', 'x']) expect(await mistakes(after(key))).toEqual([]);
    expect(await mistakes(after('a'))).toEqual(['/steps/3/when unknown_reference']);
  });

  it('shows a fallback the same outputs as the step that it serves, over any number of links', async () => {
    const document = (strategy: string, spare: object) =>
      config(
        [
          step('x'),
          step('other'),
          step('main', { dependencies: ['x'], on_failure: 'fallback' }),
          step('spare', { ...spare, when: 'outputs.x', on_failure: 'fallback' }),
          step('last', { fallback_for: 'spare', when: 'outputs.x and outputs.other', dependencies: ['other'] }),
        ],
        { strategy },
      );
    expect(await mistakes(document('parallel', { fallback_for: 'main' }))).toEqual([]);
    expect(await mistakes(document('fallback', { is_fallback: true }))).toEqual([]);
    const group = (when: string) =>
      config(
        [
          step('x'),
          step('m', { consensus_group: 'g', dependencies: ['x'] }),
          step('spare', { fallback_for: 'g', when }),
          step('judge', { fallback_for: 'g', dependencies: ['g'], when: 'outputs.m' }),
        ],
        { consensus_groups: [{ id: 'g', on_failure: 'fallback' }] },
      );
    expect(await mistakes(group('outputs.x'))).toEqual([]);
    expect(await mistakes(group('outputs.m'))).toEqual(['/steps/2/when not_a_dependency']);
    expect(
      await messages(
        config([
          step('z', { dependencies: ['main'], when: 'outputs.spare' }),
          step('main', { on_failure: 'fallback' }),
          step('spare', { fallback_for: 'main' }),
        ]),
      ),
    ).toEqual([
      'no output stands under outputs.spare: "spare" is a fallback, whose output stands under the key of what it serves',
    ]);
  });

  it('checks names in the input when input_schema forbids other fields', async () => {
    const schema = {
      type: 'object',
      additionalProperties: false,
      properties: {
        amount: { type: 'number' },
        customer: { type: 'object', additionalProperties: false, properties: { name: {} } },
        items: { type: 'array', items: { type: 'object', additionalProperties: false, properties: { price: {} } } },
        open: { type: 'object', properties: { x: {} } },
        either: { additionalProperties: false, type: ['object', 'string'] },
      },
    };
    const check = (path: string, input_schema: unknown = schema) =>
      messages(config([step('a', { when: path })], { input_schema }));
    for (const path of ['input.amount', 'input.customer.name', 'input.items.price', 'input.open.y', 'input.either.z']) {
      expect(await check(path)).toEqual([]);
    }
    expect(await check('input.ammount')).toEqual([
      'there is no input.ammount: input_schema does not allow it; did you mean "amount"?',
    ]);
    expect(await check('input.customer.nme')).toEqual([
      'there is no input.customer.nme: input_schema does not allow it; did you mean "name"?',
    ]);
    expect(await check('$sum(input.items.(price * cout))')).toEqual([
      'there is no input.items.cout: input_schema does not allow it',
    ]);
    expect(await check('input.nope', { type: 'object', properties: { a: {} } })).toEqual([]);
    const pair = { type: 'array', prefixItems: [{}], items: { type: 'object', additionalProperties: false } };
    expect(await check('input.pair.x', { type: 'object', properties: { pair } })).toEqual([]);
    expect(await check('input.x1', { ...schema, patternProperties: { '^x': {} } })).toEqual([]);
  });

  it('suggests names of steps where one is misspelt', async () => {
    expect(
      await messages(
        config([step('status'), step('b', { dependencies: ['stauts'] }), step('c', { fallback_for: 'Status' })]),
      ),
    ).toEqual([
      'there is no step or consensus group "stauts"; did you mean "status"?',
      'there is no step or consensus group "Status"; did you mean "status"?',
    ]);
  });
});

describe('size', () => {
  const chain = (length: number, link: (n: number) => object) =>
    Array.from({ length }, (_, n) => step(`s${n}`, n === 0 ? { on_failure: 'fallback' } : link(n)));

  it.each<[string, (n: number) => object, string[]]>([
    ['one long chain', (n) => ({ dependencies: [`s${n - 1}`], when: `outputs.s${n - 1}` }), []],
    ['expressions that look far up', (n) => ({ dependencies: [`s${n - 1}`], when: 'outputs.s0' }), []],
    [
      'ten dependencies each',
      (n) => ({ dependencies: [...new Set(Array.from({ length: 10 }, (_, k) => `s${(n * (k + 1) * 7) % n}`))] }),
      [],
    ],
    [
      'one long chain of alternatives',
      (n) => ({
        ...(n === 0 ? {} : { fallback_for: `s${n - 1}`, dependencies: ['s0', `s${n - 1}`].slice(n === 1 ? 1 : 0) }),
        on_failure: 'fallback',
      }),
      [],
    ],
    ['a chain listed backwards', (n) => ({ dependencies: [`s${(n + 1) % 10_000}`] }), []],
  ])('accepts 10,000 steps with %s', async (_, link, expected) => {
    // A check that is not linear exceeds jest's timeout here.
    expect(await mistakes(config(chain(10_000, link)))).toEqual(expected);
  });

  it('names a cycle of 10,000 steps without listing them all', async () => {
    const steps = chain(10_000, (n) => ({ dependencies: [`s${n - 1}`] }));
    steps[0] = step('s0', { dependencies: ['s9999'] });
    const [message, ...others] = await messages(config(steps));
    expect(others).toEqual([]);
    expect(message).toMatch(/^these wait for each other: s0 → s9999 → .*… → s0/);
    expect(message?.length).toBeLessThan(1000);
  });

  it('refuses more, and counts mistakes beyond the listed ones', async () => {
    expect(await mistakes(config(chain(10_001, () => ({}))))).toEqual(['/steps too_many']);
    const result = await validateDefinition(config(Array.from({ length: 5000 }, () => null)), ports);
    expect(result).toMatchObject({ ok: false, total: 5000 });
    expect(!result.ok && result.violations).toHaveLength(1000);
  });
});

describe('suggested names', () => {
  it.each<[unknown, string]>([
    [config([step('a', { retrys: {} })]), '"retrys" is not a known field; did you mean "retry"?'],
    [config([step('a', { timeout: 5 })]), '"timeout" is not a known field; did you mean "timeout_ms"?'],
    [
      config([step('a', { approval: undefined, retry: { max_attempts: 2, when: 'x' } })]),
      '"when" is not a known field; known are max_attempts, backoff_ms, backoff_coefficient, max_backoff_ms, jitter, non_retryable, total_timeout_ms',
    ],
    [
      config([step('a')], { stratgy: 'parallel' }),
      '"stratgy" is not a known field; known are name, description, strategy, steps, settings, metadata, is_global, input_schema, consensus_groups, output',
    ],
    [
      config([step('a')], { strategy: 'paralel' }),
      'must be one of sequential, parallel, consensus, fallback; did you mean "parallel"?',
    ],
    [
      config([step('a')], { settings: { timout_ms: 5 } }),
      '"timout_ms" is not a known field; did you mean "timeout_ms"?',
    ],
    [config([step('a', { agent: 'synthesiser' })]), 'there is no agent "synthesiser"; did you mean "synthesizer"?'],
    [config([step('a', { agent: 'transaltor' })]), 'there is no agent "transaltor"; did you mean "translator"?'],
    [
      config([step('a', { agent: 'accountant' })]),
      'there is no agent "accountant"; register it with PUT /api/v1/agents/accountant',
    ],
  ])('are given for %j', async (document, message) => {
    expect(await messages(document)).toEqual([message]);
  });
});

describe('references to secrets', () => {
  const REF = '{{secret:API_TOKEN}}';
  const places = (document: object): Promise<string[]> => mistakes(document);

  it('are allowed in texts in the inputs of steps and of compensations', async () => {
    expect(
      await places(
        config([
          step('a', {
            agent: 'http',
            input: { headers: { authorization: `Bearer ${REF}` }, list: [`${REF}:${REF}`] },
            compensate: { agent: 'http', input: { url: `https://example.org/${REF}` } },
          }),
        ]),
      ),
    ).toEqual([]);
  });

  it.each([
    ['an expression', { input: { x: `{% "${REF}" %}` } }, '/steps/0/input/x'],
    ['the name of a field', { input: { [REF]: 'x' } }, `/steps/0/input/${REF}`],
    ['a template', { agent: 'synthesizer', input: { template: `x ${REF}` } }, '/steps/0/input/template'],
    ['a condition', { when: `input.x = "${REF}"` }, '/steps/0/when'],
    ['a name', { name: `for ${REF}` }, '/steps/0/name'],
    ['another form', { input: { x: '{{ secret:API_TOKEN }}' } }, '/steps/0/input/x'],
    ['an unfinished form', { input: { x: `${REF}{{secret:` } }, '/steps/0/input/x'],
  ])('are not allowed in %s', async (_, more, path) => {
    expect(await places(config([step('a', more)]))).toContain(`${path} secret_not_allowed`);
  });

  it('are not allowed outside of steps, in an approval, or in a global config', async () => {
    expect(await places(config([step('a')], { output: { x: REF } }))).toEqual(['/output/x secret_not_allowed']);
    expect(await places(config([step('a')], { settings: { callback_url: `https://example.org/${REF}` } }))).toContain(
      '/settings/callback_url secret_not_allowed',
    );
    const approval = { id: 'a', name: 'a', approval: { message: REF }, input: { x: REF } };
    expect((await places(config([approval]))).toSorted()).toEqual([
      '/steps/0/approval/message secret_not_allowed',
      '/steps/0/input/x secret_not_allowed',
    ]);
    expect(await places(config([step('a', { input: { x: REF } })], { is_global: true }))).toEqual([
      '/steps/0/input/x secret_not_allowed',
    ]);
    expect(await messages(config([step('a', { input: { x: '{{secret:API_TOKN}}' } })]))).toEqual([
      'there is no secret "API_TOKN"; did you mean "API_TOKEN"?',
    ]);
  });
});

describe('a step that chooses among candidates', () => {
  const routing = (route: object, more: object = {}): unknown =>
    config([{ id: 'a', name: 'A', route: { ...ROUTE, ...route }, ...more }]);
  const ROUTE = {
    mode: 'hybrid',
    model: 'writer',
    embedding_model: 'writer',
    min_confidence: 0,
    instructions: 'Be fair.',
    message: { said: '{% input.text %}' },
    fallback: 'other',
    candidates: [
      {
        name: 'money',
        agent: 'mine',
        description: 'd',
        examples: ['e'],
        keywords: ['k'],
        when: 'input.n > 1',
        timeout_ms: 1,
        retry: { max_attempts: 2 },
      },
      { name: 'other', agent: 'echo', description: 'All else' },
    ],
  };
  const one = (candidate: object): object => ({
    candidates: [{ name: 'x', agent: 'echo', description: 'd', ...candidate }],
    fallback: null,
  });
  const rules = { mode: 'rules', model: null, embedding_model: null, instructions: null, min_confidence: null };

  it('may use every field, and its candidates are agents that the config uses', async () => {
    const document = routing({});
    expect(await validateDefinition(document, ports)).toEqual({ ok: true, definition: document, agents: ['mine'] });
  });

  it.each<[string, object, object, string[]]>([
    ['no candidates', { candidates: [], fallback: null }, {}, ['/steps/0/route/candidates too_few']],
    ['a candidate of nobody', one({ agent: 'nobody' }), {}, ['/steps/0/route/candidates/0/agent unknown_agent']],
    ['a candidate without an agent', one({ agent: null }), {}, ['/steps/0/route/candidates/0/agent required']],
    [
      'a config that nobody has',
      one({ agent: null, config: 'no' }),
      {},
      ['/steps/0/route/candidates/0/config unknown_config'],
    ],
    ['an agent and a config', one({ config: 'billing' }), {}, ['/steps/0/route/candidates/0/config contradiction']],
    [
      'a version of no config',
      one({ config_version: 1 }),
      {},
      ['/steps/0/route/candidates/0/config_version contradiction'],
    ],
    ['no description', one({ description: null }), {}, ['/steps/0/route/candidates/0/description required']],
    [
      'rules that nobody reads',
      { ...one({ when: 'true' }), mode: 'model', embedding_model: null },
      {},
      ['/steps/0/route/candidates/0/when contradiction'],
    ],
    ['a candidate without a rule', { ...one({}), ...rules }, {}, ['/steps/0/route/candidates/0/when required']],
    [
      'a model beside rules',
      { ...one({ when: 'true' }), ...rules, model: 'writer' },
      {},
      ['/steps/0/route/model contradiction'],
    ],
    ['no model', { model: null, embedding_model: null }, {}, ['/steps/0/route/model required']],
    [
      'no vectors',
      { ...one({}), mode: 'semantic', embedding_model: null, model: null, instructions: null },
      {},
      ['/steps/0/route/embedding_model required'],
    ],
    ['vectors of nobody', { embedding_model: 'nobody' }, {}, ['/steps/0/route/embedding_model unknown_model']],
    ['a model of nobody', { model: 'nobody' }, {}, ['/steps/0/route/model unknown_model']],
    ['too much confidence', { min_confidence: 1.1 }, {}, ['/steps/0/route/min_confidence out_of_range']],
    ['an agent beside it', {}, { agent: 'echo' }, ['/steps/0/agent contradiction']],
    ['a sign of life', {}, { heartbeat_ms: 5 }, ['/steps/0/heartbeat_ms contradiction']],
    ['a secret', {}, { input: { key: '{{secret:KEY}}' } }, ['/steps/0/input/key secret_not_allowed']],
    ['a bad condition', one({ when: 'input.' }), {}, ['/steps/0/route/candidates/0/when bad_expression']],
    ['an unknown mode', { mode: 'magic' }, {}, ['/steps/0/route/mode not_allowed']],
  ])('is refused with %s', async (_, route, more, expected) => {
    expect(await mistakes(routing(route, more))).toEqual(expected);
  });

  it('suggests what was meant', async () => {
    expect(await messages(routing({ fallback: 'othr' }))).toEqual([
      'there is no candidate "othr"; did you mean "other"?',
    ]);
    expect(await messages(routing({ candidates: null, candidats: [] }))).toContainEqual(
      expect.stringContaining('did you mean "candidates"?'),
    );
    expect(await mistakes(routing({ candidates: [...ROUTE.candidates, ROUTE.candidates[0]] }))).toEqual([
      '/steps/0/route/candidates/2/name duplicate_id',
    ]);
  });
});

describe('a step that asks a model', () => {
  const asking = (llm: object, more: object = {}): unknown =>
    config([{ id: 'a', name: 'A', llm: { model: 'writer', prompt: 'Hello', ...llm }, ...more }]);
  const tool = (more: object): object => ({ tools: [{ name: 't', agent: 'mine', ...more }] });

  it('may use every field, and its tools are agents that the config uses', async () => {
    const document = asking({
      system: 'Be brief.',
      prompt: { q: '{% input.q %}' },
      tools: [
        { name: 't', agent: 'mine', description: 'd', input_schema: { type: 'object' }, timeout_ms: 1, parallel: 2 },
        { name: 'done', finish: true },
      ],
      output_schema: { type: 'object' },
      max_turns: 3,
      on_max_turns: 'answer',
      max_repairs: 0,
      max_output_tokens: 10,
      temperature: 0,
      tool_choice: 't',
    });
    expect(await validateDefinition(document, ports)).toEqual({ ok: true, definition: document, agents: ['mine'] });
  });

  it.each([
    ['no prompt', { prompt: null }, {}, ['/steps/0/llm/prompt required']],
    ['two beginnings', { messages: [] }, {}, ['/steps/0/llm/messages contradiction']],
    ['an agent beside it', {}, { agent: 'echo' }, ['/steps/0/agent contradiction']],
    ['an input', {}, { input: {} }, ['/steps/0/input contradiction']],
    ['a sign of life', {}, { heartbeat_ms: 5 }, ['/steps/0/heartbeat_ms contradiction']],
    ['a tool of nobody', tool({ agent: 'nobody' }), {}, ['/steps/0/llm/tools/0/agent unknown_agent']],
    ['a tool without an agent', tool({ agent: null }), {}, ['/steps/0/llm/tools/0/agent required']],
    ['a finish with an agent', tool({ finish: true }), {}, ['/steps/0/llm/tools/0/agent contradiction']],
    ['a choice of no tool', { ...tool({}), tool_choice: 'u' }, {}, ['/steps/0/llm/tool_choice not_allowed']],
    ['repairs of nothing', { max_repairs: 1 }, {}, ['/steps/0/llm/max_repairs contradiction']],
    ['too many turns', { max_turns: 201 }, {}, ['/steps/0/llm/max_turns out_of_range']],
    ['a secret', { system: '{{secret:KEY}}' }, {}, ['/steps/0/llm/system secret_not_allowed']],
    ['an unknown field', { temprature: 1 }, {}, ['/steps/0/llm/temprature unknown_field']],
    ['a model of nobody', { model: 'nobody' }, {}, ['/steps/0/llm/model unknown_model']],
  ])('is refused with %s', async (_, llm, more, expected) => {
    expect(await mistakes(asking(llm, more))).toEqual(expected);
  });

  it('names a model that its tenant has, wherever a name is written, or says how to make it', async () => {
    expect(await messages(asking({ model: 'writr' }))).toEqual(['there is no model "writr"; did you mean "writer"?']);
    expect(await messages(asking({ model: 'nobody' }))).toEqual([
      'there is no model "nobody"; an admin makes it with PUT /api/v1/models/nobody',
    ]);
    const asks = (input: object): object => step('a', { agent: 'ask_model', input });
    expect(await mistakes(config([asks({ model: 'nobody', prompt: 'p' })]))).toEqual([
      '/steps/0/input/model unknown_model',
    ]);
    const undoes = { compensate: { agent: 'ask_model', input: { model: 'nobody', prompt: 'p' } } };
    expect(await mistakes(config([step('a', undoes)]))).toEqual(['/steps/0/compensate/input/model unknown_model']);
  });

  it('may name a model that is known only when it runs', async () => {
    expect(await mistakes(config([step('a', { agent: 'ask_model', input: { model: '{% input.m %}' } })]))).toEqual([]);
    expect(await mistakes(config([step('a', { input: { model: 'nobody' } })]))).toEqual([]);
    // The tenant that runs it has models of its own.
    expect(await mistakes(Object.assign(asking({ model: 'nobody' }) as object, { is_global: true }))).toEqual([]);
  });
});

describe('a step with a map', () => {
  const each = (map: object, more: object = {}) => config([{ id: 'each', name: 'each', map, ...more }]);
  const items = '{% input.list %}';

  it('has an agent, a config, a model or another map for each item', async () => {
    for (const worker of [
      { agent: 'mine', input: { of: '{% item.name %}', at: '{% index %}', all: '{% input %}' }, when: 'item.go' },
      { orchestration: { config: 'billing' } },
      { llm: { model: 'writer', prompt: '{% item %}' } },
      { map: { items: '{% item.rows %}', step: { agent: 'echo', input: '{% item %}' } } },
    ]) {
      expect(await mistakes(each({ items, step: worker }))).toEqual([]);
    }
    expect(await mistakes(each({ items, step: { name: 'x' } }))).toEqual(['/steps/0/map/step/agent required']);
    expect(await mistakes(each({ step: { agent: 'echo' } }))).toEqual(['/steps/0/map/items required']);
    expect(await mistakes(each({ items }))).toEqual(['/steps/0/map/step required']);
    for (const noList of ['input.list', { a: 1 }, 7, true]) {
      expect(await mistakes(each({ items: noList, step: { agent: 'echo' } }))).toEqual([
        '/steps/0/map/items bad_format',
      ]);
    }
    expect(await mistakes(each({ items: ['a', '{% input.b %}'], step: { agent: 'echo' } }))).toEqual([]);
  });

  it('says what was meant by a misspelt name', async () => {
    expect(await messages(each({ itmes: items, step: { agent: 'echo' } }))).toContainEqual(
      expect.stringContaining('did you mean "items"'),
    );
    expect(await mistakes(each({ items, step: { agent: 'min' } }))).toEqual(['/steps/0/map/step/agent unknown_agent']);
    expect(await messages(each({ items, step: { agent: 'min' } }))).toEqual([expect.stringContaining('"mine"')]);
    expect(await mistakes(each({ items, step: { orchestration: { config: 'biling' } } }))).toEqual([
      '/steps/0/map/step/orchestration/config unknown_config',
    ]);
    expect(await mistakes(each({ items, step: { llm: { model: 'riter', prompt: 'x' } } }))).toEqual([
      '/steps/0/map/step/llm/model unknown_model',
    ]);
    expect(await mistakes(each({ items, step: { agent: 'echo', signal: { name: 'x' } } }))).toEqual([
      '/steps/0/map/step/signal unknown_field',
    ]);
    const deep = { items: '{% item %}', step: { agent: 'min' } };
    expect(await mistakes(each({ items, step: { map: deep } }))).toEqual([
      '/steps/0/map/step/map/step/agent unknown_agent',
    ]);
  });

  it('sees the item and its position in the step of an item, and nowhere else', async () => {
    expect(await mistakes(each({ items: '{% item %}', step: { agent: 'echo' } }))).toEqual([
      '/steps/0/map/items unknown_reference',
    ]);
    expect(await messages(each({ items, step: { agent: 'echo', input: '{% itm.x %}' } }))).toEqual([
      'there is no "itm" here: an expression sees input, outputs, execution, item and index; did you mean "item"?',
    ]);
    const above = { id: 'list', name: 'list', agent: 'echo' };
    const map = { items: '{% outputs.list %}', step: { agent: 'echo', input: '{% outputs.list %}' } };
    const after = { id: 'each', name: 'each', map };
    expect(await mistakes(config([above, { ...after, dependencies: ['list'] }]))).toEqual([]);
    expect(await mistakes(config([above, after]))).toEqual([
      '/steps/1/map/items not_a_dependency',
      '/steps/1/map/step/input not_a_dependency',
    ]);
    expect(await mistakes(each({ items, step: { agent: 'echo', input: '{% item. %}' } }))).toEqual([
      '/steps/0/map/step/input bad_expression',
    ]);
  });

  it('has limits that make sense', async () => {
    const step = { agent: 'echo' };
    for (const tolerated of [0, 3, '5%', '12.5%', '100%']) {
      expect(await mistakes(each({ items, step, tolerated_failures: tolerated }))).toEqual([]);
    }
    for (const [tolerated, code] of [
      [-1, 'out_of_range'],
      ['5', 'bad_format'],
      ['101%', 'bad_format'],
      [true, 'wrong_type'],
    ] as const) {
      expect(await mistakes(each({ items, step, tolerated_failures: tolerated }))).toEqual([
        `/steps/0/map/tolerated_failures ${code}`,
      ]);
    }
    expect(await mistakes(each({ items, step, max_concurrency: 0 }))).toEqual([
      '/steps/0/map/max_concurrency out_of_range',
    ]);
    expect(await mistakes(each({ items, step, max_items: 10_001 }))).toEqual(['/steps/0/map/max_items out_of_range']);
    expect(await mistakes(each({ items, step, results: 'all' }))).toEqual(['/steps/0/map/results not_allowed']);
    expect(await mistakes(each({ items, step: { agent: 'echo', retry: { backoff_ms: 5 } } }))).toEqual([
      '/steps/0/map/step/retry/backoff_ms contradiction',
    ]);
    expect(await mistakes(each({ items, step: { orchestration: { config: 'billing' }, timeout_ms: 5 } }))).toEqual([
      '/steps/0/map/step/timeout_ms contradiction',
    ]);
  });

  it('has no fields of an agent’s attempts beside it, and no secrets in it', async () => {
    const step = { agent: 'echo' };
    expect(await mistakes(each({ items, step }, { retry: { max_attempts: 2 }, timeout_ms: 5, input: 1 }))).toEqual(
      expect.arrayContaining([
        '/steps/0/input contradiction',
        '/steps/0/timeout_ms contradiction',
        '/steps/0/retry contradiction',
      ]),
    );
    expect(await mistakes(each({ items, step }, { agent: 'echo' }))).toEqual(['/steps/0/agent contradiction']);
    const secret = { agent: 'echo', input: { url: 'https://a.example/{{secret:API_TOKEN}}' } };
    expect(await mistakes(each({ items, step: secret }))).toEqual(['/steps/0/map/step/input/url secret_not_allowed']);
  });

  it('keeps agents of a tenant out of global configs', async () => {
    const document = { ...each({ items, step: { agent: 'mine' } }), is_global: true };
    expect(await mistakes(document)).toEqual(['/steps/0/map/step/agent agent_not_global']);
  });
});
