import type { Approval } from '../../config.js';
import { lifetime } from '../limits.js';
import { anyJson, list, objectOf, text, use, word } from '../schema.js';
import { withoutAttempts } from './kind.js';
import type { KindField } from './kind.js';

/** Maximum length as written in a config. The result of an expression may be longer (LIMITS.approvalMessageBytes). */
const MAX_MESSAGE = 4_096;

const approval = objectOf<Required<Approval>>('A human decides.', {
  message: text('The question to the approver: a text, or one expression `{% … %}`.', 1, MAX_MESSAGE),
  approvers: list('The users who may decide; absent when every operator may.', use('Name', 'The id of a user.'), {
    min: 1,
    max: 1_000,
  }),
  timeout_ms: lifetime('Milliseconds to decide in.'),
  on_timeout: word('The decision when that time has passed.', ['reject', 'approve'], 'reject'),
  schema: anyJson('JSON Schema (draft 2020-12) for the data of an approval.'),
});

export const approvalDefinitions = { Approval: approval } as const;

export const approvalField: KindField = {
  description: 'In place of an agent: a human decides.',
  called: 'an approval',
  mappings: ['message'],
  without: withoutAttempts(
    'the time to decide is approval.timeout_ms',
    'a decision is not tried again',
    'a decision is not undone; let a step after it do that',
  ),
};
