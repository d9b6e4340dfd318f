import type { Repeat } from '../../config.js';
import { LIMITS } from '../../limits.js';
import { pause } from '../limits.js';
import { objectOf, use, whole, word } from '../schema.js';

const repeat = objectOf<Required<Repeat>>(
  'The step runs again until an expression is true.',
  {
    until: use(
      'Expression',
      'JSONata over `iteration`, `result`, `results` and what an input mapping sees. It is evaluated after each iteration.',
    ),
    max_iterations: whole('Times that it runs at most.', 1, LIMITS.iterations, 100),
    delay_ms: pause('Milliseconds between the end of an iteration and the next one.', 0),
    on_max: word(
      'When `until` is not true after `max_iterations`: `fail`, or `complete` with the last result.',
      ['fail', 'complete'],
      'fail',
    ),
  },
  ['until'],
);

export const repeatDefinitions = { Repeat: repeat } as const;
