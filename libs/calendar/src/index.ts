export { jitterOf } from './jitter.js';
export { timetableMistakes } from './mistakes.js';
export { scheduleMistakes, withoutNulls } from './schedule-mistakes.js';
export { SCHEDULE_SCHEMA } from './schedule-schema.js';
export { CALENDAR_SCHEMA, TIMETABLE_SCHEMA } from './timetable-schema.js';
export { TIMETABLE_KINDS, WEEKDAYS } from './spec.js';
export type { CalendarSpec, GapRule, TimetableSpec, Weekday } from './spec.js';
export { timetableOf, upcoming } from './timetable.js';
export type { Timetable } from './timetable.js';
