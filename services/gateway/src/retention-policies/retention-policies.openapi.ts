import { ENDED_STATUSES, RETENTION_ACTIONS, RETENTION_LIMITS, RetentionPolicySchema } from '@batuta/contracts';
import type { OpenApiPart } from '../openapi/openapi-part.js';
import { TOKENS_SCHEMA } from '../openapi/openapi-rules.js';
import { listOf } from '../openapi/openapi-schema.js';

export const retentionPoliciesPart: OpenApiPart = {
  messages: [RetentionPolicySchema],
  words: {
    'RetentionPolicy.statuses': ENDED_STATUSES,
    'RetentionPolicy.action': RETENTION_ACTIONS,
  },
  always: {
    RetentionPolicy: ['name', 'statuses', 'action', 'version', 'created_at', 'updated_at', 'updated_by'],
  },
  says: {
    'RetentionPolicy.name': 'Its name. Deleted executions show it.',
    'RetentionPolicies.policies': 'By name.',
    'RetentionPolicy.config_id':
      'Only executions of this config, and only this policy applies to them. Absent: all configs that no policy names.',
    'RetentionPolicy.statuses': 'Only executions that ended with these statuses; an empty list means all.',
    'RetentionPolicy.older_than_ms': 'Milliseconds since their end.',
    'RetentionPolicy.keep_newest': 'How many of the newest are always kept.',
    'RetentionPolicy.action': 'What is done with them: `archive` puts them into the archive first.',
    'RetentionPolicyBody.config_id':
      'Only executions of this config, and only this policy applies to them. Absent: all configs that no policy names.',
    'RetentionPolicyBody.statuses': 'Only executions that ended with these statuses; an empty list means all.',
    'RetentionPolicyBody.older_than_ms': 'Milliseconds since their end.',
    'RetentionPolicyBody.keep_newest': 'How many of the newest are always kept.',
    'RetentionPolicyBody.action':
      'What is done with them. `archive` puts them into the archive first; it is refused where the platform has none.',
    'RetentionPolicy.version': 'Grows by one with each change.',
  },
  schemas: () => ({
    RetentionPolicies: {
      type: 'object',
      required: ['policies'],
      properties: { policies: listOf('RetentionPolicy') },
    },
    RetentionPolicyBody: {
      type: 'object',
      description: 'With `older_than_ms`, `keep_newest` or both.',
      properties: {
        config_id: { type: 'string', format: 'uuid' },
        statuses: { type: 'array', items: { type: 'string', enum: [...ENDED_STATUSES] } },
        older_than_ms: { type: 'integer', minimum: 0, maximum: RETENTION_LIMITS.olderThanMs },
        keep_newest: { type: 'integer', minimum: 0, maximum: RETENTION_LIMITS.keepNewest },
        action: { type: 'string', enum: [...RETENTION_ACTIONS], default: 'delete' },
      },
    },
  }),
  parameters: [
    [
      /^\/api\/v1\/retention-policies\//,
      'name',
      { description: 'Name of the policy.', schema: TOKENS_SCHEMA, example: 'month' },
    ],
  ],
};
