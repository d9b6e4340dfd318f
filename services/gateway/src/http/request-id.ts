import type { IncomingHttpHeaders } from 'node:http';
import { uuidV7 } from './ids.js';

export const REQUEST_ID = 'X-Request-Id';
const SANE = /^[A-Za-z0-9][A-Za-z0-9._:@/+=-]{0,127}$/;

/** The caller's own request id if it is safe for logs and headers, else a new one. */
export function requestIdOf(headers: IncomingHttpHeaders): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && SANE.test(given) ? given : uuidV7();
}
