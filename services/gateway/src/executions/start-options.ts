import { DEPENDENCY_ENDS, nameMistake, parseTime } from '@batuta/contracts';
import type { DependencyBody } from '../dto/execute.dto.js';
import type {
  Budget,
  BudgetDefinition,
  Dependency,
  ExecutionView,
  JsonObject,
  JsonValue,
  Priority,
} from '@batuta/contracts';
import { isJsonObject } from '../dto/checked.js';

/** The fields of a checked start body besides its input. Null is the same as absent. */
export function startOptionsOf(body: {
  readonly session_id?: string | null | undefined;
  readonly metadata?: JsonObject | null | undefined;
  readonly callback_url?: string | null | undefined;
  readonly start_at?: string | undefined;
  readonly priority?: Priority | undefined;
  readonly budget?: BudgetDefinition | undefined;
  readonly after?: readonly DependencyBody[] | null | undefined;
}): {
  sessionId: string | undefined;
  metadata: JsonObject | undefined;
  callbackUrl: string | undefined;
  startAt: number | undefined;
  priority: Priority | undefined;
  budget: Budget | undefined;
  after: Dependency[] | undefined;
} {
  return {
    sessionId: body.session_id ?? undefined,
    metadata: body.metadata ?? undefined,
    callbackUrl: body.callback_url ?? undefined,
    // A time before 1970 is in the past like any other. Between services it is 0, which means at once.
    startAt: body.start_at == null ? undefined : Math.max(0, parseTime(body.start_at) ?? 0),
    priority: body.priority ?? undefined,
    budget: body.budget == null ? undefined : budgetOf(body.budget),
    after: body.after?.map(({ execution, on }) => ({
      executionId: execution.toLowerCase(),
      on: on ?? DEPENDENCY_ENDS[0],
    })),
  };
}

/**
 * The session named in an input, as clients without a field for it do. A value that is not a valid session id is only
 * input.
 */
export function sessionIn(input: JsonValue | undefined): string | undefined {
  if (!isJsonObject(input) || !Object.hasOwn(input, 'session_id')) return undefined;
  const { session_id: id } = input;
  return typeof id === 'string' && nameMistake(id, 255) === undefined ? id : undefined;
}

/** The limits of the source execution, for one that continues it. Undefined when it has none. */
export function limitsOf({ budget }: Pick<ExecutionView, 'budget'>): BudgetDefinition | undefined {
  if (budget === undefined) return undefined;
  const { maxTokens, maxCost } = budget;
  return { ...(maxTokens ? { max_tokens: maxTokens } : {}), ...(maxCost ? { max_cost: maxCost } : {}) };
}

function budgetOf({ max_tokens: maxTokens, max_cost: maxCost }: BudgetDefinition): Budget {
  return { ...(maxTokens == null ? {} : { maxTokens }), ...(maxCost == null ? {} : { maxCost }) };
}
