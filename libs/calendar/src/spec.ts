/** What a wall time that does not exist becomes, because clocks are set forward over it: the first instant after, or nothing. */
export type GapRule = 'next' | 'skip';
/** Which of the two instants a wall time has when clocks are set back over it. */
export type OverlapRule = 'first' | 'both';

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** Days and times of day that all have to fit. A list that is left out fits always; seconds, minutes and hours default to 0. */
export interface CalendarSpec {
  readonly seconds?: readonly number[];
  readonly minutes?: readonly number[];
  readonly hours?: readonly number[];
  /** 1–31, or -1 for the last day of the month, -2 for the one before, to -31. */
  readonly days_of_month?: readonly number[];
  readonly days_of_week?: readonly Weekday[];
  /** Which one of that weekday in its month: 1–5, or -1 for the last, to -5. */
  readonly weeks_of_month?: readonly number[];
  /** 1–12. */
  readonly months?: readonly number[];
  readonly years?: readonly number[];
}

/** When something is due: exactly one of `cron`, `every_ms`, `calendar` and `at`, within `start_at` and `end_at`. */
export interface TimetableSpec {
  /** 5 fields, or 6 with seconds first, or 7 with years last; or @hourly and the like. */
  readonly cron?: string;
  /** Milliseconds of elapsed time, counted from `start_at` or else from 1970-01-01T00:00:00Z. */
  readonly every_ms?: number;
  readonly calendar?: CalendarSpec;
  /** One time: RFC 3339 with an offset, or without one in `time_zone`. */
  readonly at?: string;
  /** IANA name; UTC when it is left out. */
  readonly time_zone?: string;
  /** Default `next`. */
  readonly gap?: GapRule;
  /** Default `first`; `both` for a cron expression that fires in every hour, which would pause for an hour otherwise. */
  readonly overlap_hour?: OverlapRule;
  /** RFC 3339; nothing is due before. */
  readonly start_at?: string;
  /** RFC 3339; nothing is due after. */
  readonly end_at?: string;
}

export const TIMETABLE_KINDS = ['cron', 'every_ms', 'calendar', 'at'] as const;
