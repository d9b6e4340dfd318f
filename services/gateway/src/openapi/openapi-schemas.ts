import { scheduleSchemas } from './openapi-schedules.js';
import { workSchemas } from './openapi-work.js';
import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';
import {
  AgentSchema,
  ApiKeySchema,
  ApprovalSummarySchema,
  CallbackDeliverySchema,
  ConfigSchema,
  DEFAULT_INPUTS,
  EVENT_SCHEMAS,
  EXECUTION_STATUSES,
  DEPENDENCY_ENDS,
  ON_PARENT_CLOSE,
  ExecutionSummarySchema,
  ExecutionViewSchema,
  ExecutionIntegritySchema,
  InboxNotificationSchema,
  KnowledgeDocumentSchema,
  PassageSchema,
  PoolCredentialsSchema,
  PoolViewSchema,
  ModelSchema,
  ModelPricesSchema,
  MODEL_PROVIDERS,
  SecretInfoSchema,
  RetentionPolicySchema,
  RETENTION_ACTIONS,
  RETENTION_LIMITS,
  ENDED_STATUSES,
  TENANT_LIMIT_NAMES,
  TENANT_LIMITS,
  AuditEntrySchema,
  TenantSchema,
  SECRET_LIMITS,
  PRIORITIES,
  REFUSAL_CODES,
  ROLES,
  STEP_STATUSES,
  STRATEGIES,
  StepAttemptSchema,
  DEFINITION_EXAMPLE,
} from '@batuta/contracts';
import type { TenantLimitName } from '@batuta/contracts';
import { callbackSchemas, REPEATED } from './openapi-callbacks.js';
import { describedSchema } from './openapi-fields.js';
import type { OpenApiSchema } from './openapi-schema.js';

const REF = '#/components/schemas/';
export const ref = (name: string): OpenApiSchema => ({ $ref: `${REF}${name}` });
export const listOf = (name: string): OpenApiSchema => ({ type: 'array', items: ref(name) });

/** The schema, or null. */
export function nullable(schema: OpenApiSchema): OpenApiSchema {
  const { type, enum: words } = schema;
  if (typeof type === 'string') {
    return {
      ...schema,
      type: [type, 'null'],
      ...(Array.isArray(words) ? { enum: [...(words as unknown[]), null] } : {}),
    };
  }
  // A schema without a type allows any JSON, including null.
  return '$ref' in schema || 'oneOf' in schema ? { anyOf: [schema, { type: 'null' }] } : schema;
}

