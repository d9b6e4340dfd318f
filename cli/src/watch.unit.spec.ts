import { describe, expect, it } from '@jest/globals';
import type { BatutaClient, Event } from '@batuta/client';
import { eventLine, watchEvents } from './watch.js';

const AT = '2030-01-31T12:00:00.000Z';
const event = (type: string, data: object): Event =>
  ({ execution_id: 'e', version: 1, type, at: AT, data }) as unknown as Event;

describe('an event as a line', () => {
  it.each([
    ['StepScheduled', { step_id: 'hello', attempt: 2 }, 'hello  attempt: 2'],
    ['StepFailed', { step_id: 'hello', failure: { code: 'agent_failed', message: 'no' } }, 'hello  agent_failed: no'],
    [
      'ApprovalDecided',
      { step_id: 'gate', approved: false, by: 'ada', data: { a: 1 } },
      'gate  approved: false, by: ada',
    ],
    ['ExecutionPaused', { by: 'ada', reason: 'lunch' }, 'by: ada, reason: lunch'],
  ])('%s', (type, data, rest) => expect(eventLine(event(type, data))).toBe(`${AT}  ${type}  ${rest}`));

  it('has nothing behind a type that says all', () =>
    expect(eventLine(event('ExecutionCompleted', { output: 'long' }))).toBe(`${AT}  ExecutionCompleted`));

  it('stays one line without control characters, whatever others wrote', () => {
    const message = `pay\nnow\u001B[2J\u202E${'x'.repeat(500)}`;
    const line = eventLine(event('ApprovalRequested', { step_id: 'gate', message }));
    expect(line).toMatch(/gate {2}message: pay now \[2J x+…$/);
    expect(line.length).toBeLessThan(300);
  });
});

it('an execution is watched over breaks of the connection until its end', async () => {
  const shown: string[] = [];
  const client = {
    executions: {
      async *follow(_: string, { onBreak }: { onBreak: () => void }) {
        await Promise.resolve();
        yield event('ExecutionStarted', {});
        onBreak();
        yield event('ExecutionFailed', {});
      },
      get: () => Promise.resolve({ status: 'failed' }),
    },
  } as unknown as BatutaClient;
  const ended = await watchEvents(client, 'e', {
    show: ({ type }) => shown.push(type),
    onBreak: () => shown.push('break'),
  });
  expect([shown, ended.status]).toEqual([['ExecutionStarted', 'break', 'ExecutionFailed'], 'failed']);
});
