import { histogram } from '@batuta/observability';
import type { FastifyReply, FastifyRequest } from 'fastify';

const seconds = histogram('batuta_gateway_http_request_seconds', 'Time to answer an HTTP request, including waits.', [
  'method',
  'route',
  'status',
]);

/** Counts an answer under its route and status. */
export function measure(request: FastifyRequest, reply: FastifyReply): void {
  const route = request.is404 ? 'unknown' : (request.routeOptions.url ?? 'unknown');
  seconds.observe({ method: request.method, route, status: String(reply.statusCode) }, reply.elapsedTime / 1000);
}
