import type { FastifyRequest } from 'fastify';

/** Aborted when the client's connection is gone before it was answered. */
export function goneSignal(request: FastifyRequest): AbortSignal {
  const gone = new AbortController();
  const { socket } = request.raw;
  const abort = (): void => gone.abort();
  if (socket.destroyed) abort();
  socket.once('close', abort);
  request.raw.once('close', () => socket.removeListener('close', abort));
  return gone.signal;
}
