import { describe, expect, it } from '@jest/globals';
import { checkOutput, storable } from './output.js';

const problem = (output: unknown, maxBytes?: number): string => {
  const checked = checkOutput(output, maxBytes);
  return checked.ok ? `accepted ${checked.json}` : `${checked.code}: ${checked.message}`;
};

describe('checkOutput', () => {
  it('gives the JSON text of what JSON can hold', () => {
    const shared = { a: 1 };
    const output = { list: [1, 'zwei', null, true], twice: [shared, shared], at: new Date(0), gone: undefined };
    expect(checkOutput(output)).toEqual({
      ok: true,
      json: '{"list":[1,"zwei",null,true],"twice":[{"a":1},{"a":1}],"at":"1970-01-01T00:00:00.000Z"}',
    });
    expect(checkOutput(undefined)).toEqual({ ok: true, json: 'null' });
  });

  it('says where a value is that JSON cannot hold', () => {
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

  it('refuses what is nested too deep, without overflowing the stack', () => {
    let deep: unknown = 1;
    for (let level = 0; level < 100_000; level++) deep = [deep];
    expect(problem(deep)).toMatch(/nested more than 64 levels/);
  });

  it('does not fall over a getter or toJSON that throws', () => {
    const throwing = {
      get secret(): string {
        throw new Error('no access');
      },
    };
    expect(problem(throwing)).toMatch(/^output_invalid: .*no access/);
  });

  it('counts bytes of UTF-8 and names the limit', () => {
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
});

describe('storable', () => {
  it('replaces NUL and lone surrogates in values and keys, and leaves escaped text alone', () => {
    const value = { 'k\0': 'a\0b', lone: '\ud800 \udc00', pair: '😀', text: '\\u0000 \\ud800', back: '\\\0' };
    expect(JSON.parse(storable(JSON.stringify(value)))).toEqual({
      'k\ufffd': 'a\ufffdb',
      lone: '\ufffd \ufffd',
      pair: '😀',
      text: '\\u0000 \\ud800',
      back: '\\\ufffd',
    });
  });
});
