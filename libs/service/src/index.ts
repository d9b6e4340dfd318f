export { runOnce } from './run-once.js';
export type { RunOnceOptions } from './run-once.js';
export { runService } from './run-service.js';
export type { RunServiceOptions, RunningService } from './run-service.js';
