import { describe, expect, it } from '@jest/globals';
import { upcast } from './upcast.js';
import type { StoredEvent } from './upcast.js';

describe('reading a stored event', () => {
  it('gives what has today’s form back as it is', () => {
    const stored = { type: 'StepCompleted', data: { stepId: 'a', attempt: 1 } };
    expect(upcast(stored)).toBe(stored);
  });

  it('gives each candidate of a choice an option of its own, once and for all', () => {
    const votes = [
      { stepId: 'a', option: 0 },
      { stepId: 'b', option: -1, excluded: 'failed' },
      { stepId: 'c', option: 0 },
    ];
    const data = { groupId: 'g', mode: 'best', votes };
    const read = upcast({ type: 'ConsensusReached', data });
    expect(read.data).toEqual({ ...data, votes: [votes[0], votes[1], { stepId: 'c', option: 1 }] });
    expect(upcast(read)).toEqual(read);
    const majority = { type: 'ConsensusReached', data: { ...data, mode: 'majority' } };
    expect(upcast(majority)).toBe(majority);
  });

  it('goes through every step in order, also past a new name', () => {
    const renamed = (event: StoredEvent): StoredEvent => ({ type: 'StepSkipped', data: event.data });
    const counted = (event: StoredEvent): StoredEvent => ({
      ...event,
      data: { ...(event.data as object), steps: [...((event.data as { steps?: string[] }).steps ?? []), event.type] },
    });
    const steps = { StepPassedOver: [counted, renamed], StepSkipped: [counted] };
    expect(upcast({ type: 'StepPassedOver', data: { stepId: 'a' } }, steps)).toEqual({
      type: 'StepSkipped',
      data: { stepId: 'a', steps: ['StepPassedOver', 'StepSkipped'] },
    });
  });

  it('refuses a type that nobody here knows, whatever its name', () => {
    expect(() => upcast({ type: 'StepTeleported', data: {} })).toThrow('StepTeleported');
    expect(() => upcast({ type: 'constructor', data: {} })).toThrow('constructor');
  });
});
