import type { FastifyReply } from 'fastify';

const codes = new WeakMap<FastifyReply, string>();

/** Remembers with which code a request is refused. */
export function noteRefusal(reply: FastifyReply, code: string): void {
  codes.set(reply, code);
}

/** The code with which a request was refused. */
export function refusalOf(reply: FastifyReply): string | undefined {
  return codes.get(reply);
}
