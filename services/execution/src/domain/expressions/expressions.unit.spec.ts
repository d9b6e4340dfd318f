import { describe, expect, test } from '@jest/globals';
import type { JsonValue } from '@batuta/contracts';
import { fillTemplate, mappedValue, parseExpression, parseTemplate, truthy, valueAtPath } from './expressions.js';
import { taskInput } from './inputs.js';
import { config, event, scenario } from '../../../test/engine/scenario.js';

describe('expressions', () => {
  test.each([
    ['input.a', ['input', 'a']],
    [' {% outputs.step_1.level %} ', ['outputs', 'step_1', 'level']],
    ['$sum(a)', undefined],
    ['a and b', undefined],
    ['a.true', undefined],
    ['a[0]', undefined],
    ['a-b', undefined],
    ['`a b`', undefined],
    ['1', undefined],
  ])('%s is a plain path: %j', (text, path) => {
    expect(parseExpression(text).path).toEqual(path);
  });

  test.each<[string, JsonValue, unknown]>([
    ['a.b', { a: { b: 1 } }, { known: true, value: 1 }],
    ['a.b', { a: null }, { known: true, value: undefined }],
    ['a', { a: [1, 2] }, { known: true, value: [1, 2] }],
    ['a.b', { a: [{ b: 1 }, { c: 3 }, { b: [2] }] }, { known: true, value: [1, 2] }],
    ['a.b', { a: [{ b: 1 }] }, { known: true, value: 1 }],
    ['a.b', { a: [{ b: [1] }] }, { known: true, value: [1] }],
    ['a', [{ a: 1 }], { known: true, value: 1 }],
    ['$a', { a: 1 }, { known: false }],
    ['toString', {}, { known: true, value: undefined }],
  ])('%s of %j is %j', (path, root, expected) => {
    expect(valueAtPath(parseExpression(path).path, root)).toEqual(expected);
  });

  test('a mapping keeps what is not an expression, and a missing value is null', () => {
    const template = parseTemplate({ a: ['{% input.x %}', 'plain {% no %}'], b: { c: '{%input.y%}' }, n: 1 });
    expect(template.expressions.map((each) => each.source)).toEqual(['input.x', 'input.y']);
    expect(mappedValue(template, () => ({ input: { x: { deep: true } } }), undefined)).toEqual({
      a: [{ deep: true }, 'plain {% no %}'],
      b: { c: null },
      n: 1,
    });
  });

  test('the template of the synthesizer is Liquid, which its agent renders', () => {
    const document = {
      list: '{% input.list %}',
      template: '{% for i in list %}{{ i }}{% endfor %}',
      b: '{% input.b %}',
    };
    const template = parseTemplate(document, 'synthesizer');
    expect(template.expressions.map((each) => each.source)).toEqual(['input.list', 'input.b']);
    expect(fillTemplate(template, [[1], 2])).toEqual({ ...document, list: [1], b: 2 });
    expect(parseTemplate(document, 'echo').expressions).toHaveLength(3);
    const mapped = parseTemplate({ template: '{% input.template %}' }, 'synthesizer');
    expect(fillTemplate(mapped, ['Hello {{ who }}'])).toEqual({ template: 'Hello {{ who }}' });
  });

  test('the template of a compensation by the synthesizer is Liquid as well', () => {
    const template = '{% if a %}yes{% endif %}';
    const run = scenario(
      config('sequential', [
        {
          id: 'a',
          agent: 'synthesizer',
          input: { template },
          compensate: { agent: 'synthesizer', input: { template } },
        },
        { id: 'b' },
      ]),
    ).start();
    expect(taskInput(run.state, 'a')).toEqual({ template });
    run.ok('a').fails('b');
    expect(taskInput(run.state, 'a:compensate')).toEqual({ template });
  });

  test.each<[JsonValue | undefined, boolean]>([
    [undefined, false],
    [null, false],
    [0, false],
    ['', false],
    [[], false],
    [{}, false],
    [[0, ''], false],
    [1, true],
    ['x', true],
    [[0, 1], true],
    [{ a: null }, true],
    [true, true],
  ])('%j is true: %j', (value, expected) => {
    expect(truthy(value)).toBe(expected);
  });
});

