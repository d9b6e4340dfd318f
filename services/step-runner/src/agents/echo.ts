import type { Agent } from '@batuta/worker';

/** Returns its input. */
export const echoAgent: Agent = {
  name: 'echo',
  version: '1',
  run: (input) => input,
};
