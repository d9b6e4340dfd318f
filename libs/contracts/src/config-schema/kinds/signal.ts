import type { Signal } from '../../config.js';
import { lifetime } from '../limits.js';
import { anyJson, objectOf, use, word } from '../schema.js';
import { withoutAttempts } from './kind.js';
import type { KindField } from './kind.js';

const signal = objectOf<Required<Signal>>(
  'The step waits for a signal.',
  {
    name: use('Token', 'The name that senders use. Several steps may wait for the same name: each takes one signal.'),
    schema: anyJson('JSON Schema (draft 2020-12) that the payload must fit.'),
    timeout_ms: lifetime('Milliseconds to wait; default as long as the execution lives.'),
    on_timeout: word(
      '`fail`: the step fails with `signal_timeout`; `continue`: its output is `default`.',
      ['fail', 'continue'],
      'fail',
    ),
    default: anyJson('The output of the step when no signal came in time, with `on_timeout: continue`.'),
  },
  ['name'],
);

export const signalDefinitions = { Signal: signal } as const;

export const signalField: KindField = {
  description: 'In place of an agent: the step completes when a signal of that name has come.',
  called: 'a signal',
  mappings: [],
  without: {
    ...withoutAttempts('the time to wait is signal.timeout_ms', 'nothing is attempted', 'a signal is not undone'),
    input: 'nobody gets it',
  },
};
