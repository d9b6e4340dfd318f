import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LIMITS, operations } from '@batuta/contracts';
import type {
  Event,
  ExecutionView,
  GetExecutionReply,
  GetPayloadReply,
  GetPayloadRequest,
  GetStepReply,
  JsonObject,
  ListEventsReply,
} from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import { TENANT, executionId, startRequest } from './fixtures.js';
import { Platform } from './platform.js';

const TEXT = 'ü'.repeat(450_000);

let platform: Platform;
let id: string;

beforeAll(async () => {
  platform = await Platform.start();
  await platform.execution('large');
  await platform.run();
  id = executionId();
  await platform.command(startRequest(id, 'broad', { v: TEXT }));
  await eventually(async () => expect((await platform.get(id))?.status).toBe('completed'), { timeoutMs: 60_000 });
});

afterAll(() => platform.end());

const ask = <Reply>(pattern: string, request: object): Promise<Reply> =>
  platform.control.request<Reply>(pattern, { tenantId: TENANT, executionId: id, ...request });

async function whole(request: Partial<GetPayloadRequest>): Promise<unknown> {
  let text = '';
  for (let from = 0; ;) {
    const part = await ask<GetPayloadReply>(operations.executions.output.subject, { ...request, from });
    expect(part.refused).toBeUndefined();
    text += part.text ?? '';
    if (part.nextFrom === undefined) return JSON.parse(text);
    from = part.nextFrom;
  }
}

const outputOf = (step: string): JsonObject => ({ step, input: { v: TEXT } });

