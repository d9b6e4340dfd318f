import {
  flagSchema,
  METADATA_SCHEMA,
  MISSED_POLICIES,
  nameSchema,
  objectOf,
  OVERLAP_POLICIES,
  PRIORITIES,
  RULE,
  SCHEDULE_LIMITS,
  secretPointers,
  wholeSchema,
  wordSchema,
} from '@batuta/contracts';
import type { DocumentSchema, JsonValue, ScheduleDefinition } from '@batuta/contracts';
import { TIMETABLE_SCHEMA } from './timetable-schema.js';

const LONGEST_NAME = 200;
const LARGEST_INT32 = 2_147_483_647;

const name = (description: string): DocumentSchema => ({ ...nameSchema(LONGEST_NAME), description });

/** What a user says of a schedule. */
export const SCHEDULE_SCHEMA = objectOf<Required<ScheduleDefinition>>(
  'Executions of a config that start at given times.',
  {
    name: name('What it is called.'),
    config: name('The config whose executions it starts: its id or name. Answers have the id.'),
    config_version: wholeSchema(
      'The version that it starts. Default: the newest one at each firing.',
      1,
      LARGEST_INT32,
    ),
    timetable: TIMETABLE_SCHEMA,
    input: {
      description: 'The input of its executions: a mapping over `schedule` (`id`, `name`), `nominal_time` and `cause`.',
      [RULE]: (value) =>
        secretPointers(value as JsonValue).map((path) => ({
          path,
          code: 'secret_not_allowed',
          message: 'refers to a secret; only the input of a step may',
        })),
    },
    session_id: name('The session of its executions.'),
    metadata: {
      ...METADATA_SCHEMA,
      additionalProperties: true,
      description: 'Metadata of its executions, together with `schedule_id` and `nominal_time`.',
    },
    priority: wordSchema('The priority of its executions.', PRIORITIES),
    jitter_ms: wholeSchema(
      'Each start is delayed by less than this. The same time always has the same delay.',
      0,
      SCHEDULE_LIMITS.jitterMs,
    ),
    overlap: wordSchema('What to do with a time that comes while an execution runs.', OVERLAP_POLICIES, 'skip'),
    buffer_limit: wholeSchema('Of `buffer_all`: how many times wait at most.', 1, SCHEDULE_LIMITS.bufferLimit),
    missed: objectOf<Required<NonNullable<ScheduleDefinition['missed']>>>(
      'What to do with times that passed while the platform could not start them.',
      {
        runs: wordSchema('Which of them start.', MISSED_POLICIES, 'latest'),
        window_ms: wholeSchema('Older times start nothing.', 0, SCHEDULE_LIMITS.longestMissedWindowMs),
        limit: wholeSchema('Of `all`: how many start at most.', 1, SCHEDULE_LIMITS.missedLimit),
      },
    ),
    pause_on_failure: flagSchema('It pauses when an execution fails or cannot be started.', false),
    max_runs: wholeSchema('It ends after this many executions.', 1, SCHEDULE_LIMITS.maxRuns),
  },
  ['name', 'config', 'timetable'],
);
