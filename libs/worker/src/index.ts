export { RetryableError, TerminalError } from './agent.js';
export type { Agent, AgentContext } from './agent.js';
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
export { Runner } from './runner.js';
export type { RunnerOptions } from './runner.js';
export { spentOf } from './spent.js';
