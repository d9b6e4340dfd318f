import { describe, expect, it } from '@jest/globals';
import { LIMITS } from '@batuta/contracts';
import { decodeCheck, decodeHeartbeat } from './attempt-reports.js';
import { decodeCommand } from './command.js';
import { MalformedRequest } from './fields.js';
import { decodeResults } from './results.js';

const ID = '01890000-0000-7000-8000-000000000001';
const bytes = (value: unknown): Uint8Array =>
  new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
const command = (changes: object): Uint8Array =>
  bytes({
    commandId: 'c1',
    executionId: ID,
    principal: { tenantId: 'default', userId: 'u', role: 'operator', keyId: 'k' },
    ...changes,
  });
const result = (changes: object): Uint8Array =>
  bytes({
    results: [{ executionId: ID, stepId: 'a', attempt: 1, ok: true, startedAt: 5.7, finishedAt: 6, ...changes }],
  });

describe('decodeCommand', () => {
  it('takes a start with the fields that proto-JSON leaves out at their defaults', () => {
    expect(decodeCommand(command({ start: { configId: 'c', traceId: 't' } })).start).toEqual({
      configId: 'c',
      configVersion: 0,
      traceId: 't',
    });
  });

  it('reads a decision: a missing field is false, and null is data', () => {
    const decided = decodeCommand(command({ decideApproval: { stepId: 'a', data: null, comment: 'x'.repeat(3_000) } }));
    expect(decided.decideApproval).toEqual({ stepId: 'a', approved: false, data: null, comment: 'x'.repeat(2_000) });
  });

  it.each([
    ['not JSON', 'the message must be JSON', '{'],
    ['no command', 'exactly one of', command({})],
    ['two commands', 'exactly one of', command({ resume: {}, retry: {} })],
    ['an unknown field', 'extra is not a known field', command({ resume: {}, extra: 1 })],
    ['an unknown field below', 'start.why is not a known field', command({ start: { configId: 'c', why: 1 } })],
    [
      'a budget below zero',
      'start.budget.maxCost must be a positive number',
      command({ start: { configId: 'c', traceId: 't', budget: { maxCost: -1 } } }),
    ],
    [
      'an unknown limit',
      'start.budget.euros is not a known field',
      command({ start: { configId: 'c', traceId: 't', budget: { euros: 1 } } }),
    ],
    ['an id that is none', 'executionId must be a lower-case UUID', command({ executionId: 'x', resume: {} })],
    ['the engine’s own ids', 'commandId must be', command({ commandId: 'r:a:1', resume: {} })],
    ['an unknown role', 'principal.role must be', command({ principal: { tenantId: 't', role: 'king' }, resume: {} })],
    ['a line break in an id', 'commandId must be', command({ commandId: 'a\nb', resume: {} })],
    ['a decision about nothing', 'decideApproval.stepId must be', command({ decideApproval: { approved: true } })],
    ['half a decision', 'decideApproval.approved must be', command({ decideApproval: { stepId: 'a', approved: 1 } })],
    [
      'too much data of a decision',
      `decideApproval.data must be at most ${LIMITS.payloadBytes} bytes`,
      command({ decideApproval: { stepId: 'a', approved: true, data: 'x'.repeat(LIMITS.payloadBytes) } }),
    ],
    [
      'too large an input',
      `start.input must be at most ${LIMITS.payloadBytes} bytes`,
      command({ start: { configId: 'c', traceId: 't', input: 'x'.repeat(LIMITS.payloadBytes) } }),
    ],
  ])('refuses %s and says where', (_title, message, payload) => {
    expect(() => decodeCommand(typeof payload === 'string' ? bytes(payload) : payload)).toThrow(MalformedRequest);
    expect(() => decodeCommand(typeof payload === 'string' ? bytes(payload) : payload)).toThrow(message);
  });

  it('replaces NUL characters and lone surrogates', () => {
    const payload = bytes(
      `{"commandId":"c","executionId":"${ID}","principal":{"tenantId":"t","role":"admin"},"start":{"configId":"c","traceId":"t","input":["a\\u0000","\\ud800","\\ud83d\\ude00"]}}`,
    );
    expect(decodeCommand(payload).start?.input).toEqual(['a\ufffd', '\ufffd', '\u{1f600}']);
  });
});

describe('decodeResults', () => {
  it('keeps whole milliseconds', () => {
    expect(decodeResults(result({})).results[0]).toMatchObject({ startedAt: 5, finishedAt: 6, ok: true });
  });

  it('takes an output over the limit as the attempt’s failure', () => {
    const [decoded] = decodeResults(result({ output: 'x'.repeat(LIMITS.payloadBytes) })).results;
    expect(decoded).toMatchObject({ ok: false, failure: { code: 'output_too_large', retryable: false } });
    expect(decoded).not.toHaveProperty('output');
  });

  it.each([
    ['success with a failure', 'results[0] must be without failure', { failure: { code: 'x' } }],
    ['failure without one', 'results[0] must be with a failure', { ok: false }],
    ['a failure without a code', 'results[0].failure.code must be', { ok: false, failure: {} }],
    ['a time beyond the calendar', 'results[0].startedAt must be', { startedAt: 1e300 }],
    ['half an attempt', 'results[0].attempt must be', { attempt: 1.5 }],
    ['a step without a name', 'results[0].stepId must be', { stepId: '' }],
    ['a number for a worker', 'results[0].workerId must be', { workerId: 1 }],
    ['what it does not know', 'results[0].newer is not a known field', { newer: 1 }],
  ])('refuses %s and says where', (_title, message, changes) => {
    expect(() => decodeResults(result(changes))).toThrow(MalformedRequest);
    expect(() => decodeResults(result(changes))).toThrow(message);
  });

  it('refuses an invalid result and says where it is wrong', () => {
    expect(() => decodeResults(bytes({ results: [7] }))).toThrow('results[0] must be an object');
  });
});

describe('decodeCheck and decodeHeartbeat', () => {
  it('refuse what they do not know', () => {
    expect(() => decodeCheck(bytes({ executionId: ID, stepId: 'a', attempt: 1, x: 1 }))).toThrow(MalformedRequest);
    expect(() => decodeHeartbeat(bytes({ executionId: ID, stepId: 'a', attempt: 1, progress: 2 }))).toThrow('progress');
    expect(decodeHeartbeat(bytes({ executionId: ID, stepId: 'a', attempt: 1, progress: 0.5 })).progress).toBe(0.5);
  });
});
