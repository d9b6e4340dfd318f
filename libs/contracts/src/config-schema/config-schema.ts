import type {
  BudgetDefinition,
  Concurrency,
  ConsensusGroup,
  OrchestrationDefinition,
  OrchestrationSettings,
} from '../config.js';
import { DEFAULT_INPUTS, ON_LIMIT, STRATEGIES } from '../codes.js';
import { LIMITER_LIMITS } from '../limiters.js';
import { DEFAULT_EXECUTION_TIMEOUT_MS, LIMITS } from '../limits.js';
import { PRIORITIES } from '../subjects.js';
import { KIND_DEFINITIONS } from './kinds/index.js';
import { lifetime } from './limits.js';
import { anyJson, flag, HINT, ifThen, list, objectOf, RULE, text, use, whole, word } from './schema.js';
import type { DocumentSchema } from './schema.js';
import { compensation, retry, step } from './step.js';
import { CALLBACK_URL, CONFIG_NAME, EXPRESSION, METADATA_SCHEMA, nameSchema, TIME, TOKEN_SCHEMA } from './texts.js';

/** As written in a config. The value of an expression is limited more. */
const MAX_KEY = 4_096;

/** On the wire between services, 0 cannot be distinguished from an absent field, so users may not write 0. */
const share = (description: string, fallback?: number): DocumentSchema => ({
  description,
  type: 'number',
  exclusiveMinimum: 0,
  maximum: 1,
  [HINT]: 'leave it out for the default',
  ...(fallback === undefined ? {} : { default: fallback }),
});

/** A limit of zero would be exceeded by the first token. Whoever wants no limit leaves the field out. */
const limit = (description: string, type: 'integer' | 'number'): DocumentSchema => ({
  description,
  type,
  exclusiveMinimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  [HINT]: 'leave it out for no limit',
});

const budgetFields = objectOf<Required<BudgetDefinition>>('What an execution may spend; an absent limit is none.', {
  max_tokens: limit('Tokens that may be spent.', 'integer'),
  max_cost: limit('Cost that may be spent.', 'number'),
});

const budget: DocumentSchema = {
  ...budgetFields,
  anyOf: [{ required: ['max_tokens'] }, { required: ['max_cost'] }],
  [RULE]: (value) =>
    Object.hasOwn(value as object, 'max_tokens') || Object.hasOwn(value as object, 'max_cost')
      ? undefined
      : { code: 'required', message: 'must have max_tokens, max_cost or both' },
};

const concurrency = objectOf<Required<Concurrency>>(
  'How many executions with the same key run at once.',
  {
    key: text(
      'A text, or one expression `{% … %}` over `input`, `session_id` and `user_id`. Absent: all executions of the config share the limit.',
      1,
      MAX_KEY,
    ),
    limit: whole('How many run at once.', 1, LIMITER_LIMITS.limit),
    on_limit: word(
      'What an execution does that finds no place: it waits, it fails, the oldest one is cancelled for it, or it is cancelled itself.',
      ON_LIMIT,
      'queue',
    ),
  },
  ['limit'],
);

const settings = objectOf<Required<OrchestrationSettings>>('Settings of the whole execution.', {
  parallel_limit: whole('How many steps run at once; 0: any number.', 0, LIMITS.steps, 0),
  consensus_threshold: share('Share of members that must succeed in groups of mode `quorum`.', 0.8),
  callback_url: use('CallbackUrl', 'Called when an execution has ended.'),
  timeout_ms: lifetime('Milliseconds that an execution may take; default 30 days.', DEFAULT_EXECUTION_TIMEOUT_MS),
  priority: word('Which of the queue’s three lanes tasks take.', PRIORITIES, 'normal'),
  budget: use('Budget', 'What an execution may spend.'),
  default_input: word(
    'The form of dependencies’ outputs in the input of a step without a mapping.',
    DEFAULT_INPUTS,
    'keyed',
  ),
  on_failure: word(
    'The effect of the failure of a step or consensus group that does not say so itself.',
    ['abort', 'continue', 'fallback'],
    'abort',
  ),
  enable_monitoring: flag('False keeps executions of the config out of live feeds.', true),
  concurrency: use('Concurrency', 'How many executions with the same key run at once.'),
});

const consensusGroup = objectOf<Required<ConsensusGroup>>(
  'How a group of steps decides.',
  {
    id: use('Token', 'Has the form of a step’s id, and differs from all of them.'),
    mode: word('How the group decides.', ['quorum', 'majority', 'weighted', 'unanimous', 'best', 'judge'], 'quorum'),
    threshold: share('The share that is needed, above 0 and up to 1.'),
    vote_key: use('Expression', 'JSONata over a member’s output; default the whole output.'),
    score: use('Expression', 'For mode `best`: JSONata over a member’s output; the highest wins.'),
    weights: {
      description: 'For mode `weighted`: the weight of each member’s vote; default 1.',
      type: 'object',
      maxProperties: LIMITS.steps,
      additionalProperties: { type: 'number', minimum: 0, maximum: 1_000_000 },
    },
    judge: use('Token', 'The agent that decides, for mode `judge` and `on_tie: judge`.'),
    on_tie: word('What happens at a tie.', ['fail', 'first', 'judge'], 'fail'),
    on_failure: word('The effect of its failure.', ['abort', 'continue', 'fallback'], 'abort'),
    early_stop: flag('Whether members that cannot change the outcome are stopped.', false),
    output_key: use('OutputKey', 'Name of its output for the steps that depend on it; default its id.'),
  },
  ['id'],
);

