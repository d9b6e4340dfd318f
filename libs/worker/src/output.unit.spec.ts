import { describe, expect, it } from '@jest/globals';
import type { JsonValue } from '@batuta/contracts';
import { checkOutput } from './output.js';

const problem = (output: unknown, maxBytes?: number): string => {
  const checked = checkOutput(output, maxBytes);
  return checked.ok ? `accepted ${JSON.stringify(checked.value)}` : `${checked.code}: ${checked.message}`;
};

const valueOf = (output: unknown): JsonValue => {
  const checked = checkOutput(output);
  if (!checked.ok) throw new Error(checked.message);
  return checked.value;
};

describe('checkOutput', () => {
  it('returns the value that the JSON text would give', () => {
    const shared = { a: 1 };
    const output = { list: [1, 'zwei', null, true], twice: [shared, shared], at: new Date(0), gone: undefined };
    expect(valueOf(output)).toEqual({
      list: [1, 'zwei', null, true],
      twice: [{ a: 1 }, { a: 1 }],
      at: '1970-01-01T00:00:00.000Z',
    });
    expect(valueOf(undefined)).toBeNull();
    // JSON treats each of these values in its own way.
    for (const odd of [
      [-0, undefined, ...Array<unknown>(1), 1],
      { b: undefined, a: null },
      [new String('text'), new Number(1), new Boolean(false)],
      Buffer.from('ab'),
      new (class {
        own = 1;
        #hidden = 2;
        get inherited(): number {
          return this.#hidden;
        }
      })(),
      { toJSON: (key: string) => ({ key }) },
      { inner: { toJSON: (key: string) => key } },
      [{ toJSON: (key: string) => key }],
      { toJSON: () => ({ at: new Date(5) }) },
      JSON.parse('{"__proto__":{"polluted":true},"2":"b","1":"a"}'),
      Object.assign(Object.create({ from: 'prototype' }), { own: true }),
    ]) {
      const text = JSON.stringify(odd);
      expect(JSON.stringify(valueOf(odd))).toBe(text);
      expect(valueOf(odd)).toEqual(JSON.parse(text));
    }
    expect(Object.getPrototypeOf(valueOf(JSON.parse('{"__proto__":{"polluted":true}}')))).toBe(Object.prototype);
  });

  it('shares nothing with the agent’s value', () => {
    const output = { list: [{ n: 1 }] };
    const value = valueOf(output);
    output.list[0] = { n: 2 };
    output.list.push({ n: 3 });
    expect(value).toEqual({ list: [{ n: 1 }] });
  });

  it('names the place of a value that JSON cannot represent', () => {
    const cycle: Record<string, unknown> = { rows: [{}] };
    (cycle['rows'] as object[])[0] = { parent: cycle };
    expect(problem(cycle)).toMatch(/^output_invalid: output\.rows\[0\]\.parent refers back/);
    expect(problem({ total: 10n })).toMatch(/output\.total is a bigint/);
    expect(problem([() => 1])).toMatch(/output\[0\] is a function/);
    expect(problem({ rate: 0 / 0 })).toMatch(/output\.rate is NaN/);
    expect(problem(Symbol('x'))).toMatch(/output is a symbol/);
    expect(problem({ users: new Map() })).toMatch(/output\.users is a Map/);
    expect(problem({ later: Promise.resolve(1) })).toMatch(/output\.later is a Promise/);
  });

  it('refuses a value that is nested too deeply, without overflowing the stack', () => {
    let deep: unknown = 1;
    for (let level = 0; level < 100_000; level++) deep = [deep];
    expect(problem(deep)).toMatch(/nested more than 64 levels/);
  });

  it('reports a getter or toJSON that throws', () => {
    const throwing = {
      get secret(): string {
        throw new Error('no access');
      },
    };
    expect(problem(throwing)).toMatch(/^output_invalid: .*no access/);
  });

  it('counts UTF-8 bytes and names the limit', () => {
    expect(problem('x'.repeat(98), 100)).toMatch(/^accepted/);
    expect(problem('x'.repeat(99), 100)).toMatch(/^output_too_large: .*100 bytes/);
    expect(problem('ü'.repeat(49), 100)).toMatch(/^accepted/);
    expect(problem('ü'.repeat(50), 100)).toMatch(/^output_too_large/);
    expect(
      problem(
        Array.from({ length: 1_000_000 }, () => 'many'),
        1_000,
      ),
    ).toMatch(/^output_too_large/);
  });

  it('counts exact bytes at the limit, whatever the output consists of', () => {
    for (const output of [
      [],
      [1],
      [[[]]],
      {},
      { a: null },
      { a: 1, b: [true, null] },
      'a"\n\u0001',
      [1.5, -0.25],
      null,
    ]) {
      const bytes = Buffer.byteLength(JSON.stringify(output));
      expect(problem(output, bytes)).toMatch(/^accepted/);
      expect(problem(output, bytes - 1)).toMatch(/^output_too_large/);
    }
  });

  it('replaces NUL and lone surrogates in values and keys, and keeps escaped text unchanged', () => {
    const value = { 'k\0': 'a\0b', lone: '\ud800 \udc00', pair: '😀', text: '\\u0000 \\ud800', back: '\\\0' };
    expect(valueOf(value)).toEqual({
      'k\ufffd': 'a\ufffdb',
      lone: '\ufffd \ufffd',
      pair: '😀',
      text: '\\u0000 \\ud800',
      back: '\\\ufffd',
    });
    expect(problem({ 'k\0': 1n })).toBe(
      'output_invalid: output.k\ufffd is a bigint, which JSON cannot hold; return it as text or as a number.',
    );
  });
});
