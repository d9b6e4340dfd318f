import { ENDED_STATUSES, RETENTION_ACTIONS, RETENTION_LIMITS, unknownField } from '@batuta/contracts';
import type { EndedStatus, JsonValue, RetentionAction, Violation } from '@batuta/contracts';
import { isUuid } from '../messages/fields.js';

/** A user's definition of a policy. */
interface PolicyBody {
  readonly configId: string | undefined;
  readonly statuses: readonly EndedStatus[];
  readonly olderThanMs: number | undefined;
  readonly keepNewest: number | undefined;
  readonly action: RetentionAction;
}

const FIELDS: ReadonlySet<string> = new Set(['config_id', 'statuses', 'older_than_ms', 'keep_newest', 'action']);

/** Parses a user's policy, or reports each mistake with its place. */
export function readPolicy(body: JsonValue): PolicyBody | { readonly violations: readonly Violation[] } {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return { violations: [{ path: '', code: 'wrong_type', message: 'must be an object' }] };
  }
  const violations: Violation[] = [];
  const wrong = (path: string, code: string, message: string): void => void violations.push({ path, code, message });
  for (const field of Object.keys(body)) {
    if (!FIELDS.has(field)) violations.push(unknownField('', field, FIELDS));
  }
  const whole = (field: string, least: number, most: number): number | undefined => {
    const value = body[field] ?? undefined;
    if (value === undefined) return undefined;
    if (typeof value !== 'number') {
      wrong(`/${field}`, 'wrong_type', 'must be a number');
    } else if (!Number.isInteger(value) || value < least || value > most) {
      wrong(`/${field}`, 'out_of_range', `must be a whole number from ${least} to ${most}`);
    } else {
      return value;
    }
    return undefined;
  };
  const olderThanMs = whole('older_than_ms', 0, RETENTION_LIMITS.olderThanMs);
  const keepNewest = whole('keep_newest', 0, RETENTION_LIMITS.keepNewest);
  if (body['older_than_ms'] == null && body['keep_newest'] == null) {
    wrong('', 'required', 'must have older_than_ms or keep_newest, or both: without either it would delete everything');
  }
  const configId = body['config_id'] ?? undefined;
  if (configId !== undefined && typeof configId !== 'string') {
    wrong('/config_id', 'wrong_type', 'must be a text');
  } else if (configId !== undefined && !isUuid(configId)) {
    wrong('/config_id', 'bad_format', 'must be the id of a config');
  }
  const statuses = body['statuses'] ?? [];
  if (!Array.isArray(statuses)) {
    wrong('/statuses', 'wrong_type', 'must be a list');
  } else {
    for (const [place, status] of statuses.entries()) {
      if (!(ENDED_STATUSES as readonly JsonValue[]).includes(status)) {
        wrong(`/statuses/${place}`, 'not_allowed', `must be one of ${ENDED_STATUSES.join(', ')}`);
      }
    }
  }
  const action = body['action'] ?? 'delete';
  if (!(RETENTION_ACTIONS as readonly JsonValue[]).includes(action)) {
    wrong('/action', 'not_allowed', `must be ${RETENTION_ACTIONS.join(' or ')}`);
  }
  if (violations.length > 0) return { violations };
  return {
    configId: configId as string | undefined,
    statuses: [...new Set(statuses as EndedStatus[])],
    olderThanMs,
    keepNewest,
    action: action as RetentionAction,
  };
}
