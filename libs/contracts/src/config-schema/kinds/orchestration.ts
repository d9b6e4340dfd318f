import type { Orchestration } from '../../config.js';
import { ON_PARENT_CLOSE } from '../../codes.js';
import { objectOf, use, whole, word } from '../schema.js';

export const orchestration = objectOf<Required<Orchestration>>(
  'An execution of another config.',
  {
    config: use('Name', 'Name or id of the config; a tenant’s own comes before a global one of the same name.'),
    config_version: whole('Its version; default the newest when the step has its turn.', 1, 2_147_483_647),
    on_parent_close: word(
      'What becomes of the child when its step ends before it.',
      ON_PARENT_CLOSE,
      ON_PARENT_CLOSE[0],
    ),
  },
  ['config'],
);
