import { DEPENDENCY_ENDS, EVENT_FIELDS, EVENT_SCHEMAS } from '@batuta/contracts';
import type { OpenApiPart } from '../openapi/openapi-part.js';
import { page, ref, REF } from '../openapi/openapi-schema.js';
import type { OpenApiSchema } from '../openapi/openapi-schema.js';

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

const TYPES = Object.keys(EVENT_SCHEMAS);

/** Entries by `<event>.<field>` of tables by field. */
const byField = <T>(tables: readonly (readonly [string, Readonly<Record<string, T>>])[]): Record<string, T> =>
  Object.fromEntries(
    tables.flatMap(([type, table]) => Object.entries(table).map(([field, entry]) => [`${type}.${field}`, entry])),
  );
const FIELDS = Object.entries(EVENT_FIELDS);

/** Events say themselves what their fields mean. Here is what several of them share. */
export const eventsPart: OpenApiPart = {
  messages: Object.values(EVENT_SCHEMAS),
  words: {
    ...byField(FIELDS.map(([type, { words = {} }]) => [type, words])),
    'Dependency.on': DEPENDENCY_ENDS,
  },
  always: {
    ...Object.fromEntries(FIELDS.map(([type, { always }]) => [type, always])),
    CompensationOutcome: ['compensated', 'not_compensated'],
    ReusedApproval: ['message', 'requested_at', 'decided_at'],
    ParentLink: ['execution_id', 'step_id', 'depth'],
    Dependency: ['execution_id', 'on'],
    Vote: ['step_id', 'option'],
    ModelToolCall: ['id', 'name'],
  },
  says: {
    ...byField(FIELDS.map(([type, { says = {} }]) => [type, says])),
    input_tokens: 'Input tokens among them, when the agent reports them separately.',
    output_tokens: 'Output tokens among them, when the agent reports them separately.',
    handling: 'What the failure does to the execution: `abort`, `continue` or `fallback`.',
    fallback_step_id: 'The fallback that is tried next.',
    'ReusedApproval.message': 'The question to the approver.',
    turn: 'Number of the model’s answer, from 1.',
    'ModelToolCall.id': 'The call, as the model names it.',
    'ModelToolCall.name': 'The tool.',
    problem: 'Why the call is not made. The model gets this text.',
    child_id: 'The execution that is the step.',
    depth: '1 for the child of an execution without a parent.',
    'ParentLink.execution_id': 'The parent.',
    'ParentLink.step_id': 'The step of the parent.',
    'Dependency.execution_id': 'The execution to wait for.',
    option: 'Members with the same number agree; -1: it has no vote.',
    weight: 'The weight of its vote.',
    score: 'Its score, in mode `best`.',
    excluded: 'Why it has no vote.',
    compensated: 'Steps that were undone, in this order.',
    not_compensated: 'Steps that should have been undone and were not.',
    failed_step_id: 'The step whose compensation failed and stopped the rest.',
    cause: 'Whether a failure or a cancel led to it.',
    request_hash: 'SHA-256 of the request, kept with an `Idempotency-Key`.',
    key: 'Its purpose: `<purpose>:<step or group>`.',
  },
  schemas: () => ({
    ...Object.fromEntries(TYPES.map((type) => [eventSchema(type), eventOf(type)])),
    Event: {
      description: 'One event of an execution. Its `type` says which.',
      oneOf: TYPES.map((type) => ref(eventSchema(type))),
      discriminator: {
        propertyName: 'type',
        mapping: Object.fromEntries(TYPES.map((type) => [type, `${REF}${eventSchema(type)}`])),
      },
    },
    EventPage: page('events', 'Event'),
  }),
};
