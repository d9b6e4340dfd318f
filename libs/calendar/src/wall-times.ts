import { Cron } from 'croner';
import { DAY, HOUR, MINUTE, SECOND, civilDay, daysInMonth, daysOf, weekday } from './civil.js';
import { WEEKDAYS } from './spec.js';
import type { CalendarSpec } from './spec.js';

/** An increasing sequence of wall times. */
export interface WallTimes {
  /** The first time at or after a wall time. Undefined when there are no more. */
  from(wall: number): number | undefined;
}

/** The search ends with this year. Eight years contain every date, and a list of years is finite. */
const LAST_YEAR = 2_999;
const LAST_WALL = daysOf({ year: LAST_YEAR, month: 12, day: 31 }) * DAY;
/** 29 February on a given weekday may come only once in 40 years around a turn of a century. */
const SEARCHED_DAYS = 366 * 41;

/**
 * The wall times of a cron expression, as if clocks never changed. The rules of the timetable, and not the expression,
 * decide about times that a zone does not have or has twice.
 * @throws Error that describes the mistake in the expression.
 */
export function cronTimes(expression: string): WallTimes {
  // Croner would read an ISO 8601 time as an expression that fires once.
  if (expression.includes(':')) throw new Error('a cron expression has no ":"; a single time belongs in at');
  const cron = new Cron(expression, { timezone: 'UTC', paused: true });
  return {
    from(wall) {
      if (wall > LAST_WALL) return undefined;
      // Croner returns times later than a whole second.
      const before = Math.floor((wall - 1) / SECOND) * SECOND;
      return cron.nextRun(new Date(before))?.getTime();
    },
  };
}

/** Whether a cron expression does not restrict hours, so that it fires in each hour. */
export function firesInEveryHour(expression: string): boolean {
  const fields = expression.trim().split(/\s+/);
  if (fields.length === 1) return fields[0]?.toLowerCase() === '@hourly';
  return (fields.length === 5 ? fields[1] : fields[2])?.startsWith('*') === true;
}

/** The wall times of a calendar whose numbers are in range. */
export function calendarTimes(spec: CalendarSpec): WallTimes {
  const times = timesOfDay(spec);
  const last = spec.years === undefined ? LAST_YEAR : Math.max(...spec.years);
  const fits = dayTest(spec);
  return {
    from(wall) {
      let day = Math.floor(wall / DAY);
      const rest = wall - day * DAY;
      const today = fits(day) ? times.find((time) => time >= rest) : undefined;
      if (today !== undefined) return day * DAY + today;
      const first = spec.years === undefined ? undefined : firstDayOf(spec.years, day);
      if (first !== undefined) day = Math.max(day, first - 1);
      for (let searched = 0; searched < SEARCHED_DAYS; searched++) {
        day += 1;
        if (fits(day)) return day * DAY + (times[0] ?? 0);
        if (civilDay(day).year > last) return undefined;
      }
      return undefined;
    },
  };
}

/** The first day of the listed years that is not before `day`. Undefined when there is none. */
function firstDayOf(years: readonly number[], day: number): number | undefined {
  const { year } = civilDay(day);
  const next = years.filter((item) => item >= year).toSorted((a, b) => a - b)[0];
  return next === undefined ? undefined : daysOf({ year: next, month: 1, day: 1 });
}

/** A single wall time. */
export function singleTime(at: number): WallTimes {
  return { from: (wall) => (wall <= at ? at : undefined) };
}

function timesOfDay({ hours = [0], minutes = [0], seconds = [0] }: CalendarSpec): readonly number[] {
  const times = new Set<number>();
  for (const hour of hours) {
    for (const minute of minutes) {
      for (const second of seconds) times.add(hour * HOUR + minute * MINUTE + second * SECOND);
    }
  }
  return [...times].toSorted((a, b) => a - b);
}

function dayTest(spec: CalendarSpec): (day: number) => boolean {
  const { days_of_month: days, days_of_week: weekdays, weeks_of_month: weeks, months, years } = spec;
  const numbers = weekdays?.map((name) => WEEKDAYS.indexOf(name) + 1);
  return (day) => {
    const civil = civilDay(day);
    if (years !== undefined && !years.includes(civil.year)) return false;
    if (months !== undefined && !months.includes(civil.month)) return false;
    if (numbers !== undefined && !numbers.includes(weekday(day))) return false;
    const length = daysInMonth(civil.year, civil.month);
    if (days !== undefined && !days.includes(civil.day) && !days.includes(civil.day - length - 1)) return false;
    if (weeks === undefined) return true;
    const nth = Math.floor((civil.day - 1) / 7) + 1;
    const fromEnd = -(Math.floor((length - civil.day) / 7) + 1);
    return weeks.includes(nth) || weeks.includes(fromEnd);
  };
}
