export { RetryableError, TerminalError } from './agent.js';
export type { Agent, AgentContext } from './agent.js';
export { invalidInput } from './check-input.js';
export { defineAgent } from './define-agent.js';
export type { AgentDefinition, Handler } from './define-agent.js';
export type { JsonOf, JsonSchema } from './json-schema.js';
export { jsonLogger } from './logger.js';
export type { Logger } from './logger.js';
export type {
  Hidden,
  Meter,
  OutboundCall,
  PlatformContext,
  PlatformPorts,
  ResolvedInput,
  UsedSecrets,
} from './platform.js';
export type { OutputOptions } from './output-options.js';
export type { Platform } from './register-agents.js';
export { Runner } from './runner.js';
export type { RunnerOptions } from './runner-options.js';
export { spentOf } from './spent.js';
export { Worker, WorkerRefusedError } from './worker.js';
export type { WorkerOptions } from './worker.js';
