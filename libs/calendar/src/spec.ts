export { TIMETABLE_KINDS, WEEKDAYS } from '@batuta/contracts';
export type { CalendarSpec, GapRule, OverlapHourRule as OverlapRule, TimetableSpec, Weekday } from '@batuta/contracts';
