import {
  booleanParameter,
  limitParameter,
  parseDuration,
  textParameter,
  timeParameter,
  waitParameter,
  wordsParameter,
} from '@batuta/contracts';
import { describe, expect, it } from '@jest/globals';
import { idempotencyKeyOf, traceparentOf } from './headers.js';
import { canonicalJson, executionIdOfKey, isUuid, newTraceId, uuidV5, uuidV7 } from './ids.js';
import { parseQuery } from './query.js';
import { RouteTable } from './route-table.js';
import { bearerOf, bearerOfProtocols } from '../auth/bearer.js';
import { problemOfRefusal, problemOfStatus } from './problem.js';

describe('durations', () => {
  it.each([
    ['1ms', 1],
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1500],
    ['1m', 60_000],
  ])('%s are %i ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '5', 's', '-1s', '1 s', '1S', '1e3ms', '١s', '1h'])('%j is none', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it('allows to wait from 1 ms to 60 s', () => {
    expect(['1ms', '60s', '1m'].map((text) => waitParameter.read(text))).toEqual([1, 60_000, 60_000]);
    expect(['0ms', '0.4ms', '61s', '2m'].map((text) => waitParameter.read(text))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('query parameters', () => {
  const spec = {
    limit: limitParameter(200),
    name: textParameter('A name.', 5),
    deleted: booleanParameter('Deleted?'),
    status: wordsParameter('Status', ['a', 'b']),
  } as const;

  it('have their types and defaults', () => {
    expect(parseQuery(spec, {})).toEqual({ limit: 50, name: undefined, deleted: undefined, status: [] });
    expect(parseQuery(spec, { limit: '7', name: 'x', deleted: 'true', status: ['a', 'b'] })).toEqual({
      limit: 7,
      name: 'x',
      deleted: true,
      status: ['a', 'b'],
    });
  });

  it('may be given only so many times, where each makes work', () => {
    const few = { status: { ...spec.status, most: 2 } } as const;
    expect(parseQuery(few, { status: ['a', 'b'] })).toEqual({ status: ['a', 'b'] });
    expect(() => parseQuery(few, { status: ['a', 'b', 'a'] })).toThrow(
      expect.objectContaining({
        extra: {
          errors: [
            {
              path: '/status',
              code: 'too_many',
              message: 'status may be given at most 2 times, and was given 3 times',
            },
          ],
        },
      }) as unknown as never,
    );
  });

  it('are reported all at once', () => {
    expect(() => parseQuery(spec, { limit: '1.5', name: 'too long', deleted: '1', status: 'c', other: '' })).toThrow(
      expect.objectContaining({
        extra: {
          errors: ['/other', '/limit', '/name', '/deleted', '/status'].map(
            (path) => expect.objectContaining({ path }) as unknown,
          ),
        },
      }) as unknown as never,
    );
  });

  it('reads RFC 3339 times only', () => {
    const { read } = timeParameter('When.');
    expect(read('2025-01-31T12:00:00+02:00')).toBe(Date.UTC(2025, 0, 31, 10));
    expect(['2025-01-31', '2025-02-30T00:00:00Z', '1738324800000'].map(read)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('headers', () => {
  it('takes an idempotency key of visible ASCII', () => {
    expect(idempotencyKeyOf('a'.repeat(255))).toHaveLength(255);
    for (const wrong of ['', 'a b', 'é', 'a'.repeat(256)]) {
      expect(() => idempotencyKeyOf(wrong)).toThrow('idempotency-key');
    }
  });

  it('passes on a valid traceparent and drops any other', () => {
    const valid = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    expect(traceparentOf(valid)).toBe(valid);
    expect(traceparentOf('00-00000000000000000000000000000000-00f067aa0ba902b7-01')).toBeUndefined();
    expect(traceparentOf('nonsense')).toBeUndefined();
  });

  it('finds the key in Authorization or among the subprotocols, and nowhere else', () => {
    expect(bearerOf('bearer  abcdefgh ')).toBe('abcdefgh');
    expect(bearerOf(undefined)).toBeUndefined();
    expect(bearerOfProtocols('batuta.v1, batuta.bearer.abcdefgh')).toBe('abcdefgh');
    expect(bearerOfProtocols('batuta.v1')).toBeUndefined();
  });
});

describe('an Authorization header without a key', () => {
  it.each(['Bearer', 'bearer nope', 'Bearer two words', 'Bearer ' + 'k'.repeat(257)])('says so of "%s"', (header) => {
    expect(() => bearerOf(header)).toThrow('The text after "Bearer" is not an API key');
    expect(() => bearerOf(header)).toThrow(
      expect.objectContaining({
        code: 'unauthenticated',
        extra: { headers: { 'www-authenticate': expect.stringContaining('invalid_token') } },
      }) as never,
    );
  });

  it.each(['', 'Basic abcdefgh', 'abcdefgh'])('says how to send one to "%s"', (header) => {
    expect(() => bearerOf(header)).toThrow('The header Authorization has no API key. Send it as');
  });
});

describe('ids', () => {
  it('makes UUIDs of the right versions', () => {
    const at = 1_700_000_000_000;
    const id = uuidV7(at);
    expect(isUuid(id)).toBe(true);
    expect(parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(at);
    expect(id[14]).toBe('7');
    // RFC 9562, appendix A.4
    expect(uuidV5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'www.example.com')).toBe(
      '2ed6657d-e927-568b-95e1-2665a8aea6a2',
    );
    expect(newTraceId()).toMatch(/^[0-9a-f]{32}$/);
    expect(new Set(Array.from({ length: 2000 }, () => uuidV7())).size).toBe(2000);
  });

  it('makes the same execution id for the same tenant and key, and a different one for any other', () => {
    expect(executionIdOfKey('default', 'k')).toBe(executionIdOfKey('default', 'k'));
    expect(executionIdOfKey('default', 'k')).not.toBe(executionIdOfKey('other', 'k'));
    expect(isUuid(executionIdOfKey('default', 'k'))).toBe(true);
  });

  it('writes equal documents identically, in any order of their keys', () => {
    expect(canonicalJson({ b: [1, { d: null, c: 'x' }], a: true })).toBe('{"a":true,"b":[1,{"c":"x","d":null}]}');
  });
});

describe('problems', () => {
  it('have one status for each code, and 409 for an unknown one', () => {
    expect(problemOfRefusal({ code: 'not_found', message: 'm' }).getStatus()).toBe(404);
    expect(problemOfRefusal({ code: 'already_paused', message: '' }).body('/x')).toEqual({
      type: 'urn:batuta:problem:already_paused',
      title: 'The execution is paused already',
      status: 409,
      detail: 'The execution is paused already',
      code: 'already_paused',
      instance: '/x',
    });
    expect(problemOfRefusal({ code: 'from_the_future' as never, message: 'm' }).getStatus()).toBe(409);
  });

  it('hide the message of a library for an internal failure', () => {
    expect(problemOfStatus(500, 'secret').body().detail).not.toContain('secret');
    expect(problemOfStatus(400, 'bad').body()).toMatchObject({ code: 'malformed_request', detail: 'bad' });
  });

  it('know the methods of a path', () => {
    const routes = new RouteTable();
    routes.add('/a/:id', ['GET']);
    routes.add('/a/:id', ['PUT']);
    routes.add('/a/b.c', ['POST']);
    expect([
      routes.methodsOf('/a/x'),
      routes.methodsOf('/a/bxc'),
      routes.methodsOf('/a/b.c'),
      routes.methodsOf('/a/x/y'),
    ]).toEqual([['GET', 'OPTIONS', 'PUT'], ['GET', 'OPTIONS', 'PUT'], ['OPTIONS', 'POST'], []]);
  });
});
