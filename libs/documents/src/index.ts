export { documentCheck, isRecord } from './check.js';
export type { DocumentCheck } from './check.js';
export { FORBIDDEN_KEYS, guardJson } from './guard.js';
export { MAX_VIOLATIONS, Report } from './report.js';
export { Suggestions } from './suggestion.js';
export { unstorable } from './text.js';
