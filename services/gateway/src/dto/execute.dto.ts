import { DEPENDENCY_ENDS, LIMITS, PRIORITIES, TOKEN } from '@batuta/contracts';
import type { BudgetDefinition, DependencyOn, JsonObject, JsonValue, Priority } from '@batuta/contracts';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Allow } from 'class-validator';
import type { PlainFields } from './checked.js';
import { ANY_JSON } from './any-json.js';
import { IDEMPOTENCY_KEY } from '../http/headers.js';
import {
  aBudget,
  aFlag,
  aHttpUrl,
  aMatch,
  aName,
  aNameLike,
  aText,
  aTime,
  Follows,
  Maybe,
  mistakesOf,
  oneOf,
  someDependencies,
  someMetadata,
} from './rules.js';
import type { Rule } from './rules.js';

/** The body of a start. */
export class ExecuteBody {
  /** A hint for users who send the input itself as the body. */
  static hintFor(field: string, body: JsonObject): string | undefined {
    if (body['input'] !== undefined) return undefined;
    return `the execution's input goes under "input": {"input": {${JSON.stringify(field.slice(0, 100))}: …}}`;
  }

  @ApiPropertyOptional({
    description: "The execution's input: any JSON. Checked against the config's `input_schema` when it has one.",
    ...ANY_JSON,
    example: { service: 'checkout', since: '2025-01-31T12:00:00Z' },
  })
  @Allow()
  input?: JsonValue;

  @ApiPropertyOptional({
    description: 'Your session, to find executions; default: `session_id` of the input, if that is a text.',
    maxLength: 255,
    example: 'session-42',
  })
  @Maybe()
  @Follows(aName(255))
  session_id?: string;

  @ApiPropertyOptional({
    description: 'Anything you want to keep with the execution.',
    type: 'object',
    additionalProperties: true,
    example: { ticket: 'OPS-7' },
  })
  @Maybe()
  @Follows(someMetadata)
  metadata?: JsonObject;

  @ApiPropertyOptional({ description: 'Called when the execution ends.', format: 'uri', maxLength: 2048 })
  @Maybe()
  @Follows(aHttpUrl)
  callback_url?: string;

  @ApiPropertyOptional({
    description: 'Nothing runs before this time; a time in the past means at once.',
    format: 'date-time',
    example: '2030-01-31T12:00:00Z',
  })
  @Maybe()
  @Follows(aTime)
  start_at?: string;

  @ApiPropertyOptional({
    description: 'The priority of its tasks; default `settings.priority` of the config.',
    enum: [...PRIORITIES],
  })
  @Maybe()
  @Follows(oneOf(PRIORITIES))
  priority?: Priority;

  @ApiPropertyOptional({
    description:
      'Limits of the tokens and cost that agents report. The smaller limits of this and of the config’s `settings.budget` count.',
    type: 'object',
    properties: {
      max_tokens: { type: 'integer', minimum: 1, description: 'Tokens that may be spent.' },
      max_cost: { type: 'number', minimum: 0, description: 'Cost that may be spent; above 0.' },
    },
    additionalProperties: false,
    minProperties: 1,
    example: { max_tokens: 20_000 },
  })
  @Maybe()
  @Follows(aBudget)
  budget?: BudgetDefinition;

  @ApiPropertyOptional({
    description:
      'Executions that have to end before this one begins; it is `pending` until then. When one has ended in another way, this one fails with `dependency_failed`.',
    type: 'array',
    minItems: 1,
    maxItems: LIMITS.dependencies,
    items: {
      type: 'object',
      required: ['execution'],
      additionalProperties: false,
      properties: {
        execution: { type: 'string', format: 'uuid', description: 'The id of an execution.' },
        on: {
          type: 'string',
          enum: [...DEPENDENCY_ENDS],
          default: DEPENDENCY_ENDS[0],
          description: 'How it has to end: completed; failed or cancelled; in any way.',
        },
      },
    },
    example: [{ execution: '0198c0de-0000-7000-8000-000000000001', on: 'success' }],
  })
  @Maybe()
  @Follows(someDependencies)
  after?: DependencyBody[];
}

/** An entry of `after`. */
export interface DependencyBody {
  readonly execution: string;
  readonly on?: DependencyOn | null;
}

const fits =
  (rule: Rule) =>
  (value: JsonValue | undefined): boolean =>
    value !== null && mistakesOf(rule, value).length === 0;

/** Values that the rules of `ExecuteBody` certainly accept. Nearly all bodies have only such values. */
export const PLAIN_EXECUTE_FIELDS: PlainFields<ExecuteBody> = {
  input: () => true,
  session_id: fits(aName(255)),
  metadata: fits(someMetadata),
  priority: fits(oneOf(PRIORITIES)),
};

/** Continues another execution from one of its steps. */
export class ForkBody extends ExecuteBody {
  @ApiProperty({
    description:
      'Step or consensus group to run again, with everything that depends on it. Other completed steps are kept.',
    minLength: 1,
    maxLength: 64,
    example: 'step_2',
  })
  @Follows(aNameLike(TOKEN, '1 to 64 letters, digits, "_" or "-"'))
  from_step_id!: string;
}

/**
 * The first message on an execute WebSocket: the same body, with the idempotency key as a field instead of a header.
 */
export class ExecuteMessage extends ExecuteBody {
  @ApiPropertyOptional({
    description: 'As the header `Idempotency-Key`.',
    maxLength: 255,
    pattern: IDEMPOTENCY_KEY.source,
  })
  @Maybe()
  @Follows(aMatch(IDEMPOTENCY_KEY, '1 to 255 visible ASCII characters, without spaces'))
  idempotency_key?: string;
}

/** The reason for a command. */
export class ReasonBody {
  @ApiPropertyOptional({ description: 'Why, for people.', maxLength: 1000, example: 'not needed any more' })
  @Maybe()
  @Follows(aText(1000))
  reason?: string;
}

export class CancelBody extends ReasonBody {
  @ApiPropertyOptional({
    description:
      'Undo the completed steps that have `compensate`, newest first. The status is `compensation` meanwhile.',
    default: false,
  })
  @Maybe()
  @Follows(aFlag)
  compensate?: boolean;
}

/** A human's decision about an approval. */
export class DecisionBody {
  @ApiPropertyOptional({ description: 'Why, for people.', maxLength: 2000, example: 'checked with the customer' })
  @Maybe()
  @Follows(aText(2000))
  comment?: string;

  @ApiPropertyOptional({
    description: "Any JSON. It is stored with the decision, and is part of the step's output when it is approved.",
    ...ANY_JSON,
    example: { amount: 100 },
  })
  @Allow()
  data?: JsonValue;
}

/** The payload of a signal. */
export class SignalBody {
  @ApiPropertyOptional({
    description:
      'Any JSON that fits the schema of the signal. It becomes the output of the waiting step. Default null.',
    ...ANY_JSON,
    example: { amount: 100 },
  })
  @Allow()
  payload?: JsonValue;
}

export class PauseBody extends ReasonBody {
  @ApiPropertyOptional({
    description: 'Also stop running attempts. They run again at the resume, and the stopped attempt does not count.',
    default: false,
  })
  @Maybe()
  @Follows(aFlag)
  now?: boolean;
}
