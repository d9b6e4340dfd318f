import type { Choice, ChoiceBranch } from '../../config.js';
import { LIMITS } from '../../limits.js';
import { list, objectOf, use, word } from '../schema.js';
import { withoutAttempts } from './kind.js';
import type { KindField } from './kind.js';

const step = use('Token', 'The id of a step that depends on the choice.');

const choiceBranch = objectOf<Required<ChoiceBranch>>(
  'One way that a choice may go.',
  {
    when: use('Expression', 'JSONata condition.'),
    steps: list('The steps that run when it is chosen.', step, { min: 1, max: LIMITS.steps }),
  },
  ['when', 'steps'],
);

const choice = objectOf<Required<Choice>>(
  'Chooses which of the steps that depend on it run.',
  {
    mode: word('`first`: the first branch whose condition is true; `all`: every one.', ['first', 'all'], 'first'),
    branches: list('The possible branches, in order.', use('ChoiceBranch', 'One way that it may go.'), {
      min: 1,
      max: 100,
    }),
    default: list('The steps that run when no condition is true.', step, { max: LIMITS.steps }),
  },
  ['branches', 'default'],
);

export const choiceDefinitions = { Choice: choice, ChoiceBranch: choiceBranch } as const;

export const choiceField: KindField = {
  description: 'In place of an agent: chooses which of the steps that depend on it run.',
  called: 'a choice',
  mappings: [],
  without: {
    ...withoutAttempts('a choice takes no time', 'nothing is attempted', 'a choice is not undone'),
    input: 'nobody gets it',
    consensus_group: 'a choice has no vote',
  },
};