describe('conditions and mappings of steps', () => {
  const steps = [
    { id: 'a', output_key: 'found' },
    { id: 'b', dependencies: ['a'], when: '{% outputs.found.ok %}' },
    { id: 'c', dependencies: ['b'] },
  ];

  test('a plain condition is answered in place; a skipped step satisfies its dependents', () => {
    const run = scenario(config('parallel', steps)).start({});
    expect(run.ok('a', { ok: false }).last).toEqual([
      'StepCompleted a #1',
      'StepSkipped b condition_false',
      'StepScheduled c #1',
    ]);
    expect(taskInput(run.state, 'c')).toEqual({ b: null });
  });

  test('require all skips the dependents of a skipped step too', () => {
    const strict = [...steps.slice(0, 2), { id: 'c', dependencies: ['b'], require: 'all' as const }];
    const run = scenario(config('parallel', strict)).start({}).ok('a', { ok: false });
    expect(run.last).toEqual([
      'StepCompleted a #1',
      'StepSkipped b condition_false',
      'StepSkipped c dependency_skipped',
      'ExecutionCompleted',
    ]);
  });

  test('anything else goes to the sandbox: condition first, then mapping; the answers are in the log', () => {
    const definition = config('sequential', [
      { id: 'a', when: '$count(input.list) > 1', input: { n: '{% $sum(input.list) %}' } },
    ]);
    const run = scenario(definition).start({ list: [1, 2] });
    expect(run.last).toEqual(['ExecutionStarted', 'EvaluationRequested when:a']);
    expect(run.effects.at(-1)).toEqual({
      type: 'evaluate',
      key: 'when:a',
      expressions: ['$count(input.list) > 1'],
      context: { input: { list: [1, 2] } },
    });
    expect(run.evaluated('when:a', true).last).toEqual(['EvaluationRecorded when:a', 'EvaluationRequested input:a']);
    expect(run.wanted).toMatchObject([{ type: 'evaluate', key: 'input:a' }]);
    expect(run.evaluated('input:a', 3).last).toEqual(['EvaluationRecorded input:a', 'StepScheduled a #1']);
    expect(taskInput(run.state, 'a')).toEqual({ n: 3 });
    expect(run.evaluated('input:a', 4).outcome).toBe('stale');
  });

  test('a plain path is read in place also beside what the sandbox answers, and is not sent there', () => {
    const large = 'x'.repeat(300_000);
    const definition = config('sequential', [
      { id: 'a' },
      {
        id: 'b',
        dependencies: ['a'],
        input: { v: '{% outputs.a.v %}', n: '{% 1 + 1 %}', list: ['{% outputs.a.items.id %}', '{% $sum(input.s) %}'] },
      },
    ]);
    const run = scenario(definition).start({ s: [1, 2] });
    run.ok('a', { v: large, items: [{ id: 1 }, { id: 2 }] });
    expect(run.effects).toEqual([
      { type: 'evaluate', key: 'input:b', expressions: ['1 + 1', '$sum(input.s)'], context: { input: { s: [1, 2] } } },
    ]);
    run.evaluated('input:b', 2, 3);
    expect(taskInput(run.state, 'b')).toEqual({ v: large, n: 2, list: [[1, 2], 3] });
  });

  test('a log of an earlier version has the values of the plain paths too', () => {
    const definition = config('sequential', [{ id: 'a', input: { v: '{% input.v %}', n: '{% 1 + 1 %}' } }]);
    const run = scenario(definition).start({ v: 'x' });
    run.given(event('EvaluationRecorded', { key: 'input:a', values: ['x', 2] }));
    expect(taskInput(run.state, 'a')).toEqual({ v: 'x', n: 2 });
  });

  test.each<[string, string[]]>([
    ['input.n > 1', ['input']],
    ['$count(outputs.a.list) > 1', ['outputs.a']],
    ['outputs.`b b`.n + 1', ['outputs.b b']],
    ['$string(outputs)', ['outputs.a', 'outputs.b b']],
    ['$now()', []],
    ['$map(outputs.a.list, function($v) { $v + 1 })', ['outputs.a']],
    ['$keys($)', ['all']],
    ['$', ['all']],
    ['*.n', ['all']],
    ['$keys()', ['all']],
    ['$string()', ['all']],
    ['$lookup($$, "in" & "put")', ['all']],
    ['$eval("input")', ['all']],
    ['"in\\u0070ut".n', ['all']],
  ])('%s sees %j of its context', (expression, expected) => {
    const steps = [{ id: 'a' }, { id: 'b', output_key: 'b b' }];
    const last = { id: 'c', dependencies: ['a', 'b'], when: `{% ${expression} %}` };
    const run = scenario(config('sequential', [...steps, last]))
      .start({ n: 1 })
      .ok('a', 1)
      .ok('b', 2);
    const [effect] = run.effects;
    const seen = (effect?.type === 'evaluate' ? effect.context : {}) as Record<string, object>;
    const fields = Object.entries(seen).flatMap(([field, value]) =>
      field === 'outputs' ? Object.keys(value).map((key) => `outputs.${key}`) : [field],
    );
    expect(fields.sort()).toEqual(
      expected[0] === 'all' ? ['execution', 'input', 'outputs.a', 'outputs.b b'] : expected,
    );
  });

  test('a failing expression fails its step; one answer too few does as well', () => {
    const definition = config('sequential', [{ id: 'a', when: '$error()', on_failure: 'continue' }, { id: 'b' }]);
    const run = scenario(definition).start();
    expect(run.evaluationFails('when:a').last).toEqual([
      'EvaluationRecorded when:a',
      'StepFailed a expression_failed continue',
      'StepScheduled b #1',
    ]);
    const short = scenario(definition).start().evaluated('when:a');
    expect(short.last).toContain('StepFailed a expression_failed continue');
  });

  test('the execution output may be mapped; a failing mapping fails the execution', () => {
    const plain = config('sequential', [{ id: 'a' }], { output: { level: '{% outputs.a.level %}', fixed: 1 } });
    expect(scenario(plain).start().ok('a', { level: 'high' }).state.output).toEqual({ level: 'high', fixed: 1 });
    const sandboxed = config('sequential', [{ id: 'a' }], { output: '{% $keys(outputs) %}' });
    const run = scenario(sandboxed).start().ok('a', 1);
    expect(run.last).toEqual(['StepCompleted a #1', 'EvaluationRequested output:']);
    expect(run.effects).toMatchObject([{ type: 'evaluate', context: { outputs: { a: 1 } } }]);
    expect(run.evaluated('output:', ['a']).last).toEqual(['EvaluationRecorded output:', 'ExecutionCompleted']);
    expect(run.state.output).toEqual(['a']);
    const bad = scenario(sandboxed).start().ok('a', 1).evaluationFails('output:');
    expect(bad.last).toEqual(['EvaluationRecorded output:', 'ExecutionFailed expression_failed']);
  });

  test('a mapping sees the outputs of all ancestors', () => {
    const run = scenario(
      config('sequential', [
        { id: 'a' },
        { id: 'b', dependencies: ['a'] },
        { id: 'c', dependencies: ['b'], input: { first: '{% outputs.a.n %}', last: '{% outputs.b %}' } },
      ]),
    ).start();
    run.ok('a', { n: 1 }).ok('b', 'B');
    expect(taskInput(run.state, 'c')).toEqual({ first: 1, last: 'B' });
  });
});

test('only texts that the mapping itself holds refer to secrets', () => {
  const REF = '{{secret:A}}';
  const template = parseTemplate({
    'a/b': [`Bearer ${REF}`, '{% input.x %}', `{% "${REF}" %}`],
    plain: 'nothing',
    template: REF,
    [REF]: { c: 'x' },
  });
  expect(template.secrets.toSorted()).toEqual(['/a~1b/0', '/template']);
  expect(parseTemplate({ template: REF, d: REF }, 'synthesizer').secrets).toEqual(['/d']);
  expect(parseTemplate(REF).secrets).toEqual(['']);
  // The result of an expression is in a place without a reference of the config.
  expect(mappedValue(template, () => ({ input: { x: REF } }), [REF])).toMatchObject({
    'a/b': [`Bearer ${REF}`, REF, REF],
  });
});
