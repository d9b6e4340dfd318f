import { describe, expect, it } from '@jest/globals';
import type { JsonValue } from '@batuta/contracts';
import fc from 'fast-check';
import { check, checkedBody } from './checked.js';
import { ExecuteBody, PLAIN_EXECUTE_FIELDS } from './execute.dto.js';
import type { Problem } from '../http/problem.js';

const json = fc.jsonValue() as fc.Arbitrary<JsonValue>;
const near = fc.constantFrom<JsonValue>(
  '',
  'low',
  'normal',
  'high',
  'é',
  '👍'.repeat(200),
  '\n',
  1,
  null,
  true,
  [],
  {},
  [{}],
);
const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ minLength: 250, maxLength: 260 }));
const value = fc.oneof(json, near, text);
const field = fc.constantFrom(
  'input',
  'session_id',
  'metadata',
  'priority',
  'callback_url',
  'start_at',
  'budget',
  'x',
  'constructor',
);
const body: fc.Arbitrary<JsonValue> = fc.oneof(
  { weight: 6, arbitrary: fc.dictionary(field, value, { maxKeys: 5, noNullPrototype: true }) },
  { weight: 1, arbitrary: value },
);

/** The checked body, or its mistakes. */
function outcome(checked: () => ExecuteBody): unknown {
  try {
    return checked();
  } catch (error) {
    const { code, detail, extra } = error as Problem;
    return { code, detail, extra };
  }
}

describe('the body of a start', () => {
  const pipe = checkedBody(ExecuteBody, { optional: true, plain: PLAIN_EXECUTE_FIELDS });
  const piped = (given: JsonValue): unknown => outcome(() => pipe.transform(given, { type: 'body' }) as ExecuteBody);

  it('has the same result with and without class-validator', () => {
    fc.assert(
      fc.property(body, (given) => {
        expect(piped(given)).toStrictEqual(outcome(() => check(ExecuteBody, given)));
      }),
    );
  });

  it.each<[keyof typeof PLAIN_EXECUTE_FIELDS, fc.Arbitrary<JsonValue>]>([
    ['input', value],
    ['session_id', value],
    ['metadata', value],
    ['priority', value],
  ])('has a %s that class-validator accepts, when it is plain', (name, values) => {
    fc.assert(
      fc.property(values, (given) => {
        fc.pre(PLAIN_EXECUTE_FIELDS[name]?.(given) === true);
        expect(piped({ [name]: given })).toStrictEqual(check(ExecuteBody, { [name]: given }));
      }),
    );
  });
});
