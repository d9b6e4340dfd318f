import { afterAll, describe, expect, it } from '@jest/globals';
import { LIQUID_TAGS } from '@batuta/contracts';
import { Liquid } from 'liquidjs';
import { SandboxBusyError, SandboxClosedError } from './errors.js';
import { Sandbox } from './sandbox.js';

const sandbox = new Sandbox({ threads: 1 });
afterAll(() => sandbox.close());

/** Limits that are not reached only because the machine is busy. */
const patient = { timeoutMs: 120_000 };

async function failureCode(expression: string, options: { timeoutMs?: number; resultBytes?: number } = {}) {
  const outcome = await sandbox.evaluate({ expression, context: { a: [{ b: 1 }, { b: 2 }] }, ...options });
  return outcome.ok ? { value: outcome.value } : outcome.failure.code;
}

describe('evaluate', () => {
  it('returns the value of an expression in its context', async () => {
    const context = { items: [{ price: 2 }, { price: 3 }], name: 'ab' };
    expect(await sandbox.evaluate({ expression: '$sum(items.price)', context, ...patient })).toEqual({
      ok: true,
      value: 5,
    });
    expect(await sandbox.evaluate({ expression: '{"n": $uppercase(name)}', context, ...patient })).toEqual({
      ok: true,
      value: { n: 'AB' },
    });
  });

  it('distinguishes an empty selection from null', async () => {
    expect(await sandbox.evaluate({ expression: 'missing', context: {}, ...patient })).toEqual({
      ok: true,
      value: undefined,
    });
    expect(await sandbox.evaluate({ expression: 'x', context: { x: null }, ...patient })).toEqual({
      ok: true,
      value: null,
    });
  });

  it('reports the position of a mistake', async () => {
    expect(await sandbox.evaluate({ expression: '1 + "a"', context: {}, ...patient })).toMatchObject({
      ok: false,
      failure: { code: 'evaluation_error', position: expect.any(Number) },
    });
    expect(await sandbox.evaluate({ expression: 'a + (b', context: {}, ...patient })).toMatchObject({
      ok: false,
      failure: { code: 'syntax_error', position: 6 },
    });
  });

  it.each([
    ['$base64encode("é😀")', 'w6nwn5iA'],
    ['$base64decode("w6k=")', 'é'],
    ['$base64decode($base64encode("größe 😀 漢字"))', 'größe 😀 漢字'],
    ['"é" ~> $base64encode', 'w6k='],
    ['("é").$base64encode()', 'w6k='],
    ['$base64encode(missing)', undefined],
    ['$base64decode("")', ''],
    ['$decodeUrlComponent($encodeUrlComponent("é😀&"))', 'é😀&'],
  ])('reads and writes texts as UTF-8: %s', async (expression, value) => {
    expect(await failureCode(expression, patient)).toEqual({ value });
  });

  it.each([
    '1/0',
    '0/0',
    '5 % 0',
    '{"share": 1/0}',
    '[1, [-1/0]]',
    '1/0 > 5',
    '1/0 > 5 ? "a" : "b"',
    'a.(b / 0)',
    '($f := function($x) { $x / 0 }; $f(1))',
    '$map([1, 2], function($v) { $v / 0 }) ~> $count',
    '1e308 * 10',
    '[1e308, 1e308] ~> $sum',
    '$base64decode("/w==")',
    '$base64decode("é")',
    '$encodeUrl("\ud800")',
  ])('fails when the result is a number or text that JSON cannot represent: %s', async (expression) => {
    expect(await failureCode(expression, patient)).toBe('evaluation_error');
  });

  it('reports the position of a division by zero', async () => {
    const outcome = await sandbox.evaluate({
      expression: 'total / count',
      context: { total: 1, count: 0 },
      ...patient,
    });
    expect(outcome).toEqual({
      ok: false,
      failure: {
        code: 'evaluation_error',
        message: 'division by zero, or a result beyond the largest number',
        position: 7,
        token: '/',
      },
    });
  });

  it('divides and computes remainders like JSONata', async () => {
    const expressions = ['7 / 2', '7 % 4', '(8 / 2) / 2', '{"a": [1 / 4]}', 'missing / 2', '(12/3)[0]', '1/(2/4)'];
    const values = await Promise.all(expressions.map((each) => failureCode(each, patient)));
    expect(values).toEqual([3.5, 3, 2, { a: [0.25] }, undefined, 4, 2].map((value) => ({ value })));
  });

  it('reads a time without a zone as UTC, whatever the zone of the host', async () => {
    expect(new Date(2026, 10, 28).getTimezoneOffset()).not.toBe(0);
    expect(await failureCode('$fromMillis($toMillis("2026-11-28T10:00:00"))', patient)).toEqual({
      value: '2026-11-28T10:00:00.000Z',
    });
  });

  it('matches regular expressions like RegExp, one match after the other', async () => {
    const groups = '$match("a1b22", /([a-z])(\\d+)/).groups';
    expect(await failureCode(groups, patient)).toEqual({ value: ['a', '1', 'b', '22'] });
    expect(await failureCode('$replace("Ab aB", /AB/i, "x")', patient)).toEqual({ value: 'x x' });
    expect(await failureCode('$split("1, 2,3", /,\\s*/)', patient)).toEqual({ value: ['1', '2', '3'] });
    expect(await failureCode('$contains("größe 😀", /😀$/)', patient)).toEqual({ value: true });
  });

  it.each([
    ['a loop without end', '($f := function(){ $f() }; $f())'],
    ['a loop inside one native call', '$map([1..900000], function($v){ $map([1..900000], function($w){ $w }) })'],
    ['a product of ranges', '[1..900000].[1..900000]'],
    [
      'a doubled string that is flattened',
      '($f := function($s,$n){ $n = 0 ? $s : $f($s & $s, $n - 1) }; $map([1..1000], function($i){ $contains($f("aaaaaaaaaaaaaaaa", 22), "b") }))',
    ],
  ])('ends %s at the time limit without blocking the caller', async (_, expression) => {
    // The caller's timers keep firing while the expression spins, because it runs in another thread.
    let ticks = 0;
    const timer = setInterval(() => (ticks += 1), 5);
    const code = await failureCode(expression, { timeoutMs: 200 });
    clearInterval(timer);
    expect(['time_limit', 'memory_limit']).toContain(code);
    expect(ticks).toBeGreaterThan(3);
  });

  it('ends an expression at the memory limit, and runs the next one', async () => {
    const hog = '$count($map([1..200], function($i){ [1..900000] }))';
    expect(await failureCode(hog, { timeoutMs: 60_000 })).toBe('memory_limit');
    expect(await failureCode('1 + 1', patient)).toEqual({ value: 2 });
  });

  it.each([
    [
      'exponential backtracking',
      '$match("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", /^(a+)+$/)',
      { value: undefined },
    ],
    ['nested repeats', '$match("x", /(((a{1,900}){1,900}){1,900})/)', 'evaluation_error'],
    ['a regular expression that never moves on', '$split($pad("", 250000, "ab"), /a*?b*?/)', 'evaluation_error'],
    ['padding', '$pad("x", 1000000000)', 'evaluation_error'],
    ['padding inside $eval', '$eval("$pad(\\"x\\", -1000000000)")', 'evaluation_error'],
    ['a huge range', '[1..10000000]', 'evaluation_error'],
    ['a huge replacement', '$replace($pad("",200000,"a"), "a", $pad("",200000,"b"))', 'evaluation_error'],
    ['recursion', '($f := function($n){ 1 + $f($n + 1) }; $f(0))', 'evaluation_error'],
    ['nesting', `${'('.repeat(15_000)}1${')'.repeat(15_000)}`, 'syntax_error'],
    ['the prototype', '__proto__', { value: undefined }],
    ['the prototype by $lookup', '$lookup($, "__proto__")', { value: undefined }],
    ['the constructor', '$string.constructor("return process")()', 'evaluation_error'],
    ['a key named __proto__', '{"__proto__": {"x": 1}}', 'evaluation_error'],
    ['a key named constructor', '{"constructor": 1}', 'evaluation_error'],
    ['a function as result', 'function($x){ $x }', 'evaluation_error'],
  ])('withstands %s', async (_, expression, expected) => {
    expect(await failureCode(expression, patient)).toEqual(expected);
  });

  it('keeps prototypes unchanged, whatever an expression assigns', async () => {
    await failureCode('$ ~> |$|{"__proto__": {"polluted": 1}}|', patient);
    expect(await failureCode('{}.polluted', patient)).toEqual({ value: undefined });
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  it('refuses a result beyond the size limit', async () => {
    expect(await failureCode('$pad("", 1000, "x")', { ...patient, resultBytes: 100 })).toBe('result_too_large');
  });
});

describe('parseExpressions', () => {
  it('reports each mistake at the index of its expression', async () => {
    const readings = await sandbox.parseExpressions(['a.b', 'a +', '"open'], patient);
    expect(readings).toMatchObject([
      { ok: true },
      { ok: false, failure: { code: 'syntax_error', position: 3 } },
      { ok: false, failure: { code: 'syntax_error' } },
    ]);
  });

  it.each<[string, string[], string[]]>([
    ['outputs.a.v', ['outputs.a.v'], []],
    ['outputs."a b".`c-d`', ['outputs.a b.c-d'], []],
    ['$.outputs.a & $$.input.b', ['outputs.a', 'input.b'], []],
    ['outputs.(a & b)', ['outputs', 'outputs.a', 'outputs.b'], []],
    ['outputs.{"x": a, "y": $$.input.z}', ['outputs', 'outputs.a', 'input.z'], []],
    ['input.list[price > 1].name', ['input.list.price', 'input.list.name'], []],
    ['input.list^(>price)[0].name', ['input.list.price', 'input.list.name'], []],
    ['input.list{kind: $sum(price)}', ['input.list', 'input.list.kind', 'input.list.price'], []],
    ['$map(input.list, function($v, $i) { $v.x + $i + outputs.b })', ['input.list', 'outputs.b'], []],
    ['($o := outputs; $o.a)', ['outputs', 'outputs.a'], []],
    ['($o := outputs; $o := input; $o.a)', ['outputs', 'input'], []],
    ['($f := function($n) { $n < 1 ? 1 : $f($n - 1) }; $f(input.n))', ['input.n'], []],
    ['input.a ? input.b : [input.c, {"d": input.e}, -input.f]', ['a', 'b', 'c', 'e', 'f'].map((n) => `input.${n}`), []],
    ['input.a ?? input.b ~> $f', ['input.a', 'input.b'], ['f']],
    ['input.x ~> |b|{"c": d}|', ['input.x'], []],
    ['outputs.*.v', ['outputs'], []],
    ['**.v', [], []],
    ['$lookup(outputs, input.key).v', ['outputs', 'input.key'], []],
    ['input.a.$uppercase(b)', ['input.a', 'input.a.b'], []],
    ['input.l@$v.input.k[$v.id = id]#$i.x', ['input.l'], []],
    ['input.l[x = 1]#$i.x[$i = 1]', ['input.l.x'], []],
    ['input.a.b.(%.c)', ['input.a.b'], []],
    ['outputs.step-1', ['outputs.step'], []],
    ['$input.amount + $nope($sum($pad("", 1)), $now())', [], ['input', 'nope']],
    ['$map(x, $uppercase)', ['x'], []],
    ['input.a / input.b % 2', ['input.a', 'input.b'], []],
    ['/a+/', [], []],
    ['input.a / input.b + 7 % outputs.c', ['input.a', 'input.b', 'outputs.c'], []],
    ['true', [], []],
  ])('says what %s reads', async (expression, paths, unknown) => {
    const [reading] = await sandbox.parseExpressions([expression], patient);
    if (reading?.ok !== true) throw new Error(JSON.stringify(reading));
    expect(reading.paths.map((path) => path.join('.')).toSorted()).toEqual(paths.toSorted());
    expect(reading.unknown).toEqual(unknown);
  });

  it('reads long and deeply nested expressions without failing', async () => {
    const readings = await sandbox.parseExpressions(
      [`a${'.a'.repeat(16_000)}`, `${'('.repeat(16_000)}a`, `a${'+a'.repeat(16_000)}`, '$x'.repeat(5)],
      patient,
    );
    expect(readings.map((reading) => reading.ok || reading.failure.code)).toEqual(
      expect.arrayContaining([true, 'syntax_error']),
    );
    expect(readings[0]).toMatchObject({ paths: [Array(16).fill('a')] });
  });
});

describe('parseTemplates', () => {
  it('reports each mistake at the index of its template, with line and column', async () => {
    const failures = await sandbox.parseTemplates(
      [
        '{% if a %}{{ a | upcase }}{% endif %}',
        '{% for i in list %}',
        '{{ a | shout }}',
        '{% render "x" %}',
        '{{ a | cell }}',
      ],
      patient,
    );
    expect(failures.map((failure) => failure?.message)).toEqual([
      undefined,
      'tag {% for i in list %} not closed, line:1, col:1',
      'undefined filter: shout, line:1, col:1',
      'tag "render" not found, line:1, col:1',
      undefined,
    ]);
  });

  it('refuses templates that are too long or too deep with its own message', async () => {
    const failures = await sandbox.parseTemplates(['x'.repeat(100_001), '{% if a %}'.repeat(9_900)], patient);
    expect(failures.map((failure) => failure?.message)).toEqual([
      'a template may have at most 100000 characters',
      'the template is nested too deeply',
    ]);
  });

  it('knows every tag of the installed Liquid, so that no tag is mistaken for an expression', () => {
    expect([...LIQUID_TAGS].toSorted()).toEqual(Object.keys(new Liquid().tags).toSorted());
  });
});

describe('validateJson', () => {
  const schema = {
    type: 'object',
    required: ['name', 'size'],
    properties: { name: { type: 'string', pattern: '^(a+)+$' }, mail: { type: 'string', format: 'email' } },
    additionalProperties: false,
  };

  it('reports every violation with its path', async () => {
    const outcome = await sandbox.validateJson({ schema, value: { name: 'b', mail: 'x', 'c/d~': 1 }, ...patient });
    expect(outcome).toMatchObject({ ok: true, total: 4 });
    const paths = outcome.ok ? outcome.violations.map(({ path, code }) => `${path} ${code}`).toSorted() : [];
    expect(paths).toEqual(['/c~1d~0 additionalProperties', '/mail format', '/name pattern', '/size required']);
  });

  it('accepts a valid value', async () => {
    expect(await sandbox.validateJson({ schema, value: { name: 'aa', size: 1 }, ...patient })).toMatchObject({
      violations: [{ path: '/size' }],
    });
    expect(await sandbox.validateJson({ schema: true, value: null, ...patient })).toEqual({
      ok: true,
      violations: [],
      total: 0,
    });
  });

  it.each([
    [0.01, [8.69, 19.99, 0.29, 143.48, -4.35, 1e21, 0], [1.001, 0.005, 1e-7]],
    [0.1, [0.3, 0.7, 1.1, 123456789.1], [0.35]],
    [1e-7, [3e-7, 1], [1e-8]],
    [1, [1e23, 1e300, 2 ** 53], [0.5, 1e-7]],
    [1.5, [3, 4.5, 1.5e30], [2, 1.6e30 + 1e15]],
    [7, [49, -7, 7e20], [50, 1e20]],
  ])('computes multiples of %d with the decimal numbers as written', async (multipleOf, fitting, others) => {
    const schema = { items: { multipleOf } };
    const outcome = await sandbox.validateJson({ schema, value: [...fitting, ...others], ...patient });
    expect(outcome).toMatchObject({ ok: true, total: others.length });
    expect('violations' in outcome ? outcome.violations.map(({ path }) => path) : []).toEqual(
      others.map((_, index) => `/${fitting.length + index}`),
    );
    expect(JSON.stringify(outcome)).toContain(`must be multiple of ${multipleOf}`);
  });

  it('limits the returned violations, and counts all of them', async () => {
    const value = Array.from({ length: 500 }, () => 'x');
    const outcome = await sandbox.validateJson({
      schema: { items: { type: 'number' } },
      value,
      maxViolations: 10,
      ...patient,
    });
    expect(outcome).toMatchObject({ ok: true, total: 500 });
    expect(outcome.ok && outcome.violations).toHaveLength(10);
  });

  it('runs users’ patterns in linear time', async () => {
    const value = { name: `${'a'.repeat(50_000)}!`, size: 1 };
    const outcome = await sandbox.validateJson({ schema: { properties: schema.properties }, value, ...patient });
    expect(outcome).toMatchObject({ ok: true, violations: [{ path: '/name', code: 'pattern' }] });
  });

  it('ends a validation that takes quadratic time', async () => {
    const value = Array.from({ length: 60_000 }, (_, index) => ({ index }));
    const outcome = await sandbox.validateJson({ schema: { uniqueItems: true }, value, timeoutMs: 100 });
    expect(outcome).toMatchObject({ ok: false, failure: { code: 'time_limit' } });
  });

  it('forgets the $ids of the previous schema', async () => {
    await sandbox.validateJson({ schema: { $id: 'https://one.example/s', type: 'string' }, value: 1, ...patient });
    const violations = await sandbox.checkSchema({ $ref: 'https://one.example/s' }, patient);
    expect(violations).toHaveLength(1);
  });
});

describe('checkSchema', () => {
  it.each([
    [{ type: 'strin' }, '/type'],
    [{ properties: { a: { minLength: -1 } } }, '/properties/a/minLength'],
    [{ pattern: '(?=x)' }, ''],
    [{ pattern: '[' }, ''],
    [{ $ref: '#/$defs/missing' }, ''],
    [{ $ref: 'http://127.0.0.1/schema' }, ''],
    [{ $schema: 'http://json-schema.org/draft-04/schema#' }, '/$schema'],
    [{ $async: true }, '/$async'],
    [[], ''],
    ['x', ''],
  ])('refuses %j', async (schema, path) => {
    const violations = await sandbox.checkSchema(schema, patient);
    expect(violations[0]).toMatchObject({ path, code: 'invalid_schema' });
  });

  it('accepts valid schemas of the draft', async () => {
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $defs: { a: { type: 'string' } },
      $ref: '#/$defs/a',
    };
    expect(await sandbox.checkSchema(schema, patient)).toEqual([]);
  });
});

describe('the pool', () => {
  it('refuses jobs when the queue is full, and accepts jobs that fit', async () => {
    const small = new Sandbox({ threads: 1, maxQueued: 1 });
    const jobs = [1, 2, 3].map((n) => small.evaluate({ expression: 'a', context: { a: n }, ...patient }));
    const results = await Promise.allSettled(jobs);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect((results[2] as PromiseRejectedResult).reason).toBeInstanceOf(SandboxBusyError);
    await small.close();
    await expect(small.evaluate({ expression: '1', context: {} })).rejects.toBeInstanceOf(SandboxClosedError);
  });

  it('closes while a job runs without end', async () => {
    const small = new Sandbox({ threads: 1 });
    const running = small.evaluate({ expression: '($f := function(){ $f() }; $f())', context: {}, ...patient });
    const waiting = small.evaluate({ expression: '1', context: {}, ...patient });
    const settled = Promise.allSettled([running, waiting]);
    await small.close();
    const [first, second] = await settled;
    expect(first).toMatchObject({ value: { ok: false, failure: { code: 'sandbox_failed' } } });
    expect(second).toMatchObject({ status: 'rejected' });
  });
});
