import type { ControlClient } from '@batuta/messaging';
import type { Agent } from './agent.js';
import { delayAgent } from './delay.js';
import { echoAgent } from './echo.js';
import { failAgent } from './fail.js';

export interface BuiltInAgentOptions {
  /** Asks the config and execution services. */
  readonly control: ControlClient;
  /** Directories below which files may be read. */
  readonly logDirectories: readonly string[];
  /** Private addresses that HTTP calls may reach. */
  readonly allowedAddresses: readonly string[];
  /** The same for `status_handler` alone. */
  readonly statusAddresses: readonly string[];
}

/** The agents that every step-runner of the pool `default` serves: those of `BUILT_IN_AGENTS`. */
export function builtInAgents(_options: BuiltInAgentOptions): readonly Agent[] {
  return [echoAgent, delayAgent, failAgent];
}
