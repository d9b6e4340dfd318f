import { describe, expect, it } from '@jest/globals';
import { DocumentedAnswers } from '../../test/support/documented.js';

const answers = DocumentedAnswers.read();
const URL = 'http://localhost/api/v1/orchestrations';
const JSON_TYPE = 'application/json; charset=utf-8';
const STARTED = { execution_id: 'e', trace_id: '4bf92f3577b34da6a3ce929d0e0e4736', status: 'running' };
const EVENT = { execution_id: 'e', version: 1, type: 'StepFailed', at: '2026-01-31T12:00:00Z' };
const FAILURE = { code: 'x', message: 'y', retryable: false };

const start =
  (status: number, body: unknown, type: string | null = JSON_TYPE) =>
  (): void =>
    answers.check('POST', `${URL}/execute/greeting?wait=1s`, status, type, JSON.stringify(body));
const page = (event: object) => (): void =>
  answers.check(
    'GET',
    `${URL}/executions/e/events`,
    200,
    JSON_TYPE,
    JSON.stringify({ events: [event], next_cursor: null }),
  );

describe('an answer that the tests get', () => {
  it('has a documented status, content type and every field', () => {
    expect(start(202, STARTED)).not.toThrow();
    expect(start(202, { ...STARTED, more: 1 })).toThrow('must NOT have additional properties: more');
    expect(start(202, { ...STARTED, trace_id: undefined })).toThrow("must have required property 'trace_id'");
    expect(start(202, { ...STARTED, status: 'odd' })).toThrow('/status must be equal to one of the allowed values');
    expect(start(207, STARTED)).toThrow('POST /api/v1/orchestrations/execute/{config_id} answers 207');
    expect(start(202, STARTED, 'text/html')).toThrow('as text/html, not as application/json');
    expect(start(404, STARTED)).toThrow('not as application/problem+json');
  });

  it('is an event with exactly the data of its type', () => {
    const data = { step_id: 's', failure: FAILURE, handling: 'abort' };
    expect(page({ ...EVENT, data })).not.toThrow();
    expect(page({ ...EVENT, data: { ...data, output: 1 } })).toThrow('additional properties: output');
    expect(page({ ...EVENT, type: 'StepSkipped', data })).toThrow('otherwise than docs/openapi.json says');
    expect(page({ ...EVENT, type: 'NoSuchEvent', data })).toThrow('otherwise than docs/openapi.json says');
  });

  it('is not checked for undocumented paths and refusals of the edge', () => {
    expect(() => answers.check('GET', 'http://localhost/nowhere', 404, null, 'x')).not.toThrow();
    expect(start(405, {})).not.toThrow();
  });
});