const WORDS: Readonly<Record<string, readonly string[]>> = {
  'batuta.config.v1.OrchestrationDefinition.strategy': STRATEGIES,
  'batuta.execution.v1.ExecutionView.strategy': STRATEGIES,
  'batuta.execution.v1.ExecutionView.status': EXECUTION_STATUSES,
  'batuta.execution.v1.ExecutionSummary.status': EXECUTION_STATUSES,
  'batuta.execution.v1.StepView.status': STEP_STATUSES,
  'batuta.execution.v1.CurrentStep.status': ['running', 'paused'],
  'batuta.execution.v1.ControlView.command': ['pause', 'resume', 'cancel', 'terminate', 'skip', 'retry', 'compensate'],
  'batuta.execution.v1.RetentionPolicy.statuses': ENDED_STATUSES,
  'batuta.execution.v1.RetentionPolicy.action': RETENTION_ACTIONS,
  'batuta.execution.v1.ChainProblem.kind': ['changed', 'missing', 'moved'],
  'batuta.execution.v1.ChainAnchor.status': ['signed', 'none', 'unknown_key', 'broken'],
  'batuta.execution.v1.StepAttempt.status': ['running', 'completed', 'failed', 'stopped'],
  'batuta.config.v1.Step.on_failure': ['abort', 'continue', 'fallback'],
  'batuta.config.v1.Step.require': ['any', 'all'],
  'batuta.execution.v1.ApprovalSummary.status': EXECUTION_STATUSES,
  'batuta.execution.v1.ApprovalView.status': ['waiting', 'approved', 'rejected', 'withdrawn'],
  'batuta.execution.v1.ToolCallView.status': ['waiting', 'asking', 'running', 'done'],
  'batuta.execution.v1.ModelAnswered.next': ['tools', 'model', 'end'],
  'batuta.execution.v1.WaitView.status': ['waiting', 'over', 'withdrawn'],
  'batuta.execution.v1.SignalView.status': ['waiting', 'received', 'timed_out', 'withdrawn'],
  'batuta.config.v1.Orchestration.on_parent_close': ON_PARENT_CLOSE,
  'batuta.execution.v1.ChildView.status': [
    'starting',
    'running',
    'completed',
    'failed',
    'cancelled',
    'deleted',
    'refused',
  ],
  'batuta.execution.v1.ChildEnded.status': ['completed', 'failed', 'cancelled', 'deleted', 'refused'],
  'batuta.common.v1.Dependency.on': DEPENDENCY_ENDS,
  'batuta.execution.v1.DependencyView.on': DEPENDENCY_ENDS,
  'batuta.execution.v1.DependencyView.state': ['not_started', 'waiting', 'met', 'failed'],
  'batuta.execution.v1.DependencyView.ended': ['completed', 'failed', 'cancelled'],
  'batuta.execution.v1.DependencyEnded.status': ['completed', 'failed', 'cancelled'],
  'batuta.execution.v1.ParentCommanded.command': ['pause', 'resume', 'cancel', 'terminate', 'retry'],
  'batuta.config.v1.Repeat.on_max': ['fail', 'complete'],
  'batuta.config.v1.Choice.mode': ['first', 'all'],
  'batuta.config.v1.Signal.on_timeout': ['fail', 'continue'],
  'batuta.config.v1.Approval.on_timeout': ['reject', 'approve'],
  'batuta.config.v1.Settings.priority': PRIORITIES,
  'batuta.config.v1.Settings.on_failure': ['abort', 'continue', 'fallback'],
  'batuta.config.v1.Settings.default_input': DEFAULT_INPUTS,
  'batuta.execution.v1.BudgetExceeded.resource': ['tokens', 'cost'],
  'batuta.config.v1.Retry.jitter': ['full', 'none'],
  'batuta.config.v1.ApiKey.role': ROLES,
};

/** Fields other than times that are null while they have no value. */
const NULLABLE: ReadonlySet<string> = new Set(['batuta.execution.v1.StepView.latency_ms']);

const isTime = (field: DescField): boolean => field.name.endsWith('_at') || field.name === 'at';

function scalarSchema(scalar: ScalarType): OpenApiSchema {
  switch (scalar) {
    case ScalarType.BOOL:
      return { type: 'boolean' };
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return { type: 'string' };
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return { type: 'number' };
    default:
      return { type: 'integer' };
  }
}

/** OpenAPI schemas of the API's messages, generated from the contract, so that they cannot differ from it. */
class MessageSchemas {
  readonly all: Record<string, OpenApiSchema> = {};

