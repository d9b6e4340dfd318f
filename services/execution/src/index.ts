export { ExecutionModule } from './app.module.js';
export type { ExecutionModuleOptions } from './app.module.js';
export type { EngineCounters } from './partitions/counters.js';
export { rebuildReadModels } from './projections/rebuild.js';
export type { RebuildSummary } from './projections/rebuild.js';
export { loadExecutionSettings } from './settings.js';
export type { ExecutionSettings } from './settings.js';
export { startExecution } from './start-execution.js';
export type { RunningExecution, StartExecutionOptions } from './start-execution.js';
