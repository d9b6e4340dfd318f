import type { Wait } from '../../config.js';
import { lifetime } from '../limits.js';
import { objectOf, RULE, use } from '../schema.js';
import type { DocumentSchema } from '../schema.js';
import { withoutAttempts } from './kind.js';
import type { KindField } from './kind.js';

const fields = objectOf<Required<Wait>>('Time passes.', {
  duration_ms: lifetime('Milliseconds from the step’s start.'),
  until: use('Time', 'An RFC 3339 time, or one expression `{% … %}` that gives one or epoch milliseconds.'),
});

const wait: DocumentSchema = {
  ...fields,
  oneOf: [{ required: ['duration_ms'] }, { required: ['until'] }],
  [RULE]: (value) => {
    const given = ['duration_ms', 'until'].filter((field) => Object.hasOwn(value as object, field));
    if (given.length === 0) return { code: 'required', message: 'must have duration_ms or until' };
    if (given.length === 1) return undefined;
    return { code: 'contradiction', message: 'a wait has duration_ms or until, not both', path: '/until' };
  },
};

export const waitDefinitions = { Wait: wait } as const;

export const waitField: KindField = {
  description: 'In place of an agent: the step completes at a given time.',
  called: 'a wait',
  mappings: ['until'],
  without: {
    ...withoutAttempts('the time is wait.duration_ms or wait.until', 'nothing is attempted', 'time is not undone'),
    input: 'nobody gets it',
    consensus_group: 'time has no vote',
  },
};
