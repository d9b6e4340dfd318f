import type { FastifyReply } from 'fastify';

const codes = new WeakMap<FastifyReply, string>();

/** Remembers the code of a request's refusal. */
export function noteRefusal(reply: FastifyReply, code: string): void {
  codes.set(reply, code);
}

/** The code of a request's refusal. */
export function refusalOf(reply: FastifyReply): string | undefined {
  return codes.get(reply);
}
