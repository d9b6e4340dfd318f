import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';

const isOrigin = (text: string): boolean =>
  URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol) && new URL(text).origin === text;

/** Whether these are valid origins: each in the form that browsers send, or `*` alone. */
export const areOrigins = (origins: readonly string[]): boolean =>
  origins.every((origin) => isOrigin(origin) || (origin === '*' && origins.length === 1));

/**
 * Whether a page of this origin may open a WebSocket, because browsers do not use CORS for that. The origin must be in
 * the list or belong to the requested host. Only browsers send an origin.
 */
export function mayOpenSocket(origin: string | undefined, host: string, origins: readonly string[]): boolean {
  if (origin === undefined || origins[0] === '*' || origins.includes(origin)) return true;
  return isOrigin(origin) && new URL(origin).host === host.toLowerCase();
}

/**
 * Lets pages of these origins call the API (the Fetch standard's CORS protocol). The page itself sets the header with
 * the key, so browsers are never told to send stored `credentials`, and `*` gives a page no additional rights.
 */
export function allowOrigins(fastify: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return;
  void fastify.register(cors, {
    origin: origins[0] === '*' ? '*' : [...origins],
    credentials: false,
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: [
      'Authorization',
      'Content-Type',
      'Idempotency-Key',
      'If-Match',
      'If-None-Match',
      'X-Request-Id',
      'traceparent',
    ],
    exposedHeaders: ['ETag', 'Location', 'Retry-After', 'Allow', 'X-Request-Id'],
    maxAge: 600,
    // Answered like every OPTIONS request.
    preflightContinue: true,
    strictPreflight: false,
  });
}
