import type { Wait } from '../../config.js';
import { lifetime } from '../limits.js';
import { objectOf, RULE, use } from '../schema.js';
import type { DocumentSchema } from '../schema.js';

const fields = objectOf<Required<Wait>>('Time passes.', {
  duration_ms: lifetime('Milliseconds from the step’s start.'),
  until: use('Time', 'An RFC 3339 time, or one expression `{% … %}` that gives one or epoch milliseconds.'),
});

export const wait: DocumentSchema = {
  ...fields,
  oneOf: [{ required: ['duration_ms'] }, { required: ['until'] }],
  [RULE]: (value) => {
    const given = ['duration_ms', 'until'].filter((field) => Object.hasOwn(value as object, field));
    if (given.length === 0) return { code: 'required', message: 'must have duration_ms or until' };
    if (given.length === 1) return undefined;
    return { code: 'contradiction', message: 'a wait has duration_ms or until, not both', path: '/until' };
  },
};
