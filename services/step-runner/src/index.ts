export { RetryableError, TerminalError } from './agents/agent.js';
export type { Agent, AgentContext } from './agents/agent.js';
export type { OutboundCall } from './agents/outbound-call.js';
export { StepRunnerModule } from './app.module.js';
export { loadStepRunnerSettings } from './settings.js';
export type { StepRunnerSettings } from './settings.js';
export { startStepRunner } from './start-step-runner.js';
export type { RunningStepRunner, StartStepRunnerOptions } from './start-step-runner.js';
