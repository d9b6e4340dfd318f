import type { Agent } from './agent.js';

/** Returns its input. */
export const echoAgent: Agent = {
  name: 'echo',
  version: '1',
  run: (input) => input,
};
