import { describe, expect, it } from '@jest/globals';
import { StreamKinds } from '@batuta/event-store';
import { ONLY_CALLED_BACK_STARTS, STREAM_KINDS } from './kinds.js';

const kinds = new StreamKinds(STREAM_KINDS);

describe('reading a stored event', () => {
  it('returns an event in the present form unchanged', () => {
    const stored = { type: 'StepCompleted', data: { stepId: 'a', attempt: 1 } };
    expect(kinds.upcast(stored)).toBe(stored);
    expect(kinds.of('StepCompleted')).toBe('execution');
    expect(kinds.of('ScheduleFired')).toBe('schedule');
  });

  it('gives each candidate of a choice its own option, and changes nothing the second time', () => {
    const votes = [
      { stepId: 'a', option: 0 },
      { stepId: 'b', option: -1, excluded: 'failed' },
      { stepId: 'c', option: 0 },
    ];
    const data = { groupId: 'g', mode: 'best', votes };
    const read = kinds.upcast({ type: 'ConsensusReached', data });
    expect(read.data).toEqual({ ...data, votes: [votes[0], votes[1], { stepId: 'c', option: 1 }] });
    expect(kinds.upcast(read)).toEqual(read);
    const majority = { type: 'ConsensusReached', data: { ...data, mode: 'majority' } };
    expect(kinds.upcast(majority)).toBe(majority);
  });
});

describe('the filter of starts', () => {
  it('keeps starts that name a callback_url, and every other event', () => {
    const keeps = (type: string, data: object): boolean => ONLY_CALLED_BACK_STARTS.keeps({ type, data });
    expect(keeps('ExecutionStarted', { callbackUrl: 'http://x' })).toBe(true);
    expect(keeps('ExecutionStarted', { callbackUrl: '' })).toBe(false);
    expect(keeps('ExecutionStarted', {})).toBe(false);
    expect(keeps('StepScheduled', {})).toBe(true);
  });
});
