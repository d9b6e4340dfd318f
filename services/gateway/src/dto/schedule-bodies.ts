import { objectOf, OVERLAP_POLICIES, RULE, textSchema, wordSchema, parseTime } from '@batuta/contracts';
import type { DocumentSchema, JsonObject, OverlapPolicy } from '@batuta/contracts';
import { timeSchema } from './document-body.js';

// The bodies of commands to schedules. They are checked by these schemas, and OpenAPI shows them.

export interface ScheduleReason {
  readonly reason?: string;
}

export interface TriggerBody {
  readonly overlap?: OverlapPolicy;
}

const BACKFILL_POLICIES = ['allow', 'buffer_all'] as const;

export interface BackfillBody {
  readonly from: string;
  readonly to: string;
  readonly overlap?: (typeof BACKFILL_POLICIES)[number];
}

export const SCHEDULE_REASON = objectOf<Required<ScheduleReason>>('Why.', { reason: textSchema('Why.', 0, 2_000) });

export const TRIGGER_BODY = objectOf<Required<TriggerBody>>('How it is started now.', {
  overlap: wordSchema('What to do when others run.', OVERLAP_POLICIES, 'allow'),
});

export const BACKFILL_BODY: DocumentSchema = {
  ...objectOf<Required<BackfillBody>>(
    'A range of times, and how they are made up for.',
    {
      from: timeSchema('The range begins here.'),
      to: timeSchema('The range ends here, which belongs to it.'),
      overlap: wordSchema('All at once, or one after the other.', BACKFILL_POLICIES, 'buffer_all'),
    },
    ['from', 'to'],
  ),
  [RULE]: (value) => {
    const [from, to] = [timeIn(value, 'from'), timeIn(value, 'to')];
    if (from === undefined || to === undefined || to >= from) return undefined;
    return { code: 'contradiction', path: '/to', message: 'must not be before from' };
  },
};

function timeIn(value: unknown, field: string): number | undefined {
  const text = (value as JsonObject)[field];
  return typeof text === 'string' ? parseTime(text) : undefined;
}
