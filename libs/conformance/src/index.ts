export { CHECKS } from './checks.js';
export type { Check, Lab } from './check-tools.js';
export { FakeEngine, wholeTask } from './fake-engine.js';
export { runConformance } from './run-conformance.js';
export type { CheckResult, Conformance, ConformanceOptions } from './run-conformance.js';
