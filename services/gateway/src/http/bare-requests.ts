import { STATUS_CODES } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { mistake } from './problem.js';
import type { Problem } from './problem.js';
import { REQUEST_ID, requestIdOf } from './request-id.js';
import { SECURITY_HEADERS } from './security-headers.js';

/**
 * Headers that must occur once, because two programs may read a repeated one differently. Node shows only the first.
 */
const SINGLE = new Set(['host', 'authorization']);

/** @throws Problem validation_failed when a header that decides the target or the caller occurs twice. */
export function requireSingleHeaders({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): void {
  let seen = '';
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const { length } = rawHeaders[at] ?? '';
    if (length !== 4 && length !== 13) continue;
    const name = rawHeaders[at]?.toLowerCase() ?? '';
    if (!SINGLE.has(name)) continue;
    if (seen.includes(name)) throw mistake(`/headers/${name}`, 'repeated_parameter', 'may be given only once');
    seen += name;
  }
}

/**
 * HTTP/1.1 requires a Host header, and HTTP/1.0 does not have it (RFC 9112, 3.2). @throws Problem validation_failed.
 */
export function requireHost({ headers, httpVersion }: IncomingMessage): void {
  if (headers.host === undefined && httpVersion !== '1.0') throw mistake('/headers/host', 'required', 'is required');
}

/** Answers with problem details on a raw connection, and closes it. */
export function endWithProblem(
  connection: Duplex,
  problem: Problem,
  { path, requestId = requestIdOf({}) }: { readonly path?: string; readonly requestId?: string } = {},
): void {
  if (connection.destroyed || !connection.writable) {
    connection.destroy();
    return;
  }
  const status = problem.getStatus();
  const body = JSON.stringify(problem.body(path, requestId));
  // The connection is always closed, so the problem's own header does not count.
  const { connection: _connection, ...own } = problem.headers();
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`,
    ...Object.entries({ ...SECURITY_HEADERS, [REQUEST_ID]: requestId, ...own }).map(
      ([name, value]) => `${name}: ${value}`,
    ),
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  connection.once('finish', () => connection.destroy());
  connection.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}