const definitions = {
  Token: TOKEN_SCHEMA,
  Name: nameSchema(255),
  ConfigName: CONFIG_NAME,
  OutputKey: nameSchema(128),
  Expression: EXPRESSION,
  Time: TIME,
  CallbackUrl: CALLBACK_URL,
  Metadata: METADATA_SCHEMA,
  Retry: retry,
  Compensation: compensation,
  ...KIND_DEFINITIONS,
  Step: step,
  Budget: budget,
  Concurrency: concurrency,
  Settings: settings,
  ConsensusGroup: consensusGroup,
  Steps: list('The steps.', use('Step', 'One step.'), { min: 1, max: LIMITS.steps }),
} as const satisfies Readonly<Record<string, DocumentSchema>>;

const fields: Readonly<Record<keyof OrchestrationDefinition, DocumentSchema>> = {
  name: use('ConfigName', '1 to 255 characters, unique among the configs of the tenant.'),
  description: text('Its purpose, for people.', 0, 10_000),
  strategy: word('How the steps are ordered.', STRATEGIES),
  steps: use('Steps', '1 to 10,000 steps.'),
  settings: use('Settings', 'Settings of the whole execution.'),
  metadata: use('Metadata', 'Whatever the user keeps with it. The platform does not read it. Its keys are names.'),
  is_global: flag('Whether it is a global config.', false),
  input_schema: anyJson('JSON Schema (draft 2020-12) that the input of a start must fit.'),
  consensus_groups: list(
    'How groups of steps decide. A group that is not listed has the defaults.',
    use('ConsensusGroup', 'How one group decides.'),
    { max: LIMITS.steps },
  ),
  output: anyJson(
    'Mapping of the execution’s output; texts `{% … %}` are JSONata. Default: the output of the only last step, else an object of the last steps by output key.',
  ),
};

const schemaField: DocumentSchema = {
  description: 'Where the JSON Schema of configs is, for editors. It is not stored.',
  type: 'string',
  maxLength: 2048,
};

/** A config in the flat form, in which it is checked and stored. */
export const FLAT_CONFIG_SCHEMA: DocumentSchema = {
  ...objectOf<OrchestrationDefinition & { readonly $schema: string }>(
    'An orchestration config: which agents run, in which order, and what happens when one fails.',
    { $schema: schemaField, ...fields } as never,
    ['name', 'strategy', 'steps'],
  ),
  $defs: definitions,
};

/** A field that may also be null. */
function nullable(field: DocumentSchema): DocumentSchema {
  const { $ref: reference, type, enum: words, ...rest } = field;
  if (typeof reference === 'string') {
    const target = definitions[reference.slice('#/$defs/'.length) as keyof typeof definitions] as DocumentSchema;
    const own = target['type'];
    return { ...rest, type: [own, 'null'], ...ifThen({ type: own }, { $ref: reference }) };
  }
  if (typeof type !== 'string') return field;
  return { ...rest, type: [type, 'null'], ...(Array.isArray(words) ? { enum: [...(words as unknown[]), null] } : {}) };
}

/** The schema of an object as users may write it: null in an optional field means that the field is absent. */
function withNulls(schema: DocumentSchema): DocumentSchema {
  const { properties, required = [] } = schema as { properties?: Record<string, DocumentSchema>; required?: string[] };
  if (properties === undefined) return schema;
  const written = Object.entries(properties).map(([name, field]) => [
    name,
    required.includes(name) ? field : nullable(field),
  ]);
  return { ...schema, properties: Object.fromEntries(written) as Record<string, DocumentSchema> };
}

const NESTED_STEPS = objectOf<{ steps: unknown; settings: unknown }>(
  'The nested form: the steps and the settings in one object. `settings.default_input` is `merged` unless it says otherwise.',
  { steps: use('Steps', '1 to 10,000 steps.'), settings: use('Settings', 'Settings of the whole execution.') },
  ['steps'],
);

/**
 * The JSON Schema of configs (draft 2020-12) for editors, stored in `schemas/config.json`. It accepts both forms of
 * `steps`. Only the platform checks rules between fields.
 */
export const CONFIG_SCHEMA: DocumentSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Batuta orchestration config',
  ...withNulls({
    ...FLAT_CONFIG_SCHEMA,
    properties: {
      $schema: schemaField,
      ...fields,
      steps: {
        description: 'The steps, or an object of `steps` and `settings`.',
        ...ifThen(
          { type: 'object' },
          use('NestedSteps', 'The steps with their settings.'),
          use('Steps', '1 to 10,000 steps.'),
        ),
      },
    },
  }),
  $defs: Object.fromEntries(
    Object.entries({ ...definitions, NestedSteps: NESTED_STEPS }).map(([name, schema]) => [name, withNulls(schema)]),
  ),
};
