export { builtInAgents } from './agents/built-in.js';
export type { BuiltInAgentOptions, BuiltInAgents } from './agents/built-in.js';
export { StepRunnerModule } from './app.module.js';
export { drainMsOf, loadStepRunnerSettings } from './settings.js';
export type { StepRunnerSettings } from './settings.js';
export { startStepRunner } from './start-step-runner.js';
export type { RunningStepRunner, StartStepRunnerOptions } from './start-step-runner.js';
