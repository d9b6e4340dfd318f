import type { OpenApiSchema } from './openapi-schema.js';
import { REQUEST_ID } from '../http/request-id.js';

/** Headers of answers, by their names among the document's components. */
export const HEADERS = {
  RequestId: {
    description: 'Your own id if you sent one, else a new one. It is also in the logs.',
    schema: { type: 'string', maxLength: 128 },
  },
  ETag: {
    description: 'The entity tag of the resource, for `If-Match` and `If-None-Match`.',
    schema: { type: 'string' },
    example: '"3-x7JqT0aZkQ1bS9-e"',
  },
  Location: { description: 'Path of the new resource.', schema: { type: 'string', format: 'uri-reference' } },
  RetryAfter: { description: 'Seconds after which to try again.', schema: { type: 'integer', minimum: 0 } },
  RateLimit: {
    description:
      'How much of a limit is left (`r`), and in how many seconds there is more (`t`), according to draft-ietf-httpapi-ratelimit-headers.',
    schema: { type: 'string' },
    example: '"starts_per_second";r=0;t=1',
  },
  RateLimitPolicy: {
    description: 'The limit: so many (`q`) in so many seconds (`w`), or at once, in the unit `qu`.',
    schema: { type: 'string' },
    example: '"starts_per_second";q=50;w=1',
  },
  Authenticate: { description: 'How to authenticate.', schema: { type: 'string' }, example: 'Bearer realm="batuta"' },
} as const satisfies Record<string, OpenApiSchema>;

export const headerRef = (name: keyof typeof HEADERS): OpenApiSchema => ({ $ref: `#/components/headers/${name}` });

/** The header that every request may have. */
export const REQUEST_ID_PARAMETER = {
  name: REQUEST_ID,
  in: 'header',
  required: false,
  description:
    'Your own id of the request, for the logs: up to 128 letters, digits and `._:@/+=-`. Another one is replaced by a new id.',
  schema: { type: 'string', maxLength: 128 },
} as const;
