import { EXECUTION_STATUSES } from '../../codes.js';
import type { JsonObject } from '../../common.js';
import type { BodySpec } from '../define.js';
import { OFFSET } from '../offset.js';
import {
  cursorParameter,
  integerParameter,
  limitParameter,
  placeParameter,
  textParameter,
  timeParameter,
  waitParameter,
  wordsParameter,
} from '../parameters.js';

export const PATH = '/api/v1/orchestrations';
export const ONE = `${PATH}/executions/:id`;
const NEWEST_VERSION = 2_147_483_647;
/** Why there is no such execution. */
export const GONE = ['not_found', 'execution_deleted'] as const;
/** Why an execution takes no more commands. */
export const ENDED = ['already_completed', 'already_failed', 'already_cancelled'] as const;

/** Query parameters of the routes. */
export const EXECUTION_QUERIES = {
  list: {
    config_id: textParameter('Executions of this config: its id or name.'),
    status: wordsParameter('Executions in this status; may be given several times.', EXECUTION_STATUSES),
    user: textParameter('Executions that this user started.'),
    session_id: textParameter('Executions of this session.'),
    parent_id: textParameter('Executions that are steps of this execution, or work on items of its lists.'),
    created_from: timeParameter('Created at this time or later.'),
    created_to: timeParameter('Created before this time.'),
    limit: limitParameter(200),
    cursor: cursorParameter,
    ...OFFSET,
  },
  approvals: {
    config_id: textParameter('Approvals of executions of this config: its id or name.'),
    execution_id: textParameter('Approvals of this execution.'),
    approver: textParameter('Those that this user may decide, by the `approvers` of the step.'),
    limit: limitParameter(200),
    cursor: cursorParameter,
  },
  view: {
    at_version: integerParameter(
      'The state after the event with this version, from 1; the newest when left out.',
      1,
      NEWEST_VERSION,
    ),
  },
  remove: {
    reason: textParameter('Why; it is kept.'),
    if_version: integerParameter('Only while this is its newest version.', 1, NEWEST_VERSION),
  },
  events: {
    from_version: integerParameter('First version wanted; 1 when left out.', 1, NEWEST_VERSION),
    limit: limitParameter(1000, 100),
    cursor: cursorParameter,
  },
  stream: {
    attempt: integerParameter('Only what this attempt has said.', 1, NEWEST_VERSION),
    after: placeParameter,
    limit: limitParameter(1000, 500),
  },
  wait: { wait: waitParameter },
} as const;

const REASON = { schema: 'ReasonBody', says: 'Why.', optional: true } as const;

/** A body with a reason, which is optional. */
export const reasoned = (example: JsonObject): BodySpec => ({ ...REASON, example });
