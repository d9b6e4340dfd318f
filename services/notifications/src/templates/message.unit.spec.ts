import { describe, expect, it } from '@jest/globals';
import { CALLBACK_EVENTS } from '@batuta/contracts';
import type { CallbackEvent } from '@batuta/contracts';
import { defaultContent, sampleMessage, summaryOf } from './message.js';

const summary = (name: CallbackEvent, data: object = {}): string => {
  const message = sampleMessage(name);
  return summaryOf({ ...message, event: { ...message.event, data: { ...message.event.data, ...data } } });
};

describe('the line for people', () => {
  it('shows the question to an approver, on one line and not too long', () => {
    const id = sampleMessage('started').execution.id;
    expect(summary('approval_requested')).toBe(
      `sample waits for an approval of step_1: Refund 120 EUR to ada? (execution ${id})`,
    );
    expect(summary('approval_requested', { message: '' })).toBe(
      `sample waits for an approval of step_1 (execution ${id})`,
    );
    const long = summary('approval_requested', { message: `a\r\nBcc: x${'\u{1f600}'.repeat(500)}` });
    expect(long).not.toMatch(/[\r\n]/);
    expect(long.length).toBeLessThan(400);
    expect(long.isWellFormed()).toBe(true);
  });
});

describe('the body without a template', () => {
  it('has a type for each event', () => {
    const types = Object.keys(CALLBACK_EVENTS).map(
      (name) => defaultContent(sampleMessage(name as CallbackEvent))['type'],
    );
    expect(new Set(types).size).toBe(types.length);
    expect(types).toEqual(expect.arrayContaining(['execution.completed', 'step.failed', 'approval.requested']));
  });
});
