import { EXECUTION_STATUSES } from '@batuta/contracts';
import type { Tool } from '@modelcontextprotocol/server';

/** The structured result of a tool that runs something. */
export const DEFAULT_RUN_SCHEMA: NonNullable<Tool['outputSchema']> = {
  type: 'object',
  required: ['execution_id', 'status'],
  properties: {
    execution_id: { type: 'string', description: 'The execution. executions_get and executions_result take it.' },
    status: { type: 'string', enum: [...EXECUTION_STATUSES] },
    output: { description: 'The output, once it is completed.' },
    failure: { description: 'Why it failed, if it did.' },
  },
};
