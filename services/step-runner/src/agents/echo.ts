import { defineAgent } from '@batuta/worker';

export const echoAgent = defineAgent(
  'echo',
  { description: 'Returns its input. For tests.' },
  (_input, _context, whole) => whole,
);
