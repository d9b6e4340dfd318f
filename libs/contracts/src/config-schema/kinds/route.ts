import type { Route, RouteCandidate } from '../../config.js';
import { ROUTE_MODES } from '../../codes.js';
import { milliseconds } from '../limits.js';
import { anyJson, list, objectOf, text, use, whole, word } from '../schema.js';
import type { KindField } from './kind.js';

const candidate = objectOf<Required<RouteCandidate>>(
  'One of those among which a route chooses.',
  {
    name: use('Token', 'Its name, by which the decision names it.'),
    agent: use('Token', 'Who does it; one of `agent` and `config` is required.'),
    config: use('Name', 'In place of an agent: name or id of a config, an execution of which does it.'),
    config_version: whole('Its version; default the newest when it is chosen.', 1, 2_147_483_647),
    description: text('What it is for. Models are told.', 1, 4_096),
    examples: list('Messages that are for it. Models are told.', text('One message.', 1, 1_024), { max: 20 }),
    keywords: list(
      'Words, or several in a row, of which a message for it has one. Case does not matter.',
      text('One of them.', 1, 128),
      { min: 1, max: 100 },
    ),
    when: use('Expression', 'JSONata condition: when it is true, the message is for it.'),
    timeout_ms: milliseconds('Milliseconds for one attempt of its agent; default: the step’s.'),
    retry: use('Retry', 'When a failed attempt of its agent is tried again.'),
  },
  ['name'],
);

const route = objectOf<Required<Route>>(
  'One of several candidates is chosen and runs.',
  {
    mode: word(
      '`rules`: the first candidate whose `when` is true or whose `keywords` are in the message; `semantic`: the one whose description or example means the most similar; `model`: a model chooses; `hybrid`: the rules, then the meaning, then the model, as far as their models are named.',
      ROUTE_MODES,
      ROUTE_MODES[0],
    ),
    candidates: list('Among what it chooses, in order.', use('RouteCandidate', 'One of them.'), { min: 1, max: 50 }),
    message: anyJson('What is decided about: a text or a mapping; default `message` of the input, or all of it.'),
    model: use('Token', 'Name of one of the tenant’s models, which chooses.'),
    embedding_model: use(
      'Token',
      'Name of one of the tenant’s models, whose embeddings tell how similar meanings are.',
    ),
    instructions: text('What the model is told besides the candidates.', 1, 10_000),
    min_confidence: {
      description: 'A less similar or less certain candidate does not count.',
      type: 'number',
      minimum: 0,
      maximum: 1,
      default: 0.5,
    },
    fallback: use('Token', 'The candidate that is chosen when no other is; without it the step fails then.'),
  },
  ['candidates'],
);

export const routeDefinitions = { Route: route, RouteCandidate: candidate } as const;

export const routeField: KindField = {
  description: 'In place of an agent: one of several candidates is chosen and runs, and its output is the step’s.',
  called: 'a route',
  mappings: ['message'],
  without: {
    heartbeat_ms: 'a model gives no sign of life before its answer; timeout_ms is the time for one call',
    schedule_to_start_ms: 'the step decides at once; schedule_to_close_ms is the time for all of it',
  },
};