describe('an execution whose outputs are more than a message holds', () => {
  it('is read with marks instead of its largest payloads, below the limit of a message', async () => {
    const reply = await ask<GetExecutionReply>(operations.executions.get.subject, {});
    const view = reply.execution as ExecutionView;
    expect(Buffer.byteLength(JSON.stringify(reply))).toBeLessThan(LIMITS.natsMaxPayloadBytes - 512 * 1024);
    expect(view.input).toEqual({ v: TEXT });
    expect(view.output).toBeUndefined();
    expect(view.outputOmitted?.bytes).toBeGreaterThan(12 * 900_000);
    const omitted = view.steps.filter(({ outputOmitted }) => outputOmitted !== undefined);
    expect(omitted.length).toBeGreaterThan(0);
    expect(omitted.length).toBeLessThan(12);
    for (const { stepId, output, outputOmitted } of view.steps) {
      if (outputOmitted === undefined) {
        expect(output).toEqual(outputOf(stepId));
      } else {
        expect(output).toBeUndefined();
        expect(outputOmitted.bytes).toBe(Buffer.byteLength(JSON.stringify(outputOf(stepId))));
      }
    }
  });

  it('gives each payload whole, in parts that are of one version', async () => {
    const view = await platform.get(id);
    const expected = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`s${index}`, outputOf(`s${index}`)]));
    expect(await whole({ payload: 'output', atVersion: view?.version ?? 0 })).toEqual(expected);
    expect(await whole({ payload: 'output', stepId: 's3' })).toEqual(outputOf('s3'));
    expect(await whole({ payload: 'input', stepId: 's3' })).toEqual({ v: TEXT });
    expect(
      await ask<GetPayloadReply>(operations.executions.output.subject, { payload: 'output', stepId: 's99' }),
    ).toMatchObject({
      refused: { code: 'step_not_found' },
    });
    expect(
      await ask<GetPayloadReply>(operations.executions.output.subject, {
        payload: 'output',
        stepId: 's3',
        tenantId: 'other',
      }),
    ).toMatchObject({ refused: { code: 'not_found' } });
  });

  it('gives only what is asked for: its own payloads, or how it began', async () => {
    const own = (await ask<GetExecutionReply>(operations.executions.get.subject, { payloads: 'own' })).execution;
    expect(own?.steps).toHaveLength(12);
    expect(own?.steps.some((step) => 'output' in step || 'outputOmitted' in step)).toBe(false);
    const start = (await ask<GetExecutionReply>(operations.executions.get.subject, { payloads: 'start' })).execution;
    expect(start).toMatchObject({ id, status: 'completed', input: { v: TEXT }, steps: [] });
    expect(start).not.toHaveProperty('outputOmitted');
  });

  it('is in a list without payloads, which PostgreSQL has left out already', async () => {
    const { execution } = await ask<GetExecutionReply>(operations.executions.get.subject, { payloads: 'listed' });
    expect(execution).toMatchObject({ id, status: 'completed' });
    expect(execution).not.toHaveProperty('input');
    expect(execution).not.toHaveProperty('output');
    expect(execution?.outputOmitted?.bytes).toBeGreaterThan(12 * 900_000);
    expect(execution?.steps).toHaveLength(12);
    for (const step of execution?.steps ?? []) {
      expect(step).not.toHaveProperty('output');
      expect(step.outputOmitted?.bytes).toBeGreaterThan(900_000);
    }
  });

  it('shows the attempts of a step without what its agent got', async () => {
    const asked = { stepId: 's5', attemptsOnly: true };
    const reply = await ask<GetStepReply>(operations.executions.step.subject, asked);
    expect(reply).toMatchObject({ status: 'completed', attempts: [{ attempt: 1, status: 'completed' }] });
    expect(reply).not.toHaveProperty('input');
    expect(reply.step).not.toHaveProperty('output');
    expect(reply.step?.outputOmitted?.bytes).toBeGreaterThan(900_000);
  });

  it('shows a step with what its agent got and its attempts', async () => {
    const reply = await ask<GetStepReply>(operations.executions.step.subject, { stepId: 's5' });
    expect(reply).toMatchObject({
      status: 'completed',
      step: { stepId: 's5', status: 'completed', output: outputOf('s5') },
      input: { v: TEXT },
      attempts: [{ attempt: 1, status: 'completed' }],
    });
    const [attempt] = reply.attempts ?? [];
    expect(attempt?.scheduledAt).toBeGreaterThan(0);
    expect(attempt?.finishedAt).toBeGreaterThanOrEqual(attempt?.startedAt ?? Infinity);
    expect(await ask<GetStepReply>(operations.executions.step.subject, { stepId: 'none' })).toMatchObject({
      refused: { code: 'step_not_found' },
    });
    expect(
      await ask<GetStepReply>(operations.executions.step.subject, { stepId: 's5', tenantId: 'other' }),
    ).toMatchObject({
      refused: { code: 'not_found' },
    });
  });

  it('gives its events page by page, each whole', async () => {
    const events: Event[] = [];
    for (let fromVersion = 1; fromVersion > 0;) {
      const page = await ask<ListEventsReply>(operations.executions.events.subject, { fromVersion, limit: 1_000 });
      events.push(...page.events);
      fromVersion = page.nextVersion ?? 0;
    }
    expect(events.map(({ version }) => version)).toEqual(events.map((_, index) => index + 1));
    expect(events.filter(({ type }) => type === 'StepCompleted')).toHaveLength(12);
    const last = events.at(-1);
    expect(await whole({ payload: 'event', atVersion: last?.version ?? 0 })).toEqual(last);
    expect(
      await ask<GetPayloadReply>(operations.executions.output.subject, {
        payload: 'event',
        atVersion: events.length + 1,
      }),
    ).toMatchObject({ refused: { code: 'not_found' } });
  });

  it('leaves the large fields of an event out that is larger than a message', async () => {
    const data = { key: 'input:s0', values: Array.from({ length: 30 }, () => 'x'.repeat(300_000)) };
    await platform.sql.query(
      `INSERT INTO execution.events (partition, version, position, at, execution_id, type, command_id, data)
       SELECT partition, version + 1, 1000000 + version, at, execution_id, 'EvaluationRecorded', '', $2
       FROM execution.events WHERE execution_id = $1 ORDER BY version DESC LIMIT 1`,
      [id, JSON.stringify(data)],
    );
    const all = await ask<ListEventsReply>(operations.executions.events.subject, { fromVersion: 27 });
    const [event] = all.events;
    expect(event).toMatchObject({ type: 'EvaluationRecorded', data: { key: 'input:s0' } });
    expect(event?.data).not.toHaveProperty('values');
    expect(event?.dataOmitted?.bytes).toBeGreaterThan(9_000_000);
    expect(await whole({ payload: 'event', atVersion: event?.version ?? 0 })).toMatchObject({ data });
  });
});
