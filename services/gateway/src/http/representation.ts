import { createHash } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { brotliCompress, constants, createBrotliCompress, createGzip, gzip } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import Negotiator from 'negotiator';
import { codedTag, CODINGS, isKnown } from './preconditions.js';
import type { Coding } from './preconditions.js';

/** Compressing fewer bytes saves nothing. */
const WORTH_COMPRESSING = 1024;
const COMPRESSIBLE = /^(?:text\/|image\/svg\+xml|application\/(?:json|javascript|xml|yaml|[\w.+-]+\+(?:json|xml))\b)/;
/** A low quality, because each answer is compressed for one request. */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };

type Done = (error: Error | null, payload?: unknown) => void;

/**
 * Answers 304 when the reader has the current representation (RFC 9110, 13.1.2), and compresses large texts for clients
 * that accept it. A compressed answer has its own strong tag, so that the client can send it back in an `If-Match`.
 */
export function representAnswers(fastify: FastifyInstance): void {
  fastify.addHook('onSend', (request, reply, payload, done: Done) => {
    const { method } = request;
    const reading = (method === 'GET' || method === 'HEAD') && reply.statusCode === 200;
    if (!reading && sizeOf(payload) < WORTH_COMPRESSING) {
      done(null, payload);
      return;
    }
    const coding = codingFor(request, reply, payload);
    if (reading && tagAnswer(request, reply, payload, coding)) {
      reply.removeHeader('content-type').removeHeader('content-length').code(304);
      done(null, '');
      return;
    }
    if (coding === undefined || method === 'HEAD') {
      done(null, payload);
      return;
    }
    reply.header('content-encoding', coding).removeHeader('content-length').removeHeader('accept-ranges');
    compress(coding, payload as string | Buffer | Readable, done);
  });
}

const sizeOf = (payload: unknown): number => {
  if (typeof payload === 'string') return Buffer.byteLength(payload);
  if (Buffer.isBuffer(payload)) return payload.length;
  return payload instanceof Readable ? Infinity : 0;
};

/** The coding of this answer. Undefined for no compression. */
function codingFor(request: FastifyRequest, reply: FastifyReply, payload: unknown): Coding | undefined {
  const { statusCode } = reply;
  const announced = Number(reply.getHeader('content-length') ?? Infinity);
  const worth = Math.min(sizeOf(payload), announced) >= WORTH_COMPRESSING;
  if (!worth || statusCode === 204 || statusCode === 206 || statusCode === 304) return undefined;
  if (!COMPRESSIBLE.test(String(reply.getHeader('content-type') ?? ''))) return undefined;
  if (reply.hasHeader('content-encoding')) return undefined;
  // A secret next to text that the caller chooses must not show in the length of an answer (BREACH).
  if (/\bno-(?:store|transform)\b/.test(String(reply.getHeader('cache-control') ?? ''))) return undefined;
  vary(reply, 'Accept-Encoding');
  const chosen = new Negotiator(request.raw).encoding([...CODINGS, 'identity']);
  return CODINGS.find((coding) => coding === chosen);
}

/** Sets the entity tag of a read. Returns true when the reader has the current representation. */
function tagAnswer(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  coding: Coding | undefined,
): boolean {
  let tag = reply.getHeader('etag');
  if (tag === undefined && request.raw.url?.startsWith('/api/') === true && sizeOf(payload) !== Infinity) {
    // A resource without preconditions gets a weak tag, which If-Match cannot use.
    tag = `W/"${createHash('sha1')
      .update(payload as string | Buffer)
      .digest('base64url')}"`;
    reply.header('etag', tag);
  }
  if (typeof tag !== 'string') return false;
  if (coding !== undefined && !tag.startsWith('W/')) reply.header('etag', codedTag(tag, coding));
  return isKnown(request.headers['if-none-match'], tag);
}

/** Adds a header's name to `Vary`. */
export function vary(reply: FastifyReply, name: string): void {
  const before = [reply.getHeader('vary') ?? []].flat().join(', ');
  if (!before.toLowerCase().split(/, */).includes(name.toLowerCase())) {
    reply.header('vary', before === '' ? name : `${before}, ${name}`);
  }
}

function compress(coding: Coding, payload: string | Buffer | Readable, done: Done): void {
  if (payload instanceof Readable) {
    const encoder = coding === 'br' ? createBrotliCompress(BROTLI) : createGzip();
    // An error of either stream ends both, and the answer with them.
    pipeline(payload, encoder, () => undefined);
    done(null, encoder);
    return;
  }
  if (coding === 'br') brotliCompress(payload, BROTLI, done);
  else gzip(payload, done);
}
