import type { Compensation, Retry, StepDefinition } from '../config.js';
import { DEFAULT_STEP_TIMEOUT_MS, LIMITS } from '../limits.js';
import { agentFields } from './kinds/agent.js';
import { KIND_FIELDS, KIND_NAMES } from './kinds/index.js';
import { milliseconds, pause } from './limits.js';
import { anyJson, flag, list, objectOf, RULE, text, use, whole, word } from './schema.js';
import type { DocumentSchema } from './schema.js';

export const retry = objectOf<Required<Retry>>('Whether and when another attempt follows a failed one.', {
  max_attempts: whole('Attempts in all, the first one included.', 1, 1000, 1),
  backoff_ms: pause('Milliseconds before the second attempt.'),
  backoff_coefficient: {
    description: 'Each wait is this many times the one before.',
    type: 'number',
    minimum: 1,
    maximum: 100,
    default: 2,
  },
  max_backoff_ms: pause('The longest wait, in milliseconds; default one hour.'),
  jitter: word(
    '`full`: each wait is random between 0 and its length; `none`: exactly its length.',
    ['full', 'none'],
    'full',
  ),
  non_retryable: list(
    'Codes of failures after which there is no further attempt.',
    text('The code of a failure.', 1, 128),
    { max: 100 },
  ),
  total_timeout_ms: milliseconds('No attempt begins later than these milliseconds after the first was scheduled.'),
});

export const compensation = objectOf<Required<Compensation>>(
  'What undoes the step.',
  {
    agent: use('Token', 'The agent that undoes it.'),
    input: anyJson('Mapping of the agent’s input; texts `{% … %}` are JSONata.'),
    retry: use('Retry', 'Whether and when another attempt follows a failed one.'),
    timeout_ms: milliseconds('Milliseconds that one attempt may take.', DEFAULT_STEP_TIMEOUT_MS),
  },
  ['agent'],
);

const definitionOf = (kind: string): string => kind.charAt(0).toUpperCase() + kind.slice(1);

type KindName = keyof typeof KIND_FIELDS | 'agent';

const commonFields: Readonly<Record<Exclude<keyof StepDefinition, KindName>, DocumentSchema>> = {
  id: use('Token', '1 to 64 letters, digits, `_` or `-`; unique among steps and consensus groups.'),
  name: use('Name', '1 to 255 characters, for people.'),
  timeout_ms: milliseconds('Milliseconds that one attempt may take, from the agent’s start.', DEFAULT_STEP_TIMEOUT_MS),
  retry: use('Retry', 'Whether and when another attempt follows a failed one.'),
  dependencies: list(
    'Steps or consensus groups that must be done first.',
    use('Token', 'The id of a step or consensus group.'),
    { max: LIMITS.steps },
  ),
  output_key: use('OutputKey', 'Name of its output for the steps that depend on it; default its id.'),
  on_failure: word('The effect of its failure.', ['abort', 'continue', 'fallback'], 'abort'),
  is_fallback: flag('Whether it only runs in place of another step.', false),
  fallback_for: use('Token', 'The step or group that it is a fallback for.'),
  fallback_when: list(
    'Kinds of failure that fallbacks are used for; default: all.',
    word('A kind of failure.', ['error', 'timeout', 'no_consensus']),
    { max: 3 },
  ),
  consensus_group: use('Token', 'The group with whose other members it runs and votes.'),
  input: anyJson('Mapping of the agent’s input; texts `{% … %}` are JSONata.'),
  when: use('Expression', 'JSONata: the step is skipped unless it is true.'),
  require: word('`any`: the step also runs after a skipped dependency; `all`: it does not.', ['any', 'all'], 'any'),
  compensate: use('Compensation', 'How it is undone.'),
  schedule_to_start_ms: milliseconds('Milliseconds that an attempt may wait for a worker.'),
  schedule_to_close_ms: milliseconds('Milliseconds for all attempts of the step with their waits.'),
  heartbeat_ms: milliseconds('Milliseconds between two signs of life of the agent.'),
  repeat: use('Repeat', 'Beside an agent, an orchestration or a route: it runs again until an expression is true.'),
  metadata: use('Metadata', 'Whatever the user keeps with it. The platform does not read it. Its keys are names.'),
};

const fields = objectOf<Required<StepDefinition>>(
  'One step: an agent’s work, or one of the kinds that stand in its place.',
  {
    ...commonFields,
    ...agentFields,
    ...(Object.fromEntries(
      KIND_NAMES.map((kind) => [kind, use(definitionOf(kind), KIND_FIELDS[kind].description)]),
    ) as Record<keyof typeof KIND_FIELDS, DocumentSchema>),
  },
  ['id', 'name'],
);

export const step: DocumentSchema = {
  ...fields,
  anyOf: ['agent', ...KIND_NAMES].map((kind) => ({ required: [kind] })),
  [RULE]: (value) =>
    ['agent', ...KIND_NAMES].some((kind) => Object.hasOwn(value as object, kind))
      ? undefined
      : {
          code: 'required',
          message: `agent is required, or one of ${KIND_NAMES.join(', ')} in its place`,
          path: '/agent',
        },
};
