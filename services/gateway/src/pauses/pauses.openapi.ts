import { PAUSE_KINDS, PAUSE_LIMITS, PauseSchema } from '@batuta/contracts';
import type { OpenApiPart } from '../openapi/openapi-part.js';
import { listOf } from '../openapi/openapi-schema.js';

export const pausesPart: OpenApiPart = {
  messages: [PauseSchema],
  words: { 'Pause.kind': PAUSE_KINDS },
  always: { Pause: ['kind', 'name', 'reason', 'paused_by', 'paused_at'] },
  says: {
    'Pause.kind': 'What is paused.',
    'Pause.name': 'The tenant, the agent or the pool.',
    'Pause.tenant_id': 'The tenant whose tasks wait; absent: those of every tenant.',
    'Pause.reason': 'Why; empty when nobody said it.',
    'Pause.paused_by': 'Id of the user who paused it.',
    'Pause.paused_at': 'Since when.',
    paused: 'The pause that holds it back. Absent when there is none.',
    'PauseList.pauses': 'The oldest first.',
    'BeginPauseBody.reason': 'Why. Steps that wait because of it show it.',
  },
  schemas: () => ({
    PauseList: { type: 'object', required: ['pauses'], properties: { pauses: listOf('Pause') } },
    BeginPauseBody: {
      type: 'object',
      additionalProperties: false,
      properties: { reason: { type: 'string', maxLength: PAUSE_LIMITS.reason } },
    },
  }),
  parameters: [
    [
      /^\/api\/v1\/pauses\//,
      'kind',
      { description: 'What is meant.', schema: { type: 'string', enum: [...PAUSE_KINDS] }, example: 'pool' },
    ],
    [
      /^\/api\/v1\/pauses\//,
      'name',
      { description: 'The tenant, the agent or the pool.', schema: { type: 'string', maxLength: 64 }, example: 'text' },
    ],
  ],
};
