import type { Orchestration } from '../../config.js';
import { ON_PARENT_CLOSE } from '../../codes.js';
import { objectOf, use, whole, word } from '../schema.js';
import type { KindField } from './kind.js';

const orchestration = objectOf<Required<Orchestration>>(
  'An execution of another config.',
  {
    config: use('Name', 'Name or id of the config; a tenant’s own comes before a global one of the same name.'),
    config_version: whole('Its version; default: the newest when the step starts.', 1, 2_147_483_647),
    on_parent_close: word('What happens to the child when its step ends first.', ON_PARENT_CLOSE, ON_PARENT_CLOSE[0]),
  },
  ['config'],
);

export const orchestrationDefinitions = { Orchestration: orchestration } as const;

export const orchestrationField: KindField = {
  description: 'In place of an agent: an execution of another config, whose output is the step’s.',
  called: 'an orchestration',
  mappings: [],
  without: {
    timeout_ms: 'the time of the child is settings.timeout_ms of its config',
    retry: 'the steps of the child have retries of their own, and a retry of this execution has the child go on',
    heartbeat_ms: 'its steps have theirs',
    schedule_to_start_ms: 'the child begins at once',
    schedule_to_close_ms: 'the time of the child is settings.timeout_ms of its config',
  },
};
