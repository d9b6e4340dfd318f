import type { OpenApiPart } from '../openapi/openapi-part.js';
import { listOf } from '../openapi/openapi-schema.js';

export const streamsPart: OpenApiPart = {
  says: {
    type: 'Which kind it is.',
  },
  schemas: () => ({
    StepStream: {
      type: 'object',
      required: ['execution_id', 'step_id', 'items', 'next', 'more', 'over'],
      properties: {
        execution_id: { type: 'string', format: 'uuid' },
        step_id: { type: 'string' },
        items: { ...listOf('StreamItem'), description: 'In their order.' },
        next: { type: ['string', 'null'], description: 'The place of the last item: read on `after` it.' },
        more: { type: 'boolean', description: 'There is more that can be read at once.' },
        over: { type: 'boolean', description: 'Nothing more comes, unless the execution is retried.' },
      },
    },
    StreamItem: {
      type: 'object',
      description:
        'Something that a step says while it runs. `start`: an attempt begins to say something, and what it said before is void. `part`: a piece. `end`: the attempt is over.',
      required: ['type', 'step_id', 'attempt', 'place'],
      properties: {
        type: { type: 'string', enum: ['start', 'part', 'end'] },
        step_id: { type: 'string' },
        attempt: { type: 'integer', minimum: 1 },
        place: { type: 'string', description: 'Where it stands: read on `after` it.' },
        at: { type: 'string', format: 'date-time', description: 'Of a part: when it was said.' },
        kind: {
          type: 'string',
          description:
            'Of a part: `text`, `reasoning`, `tool_call`, `cut` (more is not kept), or another one of the agent.',
        },
        text: { type: 'string', description: 'Of a part.' },
        id: { type: 'string', description: 'Of a part: which of several of its kind, such as the id of a call.' },
        name: { type: 'string', description: 'Of a part: for people, such as the name of a tool.' },
        outcome: {
          type: 'string',
          enum: ['completed', 'answered', 'failed', 'stopped'],
          description: 'Of an end. `answered`: a model has answered, and the step goes on.',
        },
        void: { type: 'boolean', description: 'Of an end: what the attempt has said counts no more.' },
        version: { type: 'integer', description: 'Of an end: the event that has the output or the failure.' },
        code: { type: 'string', description: 'Of an end: why the attempt failed.' },
        message: { type: 'string', description: 'Of an end: the same for people.' },
      },
    },
  }),
};
