import type { Signal } from '../../config.js';
import { lifetime } from '../limits.js';
import { anyJson, objectOf, use, word } from '../schema.js';

export const signal = objectOf<Required<Signal>>(
  'The step waits for a signal.',
  {
    name: use('Token', 'Its name, as senders say it. Several steps may wait for the same: each takes one.'),
    schema: anyJson('JSON Schema (draft 2020-12) that the payload must fit.'),
    timeout_ms: lifetime('Milliseconds to wait; default as long as the execution lives.'),
    on_timeout: word(
      '`fail`: the step fails with `signal_timeout`; `continue`: its output is `default`.',
      ['fail', 'continue'],
      'fail',
    ),
    default: anyJson('The output of the step when nothing came in time, with `on_timeout: continue`.'),
  },
  ['name'],
);
