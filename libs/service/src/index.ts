export { runService } from './run-service.js';
export type { RunServiceOptions, RunningService } from './run-service.js';