  refTo(message: DescMessage): OpenApiSchema {
    if (message.typeName === 'google.protobuf.Struct') return { type: 'object', additionalProperties: true };
    if (message.typeName.startsWith('google.protobuf.')) return { description: 'Any JSON.' };
    const name = message.name;
    if (!Object.hasOwn(this.all, name)) {
      this.all[name] = {};
      this.all[name] = {
        type: 'object',
        properties: Object.fromEntries(
          message.fields
            .filter((field) => field.name !== 'trace')
            .map((field) => [field.name, this.#field(message, field)]),
        ),
      };
    }
    return ref(name);
  }

  #field(message: DescMessage, field: DescField): OpenApiSchema {
    switch (field.fieldKind) {
      case 'message':
        return this.refTo(field.message);
      case 'list':
        return {
          type: 'array',
          items:
            field.listKind === 'message'
              ? this.refTo(field.message)
              : field.listKind === 'scalar'
                ? scalarSchema(field.scalar)
                : {},
        };
      case 'map':
        return {
          type: 'object',
          additionalProperties: field.mapKind === 'scalar' ? scalarSchema(field.scalar) : {},
        };
      case 'enum':
        return { type: 'string' };
      case 'scalar': {
        if (isTime(field)) return nullable({ type: 'string', format: 'date-time' });
        const words = WORDS[`${message.typeName}.${field.name}`];
        const scalar = scalarSchema(field.scalar);
        const schema = NULLABLE.has(`${message.typeName}.${field.name}`) ? nullable(scalar) : scalar;
        return words === undefined ? schema : { ...schema, enum: [...words] };
      }
    }
  }
}

/** The field of a config that only editors use. */
const EDITOR_SCHEMA: OpenApiSchema = {
  type: 'string',
  maxLength: 2048,
  description: 'Where the JSON Schema of configs is, for editors. It is not stored.',
};

const NESTED_STEPS: OpenApiSchema = {
  type: 'object',
  required: ['steps'],
  properties: { steps: listOf('Step'), settings: ref('Settings') },
  additionalProperties: false,
};

const eventSchema = (type: string): string => `${type}Event`;

/** An event of one type: the common fields, and its own data. */
const eventOf = (type: string): OpenApiSchema => ({
  type: 'object',
  required: ['execution_id', 'version', 'type', 'at', 'data'],
  properties: {
    execution_id: { type: 'string', format: 'uuid' },
    version: { type: 'integer', description: '1, 2, 3 … without gaps.' },
    type: { type: 'string', const: type, description: 'What happened.' },
    at: { type: 'string', format: 'date-time', description: 'When it was recorded.' },
    data: { ...ref(type), description: 'What happened.' },
    data_omitted: ref('Omitted'),
  },
});

const violation: OpenApiSchema = {
  type: 'object',
  required: ['path', 'message', 'code'],
  properties: {
    path: { type: 'string', description: 'JSON Pointer (RFC 6901) of the value, "" for the whole document.' },
    message: { type: 'string' },
    code: { type: 'string', description: 'Stable code of the rule that was broken.' },
  },
};

const page = (name: string, items: string): OpenApiSchema => ({
  type: 'object',
  required: [name, 'next_cursor'],
  properties: {
    [name]: listOf(items),
    next_cursor: nullable({ type: 'string', description: 'Cursor of the next page; null on the last page.' }),
  },
});

/** A page of a list that also supports offset. */
const countedPage = (name: string, items: string): OpenApiSchema => {
  const { properties, ...rest } = page(name, items);
  return {
    ...rest,
    properties: {
      ...(properties as Record<string, OpenApiSchema>),
      total: { type: 'integer', description: 'Items on all pages; with `offset` or `with_total`.' },
      limit: { type: 'integer', description: 'As in the request; only with `offset`.' },
      offset: { type: 'integer', description: 'As in the request; only with `offset`.' },
    },
  };
};

const QUEUED_STEPS: OpenApiSchema = {
  ...listOf('QueuedStep'),
  description:
    'After a wait without a result: the steps whose task no worker has taken, with the numbers of their pools.',
};

const started: OpenApiSchema = {
  type: 'object',
  required: ['execution_id', 'trace_id', 'status'],
  properties: {
    execution_id: { type: 'string', format: 'uuid' },
    trace_id: { type: 'string', pattern: '^[0-9a-f]{32}$' },
    status: { type: 'string', enum: [...EXECUTION_STATUSES] },
    repeated: { type: 'boolean', description: 'True when the same Idempotency-Key had started it before.' },
    queued: QUEUED_STEPS,
  },
  example: {
    execution_id: '01936f2e-5b7a-7cc0-98c8-3f6a1d2b4e5f',
    trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
    status: 'running',
  },
};

/** Every named schema of the API's document, except bodies that are classes. */
export function platformSchemas(): Record<string, OpenApiSchema> {
  const described = Object.fromEntries(
    Object.entries(undescribedSchemas()).map(([name, schema]) => [name, describedSchema(name, schema)]),
  );
  return Object.fromEntries(Object.entries(described).map(([name, schema]) => [name, inOnePiece(schema, described)]));
}

/**
 * A schema that extends others, as one object, so that generated clients have one class for it without a base class.
 */
function inOnePiece(schema: OpenApiSchema, all: Readonly<Record<string, OpenApiSchema>>): OpenApiSchema {
  const { allOf, ...rest } = schema as { allOf?: OpenApiSchema[] };
  if (allOf === undefined) return schema;
  const parts = allOf.map((part) => {
    const name = (part['$ref'] as string | undefined)?.slice(REF.length);
    return inOnePiece(name === undefined ? part : (all[name] ?? {}), all);
  });
  return {
    type: 'object',
    ...rest,
    required: [...new Set(parts.flatMap(({ required = [] }) => required as string[]))],
    properties: Object.assign({}, ...parts.map(({ properties = {} }) => properties)) as OpenApiSchema,
  };
}

const describedProperties = (name: string, schema: OpenApiSchema = {}): Record<string, OpenApiSchema> =>
  describedSchema(name, schema)['properties'] as Record<string, OpenApiSchema>;

/** A number field for each limit. */
function numbersOf(names: readonly TenantLimitName[], mayBeNull: boolean, description: string): OpenApiSchema {
  const number = (name: TenantLimitName): OpenApiSchema => ({
    type: 'number',
    description: TENANT_LIMITS[name].description,
  });
  return {
    type: 'object',
    description,
    required: [...names],
    properties: Object.fromEntries(names.map((name) => [name, mayBeNull ? nullable(number(name)) : number(name)])),
  };
}

function undescribedSchemas(): Record<string, OpenApiSchema> {
  const messages = new MessageSchemas();
  for (const schema of [
    AgentSchema,
    ApiKeySchema,
    ApprovalSummarySchema,
    ConfigSchema,
    ExecutionSummarySchema,
    ExecutionViewSchema,
    ExecutionIntegritySchema,
    StepAttemptSchema,
    PoolViewSchema,
    PoolCredentialsSchema,
    ModelSchema,
    ModelPricesSchema,
    SecretInfoSchema,
    RetentionPolicySchema,
    TenantSchema,
    AuditEntrySchema,
    KnowledgeDocumentSchema,
    PassageSchema,
    CallbackDeliverySchema,
    InboxNotificationSchema,
  ]) {
    messages.refTo(schema);
  }
  const eventTypes = Object.entries(EVENT_SCHEMAS).map(([type, schema]) => {
    messages.refTo(schema);
    return type;
  });
  const { Config: config, OrchestrationDefinition: definition, ...rest } = messages.all;
  const { definition: _nested, ...own } = (config?.['properties'] ?? {}) as Record<string, OpenApiSchema>;
  const written = (definition?.['properties'] ?? {}) as Record<string, OpenApiSchema>;
  const { settings: _settings, ...outside } = written;
  const settings = describedProperties('Settings', messages.all['Settings']);
  const { id: _id, ...ofView } = (messages.all['ExecutionView']?.['properties'] ?? {}) as Record<string, OpenApiSchema>;
  return {
    ...rest,
    ...callbackSchemas(),
    OrchestrationDefinition: {
      ...definition,
      properties: { $schema: EDITOR_SCHEMA, ...written },
      required: ['name', 'strategy', 'steps'],
      example: DEFINITION_EXAMPLE,
    },
    ConfigBody: {
      description: 'The flat form or the nested one; `steps` is a list or an object.',
      anyOf: [ref('OrchestrationDefinition'), ref('NestedDefinition')],
    },
    ConfigPatch: {
      type: 'object',
      description: 'Any fields of a definition; null removes a field.',
      properties: {
        ...Object.fromEntries(
          Object.entries(describedProperties('OrchestrationDefinition', definition)).map(([name, schema]) => [
            name,
            nullable(schema),
          ]),
        ),
        settings: nullable(ref('SettingsPatch')),
      },
    },
    SettingsPatch: {
      type: 'object',
      description: 'Any settings; null removes a setting.',
      properties: Object.fromEntries(Object.entries(settings).map(([name, schema]) => [name, nullable(schema)])),
    },
    NestedDefinition: {
      type: 'object',
      description:
        'The same with the steps and the settings in one object. It is stored in the flat form, with `settings.default_input` `merged` unless it says otherwise.',
      properties: { $schema: EDITOR_SCHEMA, ...outside, steps: NESTED_STEPS },
      required: ['name', 'strategy', 'steps'],
    },
    Config: {
      type: 'object',
      description: 'A definition with the fields that the platform maintains. `version` grows by one with each change.',
      properties: {
        ...own,
        steps_count: { type: 'integer', description: 'How many steps it has.' },
        ...written,
        repeated: REPEATED,
      },
    },
    ConfigPage: countedPage('configs', 'Config'),
    ConfigVersions: page('versions', 'Config'),
    Started: started,
    Commanded: {
      type: 'object',
      description: 'The status of the execution after the command.',
      required: ['execution_id', 'trace_id', 'status', 'version'],
      properties: {
        execution_id: { type: 'string', format: 'uuid' },
        trace_id: { type: 'string', pattern: '^[0-9a-f]{32}$' },
        status: { type: 'string', enum: [...EXECUTION_STATUSES] },
        version: { type: 'integer', description: 'Version of its newest event.' },
        repeated: { type: 'boolean', description: 'True when this command had taken effect before.' },
      },
    },
    ExecutionResult: {
      type: 'object',
      required: ['execution_id', 'trace_id', 'status'],
      properties: {
        execution_id: { type: 'string', format: 'uuid' },
        trace_id: { type: 'string' },
        status: { type: 'string', enum: [...EXECUTION_STATUSES] },
        queued: QUEUED_STEPS,
        output: { description: 'Any JSON; null unless the execution completed.' },
        failure: ref('Failure'),
        completed_at: { type: 'string', format: 'date-time' },
        repeated: REPEATED,
        token_count: { type: 'integer', description: 'Tokens that the agents reported (`_tokens`).' },
        estimated_cost: { type: 'number', description: 'Cost that the agents reported (`_cost`).' },
        budget: ref('BudgetView'),
        served_by: {
          type: 'object',
          additionalProperties: { type: 'string' },
          description: 'Alternatives that stood in, by the step or group they stood in for.',
        },
        consensus: listOf('ConsensusView'),
        compensation: ref('CompensationOutcome'),
      },
    },
    ExecutionStatus: {
      type: 'object',
      description: 'An execution with its input and output, and without the payloads of its steps.',
      properties: {
        ...ofView,
        execution_id: { type: 'string', format: 'uuid' },
        trace_id: { type: 'string' },
        trace_url: { type: 'string', format: 'uri', description: 'The trace in Jaeger, if its address is configured.' },
        config_id: { type: 'string' },
        config_name: { type: 'string' },
        status: { type: 'string', enum: [...EXECUTION_STATUSES] },
        input: { description: 'Any JSON.' },
        output: { description: 'Any JSON; null unless the execution completed.' },
        metrics: {
          type: 'object',
          required: ['latency_ms', 'cost', 'tokens'],
          properties: {
            latency_ms: nullable({ type: 'number', description: 'From start to end; null before the end.' }),
            cost: { type: 'number', description: 'Cost that the agents reported (`_cost`).' },
            tokens: { type: 'integer', description: 'Tokens that the agents reported (`_tokens`).' },
          },
        },
        step_counts: { type: 'object', additionalProperties: { type: 'integer' } },
        steps: listOf('StepStatus'),
        failure: ref('Failure'),
        created_at: nullable({ type: 'string', format: 'date-time' }),
        started_at: nullable({ type: 'string', format: 'date-time' }),
        completed_at: nullable({ type: 'string', format: 'date-time' }),
        total_latency_ms: { type: 'number' },
        token_count: { type: 'integer' },
        estimated_cost: { type: 'number' },
        budget: ref('BudgetView'),
      },
    },
    StepStatus: {
      allOf: [
        ref('StepView'),
        {
          type: 'object',
          properties: { error: nullable({ type: 'string', description: 'Why it failed; null when it did not.' }) },
        },
      ],
    },
    ExecutionPage: countedPage('executions', 'ExecutionSummary'),
    ApprovalPage: page('approvals', 'ApprovalSummary'),
    ExecutionSteps: {
      type: 'object',
      properties: { execution_id: { type: 'string' }, status: { type: 'string' }, steps: listOf('StepView') },
    },
    StepDetail: {
      allOf: [
        ref('StepView'),
        {
          type: 'object',
          required: ['execution_id', 'version', 'attempts'],
          properties: {
            execution_id: { type: 'string', format: 'uuid' },
            version: { type: 'integer', description: 'Of the execution, when the step was read.' },
            input: { description: 'What its agent got with the newest attempt. Absent before the first.' },
            attempts: { ...listOf('StepAttempt'), description: 'In the order in which they were scheduled.' },
          },
        },
      ],
    },
    StepOutput: {
      type: 'object',
      required: ['execution_id', 'step_id', 'output'],
      properties: {
        execution_id: { type: 'string', format: 'uuid' },
        step_id: { type: 'string' },
        output: { description: 'Any JSON; null while there is none.' },
      },
    },
    StepStream: {
      type: 'object',
      required: ['execution_id', 'step_id', 'items', 'next', 'more', 'over'],
      properties: {
        execution_id: { type: 'string', format: 'uuid' },
        step_id: { type: 'string' },
        items: { ...listOf('StreamItem'), description: 'In their order.' },
        next: { type: ['string', 'null'], description: 'The place of the last item: read on `after` it.' },
        more: { type: 'boolean', description: 'There is more that can be read at once.' },
        over: { type: 'boolean', description: 'Nothing more comes, unless the execution is retried.' },
      },
    },
    StreamItem: {
      type: 'object',
      description:
        'Something that a step says while it runs. `start`: an attempt begins to say something, and what it said before is void. `part`: a piece. `end`: the attempt is over.',
      required: ['type', 'step_id', 'attempt', 'place'],
      properties: {
        type: { type: 'string', enum: ['start', 'part', 'end'] },
        step_id: { type: 'string' },
        attempt: { type: 'integer', minimum: 1 },
        place: { type: 'string', description: 'Where it stands: read on `after` it.' },
        at: { type: 'string', format: 'date-time', description: 'Of a part: when it was said.' },
        kind: {
          type: 'string',
          description:
            'Of a part: `text`, `reasoning`, `tool_call`, `cut` (more is not kept), or another one of the agent.',
        },
        text: { type: 'string', description: 'Of a part.' },
        id: { type: 'string', description: 'Of a part: which of several of its kind, such as the id of a call.' },
        name: { type: 'string', description: 'Of a part: for people, such as the name of a tool.' },
        outcome: {
          type: 'string',
          enum: ['completed', 'answered', 'failed', 'stopped'],
          description: 'Of an end. `answered`: a model has answered, and the step goes on.',
        },
        void: { type: 'boolean', description: 'Of an end: what the attempt has said counts no more.' },
        version: { type: 'integer', description: 'Of an end: the event that has the output or the failure.' },
        code: { type: 'string', description: 'Of an end: why the attempt failed.' },
        message: { type: 'string', description: 'Of an end: the same for people.' },
      },
    },
    ...Object.fromEntries(eventTypes.map((type) => [eventSchema(type), eventOf(type)])),
    Event: {
      description: 'One event of an execution. Its `type` says which.',
      oneOf: eventTypes.map((type) => ref(eventSchema(type))),
      discriminator: {
        propertyName: 'type',
        mapping: Object.fromEntries(eventTypes.map((type) => [type, `${REF}${eventSchema(type)}`])),
      },
    },
    EventPage: page('events', 'Event'),
    PoolList: { type: 'object', required: ['pools'], properties: { pools: listOf('PoolView') } },
    AgentList: { type: 'object', properties: { agents: listOf('Agent') } },
    ModelList: { type: 'object', properties: { models: listOf('Model') } },
    ModelBody: {
      type: 'object',
      required: ['provider', 'model'],
      properties: {
        provider: {
          type: 'string',
          enum: [...MODEL_PROVIDERS],
          description: 'The provider. `openai_compatible` is any server with OpenAI’s API, at `base_url`.',
        },
        model: { type: 'string', maxLength: 200, description: 'The provider’s id of the model.' },
        base_url: { type: 'string', maxLength: 2048, description: 'Where requests go.' },
        api_key: {
          type: 'string',
          pattern: '^\\{\\{secret:[A-Za-z0-9_-]{1,64}\\}\\}$',
          description: 'The secret with the key, as a reference.',
        },
        description: { type: 'string', maxLength: 2000, description: 'Its purpose.' },
        max_output_tokens: {
          type: 'integer',
          minimum: 1,
          description: 'Most tokens of one answer, when a call does not set it.',
        },
        temperature: { type: 'number', minimum: 0, maximum: 2, description: 'The sampling temperature.' },
        context_tokens: { type: 'integer', minimum: 1, description: 'Tokens that fit a call, its answer included.' },
        stream: { type: 'boolean', default: false, description: 'Whether its answers are shown as they come.' },
        prices: {
          type: 'object',
          required: ['input', 'output'],
          description: 'Its own prices, instead of those of the price list.',
          properties: {
            input: { type: 'number', minimum: 0, description: 'US dollars for a million input tokens.' },
            output: { type: 'number', minimum: 0, description: 'US dollars for a million output tokens.' },
          },
        },
      },
    },
    AgentBody: {
      type: 'object',
      properties: {
        pool: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$', description: "The workers' pool." },
        description: { type: 'string' },
        input_schema: { type: 'object', additionalProperties: true, description: 'JSON Schema of the input.' },
        output_schema: { type: 'object', additionalProperties: true, description: 'JSON Schema of the output.' },
        llm: ref('Llm'),
      },
      example: { pool: 'python', description: 'Scores a text', input_schema: { type: 'object', required: ['text'] } },
    },
    AgentPatch: {
      type: 'object',
      description: 'Any fields of an agent; null removes a field.',
      properties: {
        pool: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$', description: "The workers' pool." },
        description: nullable({ type: 'string', description: 'What it does, for people.' }),
        input_schema: nullable({
          type: 'object',
          additionalProperties: true,
          description: 'JSON Schema of the input.',
        }),
        output_schema: nullable({
          type: 'object',
          additionalProperties: true,
          description: 'JSON Schema of the output.',
        }),
        llm: nullable({ type: 'object', additionalProperties: true, description: 'Fields of what a model is told.' }),
      },
    },
    QueuedStep: {
      allOf: [
        ref('QueuedView'),
        { type: 'object', properties: { step_id: { type: 'string', description: 'The step.' } } },
      ],
    },
    StoredDocument: {
      allOf: [
        ref('KnowledgeDocument'),
        {
          type: 'object',
          properties: {
            unchanged: { type: 'boolean', description: 'Whether the document had the same content before.' },
            repeated: REPEATED,
          },
        },
      ],
    },
    DocumentPage: page('documents', 'KnowledgeDocument'),
    Passages: { type: 'object', properties: { passages: listOf('Passage') } },
    ApiKeyPage: page('keys', 'ApiKey'),
    RetentionPolicies: {
      type: 'object',
      required: ['policies'],
      properties: { policies: listOf('RetentionPolicy') },
    },
    RetentionPolicyBody: {
      type: 'object',
      description: 'With `older_than_ms`, `keep_newest` or both.',
      properties: {
        config_id: { type: 'string', format: 'uuid' },
        statuses: { type: 'array', items: { type: 'string', enum: [...ENDED_STATUSES] } },
        older_than_ms: { type: 'integer', minimum: 0, maximum: RETENTION_LIMITS.olderThanMs },
        keep_newest: { type: 'integer', minimum: 0, maximum: RETENTION_LIMITS.keepNewest },
        action: { type: 'string', enum: [...RETENTION_ACTIONS], default: 'delete' },
      },
    },
    SecretPage: page('secrets', 'SecretInfo'),
    ...scheduleSchemas(page, REPEATED),
    ...workSchemas(page, REPEATED),
    SecretBody: {
      type: 'object',
      required: ['value'],
      properties: {
        value: {
          type: 'string',
          format: 'password',
          writeOnly: true,
          minLength: SECRET_LIMITS.least,
          maxLength: SECRET_LIMITS.most,
          description: 'The secret itself. No answer has it.',
        },
        description: { type: 'string', maxLength: SECRET_LIMITS.description, description: 'Its purpose.' },
      },
    },
    TenantPage: page('tenants', 'Tenant'),
    AuditPage: page('entries', 'AuditEntry'),
    TenantLimitValues: {
      type: 'object',
      additionalProperties: false,
      properties: Object.fromEntries(
        TENANT_LIMIT_NAMES.map((name) => {
          const { max, whole, description } = TENANT_LIMITS[name];
          const type = whole ? 'integer' : 'number';
          return [name, nullable({ type, minimum: 0, maximum: max, description })];
        }),
      ),
    },
    TenantSettingValues: {
      type: 'object',
      additionalProperties: false,
      properties: {
        global_configs: {
          type: 'boolean',
          default: false,
          description: 'Whether this tenant sees and runs the global configs of the tenant `default`.',
        },
      },
    },
    TenantSettings: {
      type: 'object',
      required: ['tenant_id', 'global_configs'],
      properties: {
        tenant_id: { type: 'string', description: 'The tenant.' },
        global_configs: {
          type: 'boolean',
          description: 'Whether this tenant sees and runs global configs.',
        },
      },
    },
    TenantLimits: {
      type: 'object',
      required: ['tenant_id', 'own', 'limits', 'used'],
      properties: {
        tenant_id: { type: 'string', description: 'The tenant.' },
        own: numbersOf(TENANT_LIMIT_NAMES, true, 'The limit that is set for this tenant; null when none is.'),
        limits: numbersOf(
          TENANT_LIMIT_NAMES,
          false,
          'The limit that applies: its own, or the platform’s default; 0: no limit.',
        ),
        used: numbersOf(
          TENANT_LIMIT_NAMES.filter((name) => name !== 'weight'),
          true,
          'Its current use. WebSockets are counted only when they are limited.',
        ),
      },
    },
    PoolCredentialsPage: page('credentials', 'PoolCredentials'),
    NewPoolCredentials: {
      allOf: [
        ref('PoolCredentials'),
        {
          type: 'object',
          properties: {
            file: {
              type: 'string',
              description: 'The credentials file for a NATS client (NATS_CREDS), shown only now.',
            },
            tls_ca: {
              type: 'string',
              description:
                'PEM certificates of the authorities that may sign the NATS server’s certificate (a file for BATUTA_NATS_TLS_CA). Absent when workers do not need it.',
            },
          },
        },
      ],
    },
    NewApiKey: {
      allOf: [
        ref('ApiKey'),
        {
          type: 'object',
          properties: {
            secret: { type: 'string', description: 'The key itself, shown only now; absent in a repeat.' },
            repeated: REPEATED,
          },
        },
      ],
    },
    Links: {
      type: 'object',
      required: ['name', 'api', 'documentation', 'openapi', 'config_schema', 'health', 'metrics'],
      properties: {
        name: { type: 'string', const: 'Batuta' },
        api: { type: 'string', description: 'Path below which the API is.' },
        documentation: { type: 'string', description: 'Path of this document as a page.' },
        openapi: { type: 'string', description: 'Path of this document as JSON.' },
        config_schema: { type: 'string', description: 'Path of the JSON Schema of configs.' },
        health: {
          type: 'object',
          required: ['live', 'ready'],
          description: 'Paths of the health checks.',
          properties: {
            live: { type: 'string', description: 'Whether the process runs.' },
            ready: { type: 'string', description: 'Whether requests can be served.' },
          },
        },
        metrics: { type: 'string', description: 'Path of the metrics.' },
      },
    },
    ConfigJsonSchema: {
      type: 'object',
      description: 'A JSON Schema, draft 2020-12.',
      additionalProperties: true,
    },
    Liveness: {
      type: 'object',
      required: ['status'],
      properties: { status: { type: 'string', const: 'live' } },
    },
    Readiness: {
      type: 'object',
      properties: {
        status: { type: 'string', enum: ['ready', 'not_ready'] },
        checks: { type: 'object', additionalProperties: { type: 'string' } },
      },
    },
    Problem: {
      type: 'object',
      description: 'Problem details (RFC 9457).',
      required: ['type', 'title', 'status', 'detail', 'code'],
      properties: {
        type: { type: 'string', description: '`urn:batuta:problem:<code>`' },
        title: { type: 'string' },
        status: { type: 'integer' },
        detail: { type: 'string' },
        code: { type: 'string', enum: [...REFUSAL_CODES], description: 'Stable. Decide by this field.' },
        instance: { type: 'string', description: 'The requested path.' },
        errors: { type: 'array', items: violation },
        trace_id: { type: 'string' },
        request_id: { type: 'string', description: 'The `X-Request-Id` of the answer; it is in the logs too.' },
        details: { type: 'object', additionalProperties: true },
      },
      example: {
        type: 'urn:batuta:problem:not_found',
        title: 'Not found',
        status: 404,
        detail: 'There is no such execution.',
        code: 'not_found',
        instance: '/api/v1/orchestrations/executions/none',
      },
    },
  };
}
