import type { Preconditions, TagCondition } from '@batuta/contracts';
import { createParamDecorator, Injectable, SetMetadata } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { mistake, Problem } from './problem.js';

interface EntityTag {
  readonly weak: boolean;
  readonly opaque: string;
}

type Header = string | string[] | undefined;

/**
 * The content codings of answers. Each makes another representation, with a different strong tag (RFC 9110, 8.8.3.3).
 */
export const CODINGS = ['br', 'gzip'] as const;
export type Coding = (typeof CODINGS)[number];

/** The tag of a representation in a coding. */
export const codedTag = (tag: string, coding: Coding): string => tag.replace(/"$/, `-${coding}"`);
const withoutCoding = (opaque: string): string => opaque.replace(/-(?:br|gzip)$/, '');

/** One element of a list of entity tags, with the comma after it. Tags may contain commas. */
const ELEMENT = /[ \t]*(?:(W\/)?"([\x21\x23-\x7E\x80-\xFF]*)")?[ \t]*(,|$)/y;

/**
 * The entity tags in an `If-Match` or `If-None-Match` header, or `*`. Undefined when the header is absent. @throws
 * Problem validation_failed when it is neither. Source of the grammar: RFC 9110, 13.1.1, 8.8.3 and 5.6.1.
 */
export function tagsOf(name: string, header: Header): '*' | readonly EntityTag[] | undefined {
  if (header === undefined) return undefined;
  const text = [header].flat().join(',');
  if (/^[ \t]*\*[ \t]*$/.test(text)) return '*';
  const tags: EntityTag[] = [];
  ELEMENT.lastIndex = 0;
  for (;;) {
    const found = ELEMENT.exec(text);
    if (found === null) break;
    const [, weak, opaque, comma] = found;
    if (opaque !== undefined) tags.push({ weak: weak !== undefined, opaque });
    if (comma === ',') continue;
    if (tags.length > 0) return tags;
    break;
  }
  throw mistake(
    `/headers/${name.toLowerCase()}`,
    'bad_format',
    'must be entity tags as answers have them, such as "3-x7Jq", separated by commas, or *',
  );
}

/**
 * A condition for the service that has the resource. If-Match compares strongly, so weak tags match nothing (RFC 9110,
 * 8.8.3.2).
 */
function conditionOf(name: string, header: Header, strong: boolean): TagCondition | undefined {
  const tags = tagsOf(name, header);
  if (tags === undefined) return undefined;
  if (tags === '*') return { any: true };
  return { tags: tags.filter(({ weak }) => !strong || !weak).map(({ opaque }) => withoutCoding(opaque)) };
}

/**
 * The conditions that must hold before a request changes anything. Undefined when it has none. @throws Problem
 * validation_failed.
 */
export function preconditionsOf(headers: Readonly<Record<string, Header>>): Preconditions | undefined {
  const ifMatch = conditionOf('If-Match', headers['if-match'], true);
  const ifNoneMatch = conditionOf('If-None-Match', headers['if-none-match'], false);
  return ifMatch === undefined && ifNoneMatch === undefined ? undefined : { ifMatch, ifNoneMatch };
}

const HEADERS = ['if-match', 'if-none-match'] as const;

/**
 * For a change that compares no tags. A client that sets a condition expects it to be checked. @throws Problem
 * validation_failed when the request has one.
 */
export function refusePreconditions(headers: Readonly<Record<string, Header>>): void {
  for (const name of HEADERS) {
    if (headers[name] === undefined) continue;
    const title = name === 'if-match' ? 'If-Match' : 'If-None-Match';
    const message = `is not taken here: what this request changes has no ETag`;
    throw new Problem('validation_failed', `${title} ${message}.`, {
      errors: [{ path: `/headers/${name}`, code: 'not_allowed', message }],
    });
  }
}

const COMPARES = Symbol('compares');

/** Marks a handler that checks preconditions of its change. */
export const Compares: MethodDecorator = SetMetadata(COMPARES, true);

/** Refuses preconditions for changes whose handler does not check them. */
@Injectable()
export class PreconditionGuard implements CanActivate {
  readonly #reflector: Reflector;

  constructor(reflector: Reflector) {
    this.#reflector = reflector;
  }

  canActivate(context: ExecutionContext): boolean {
    const { method, headers } = context.switchToHttp().getRequest<FastifyRequest>();
    const reads = method === 'GET' || method === 'HEAD';
    if (!reads && this.#reflector.get<boolean | undefined>(COMPARES, context.getHandler()) !== true) {
      refusePreconditions(headers);
    }
    return true;
  }
}

/** Parameter decorator: the preconditions of a change. */
export const Conditions = createParamDecorator((_: unknown, context: ExecutionContext) =>
  preconditionsOf(context.switchToHttp().getRequest<FastifyRequest>().headers),
);

/**
 * Whether the reader has the current representation already: `If-None-Match` compares weakly (RFC 9110, 13.1.2). A
 * malformed header counts as absent, because sending the whole answer is never wrong.
 */
export function isKnown(header: Header, etag: string): boolean {
  if (header === undefined) return false;
  try {
    const tags = tagsOf('If-None-Match', header);
    const current = withoutCoding(etag.replace(/^W\//, '').slice(1, -1));
    return tags === '*' || (tags ?? []).some(({ opaque }) => withoutCoding(opaque) === current);
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}
