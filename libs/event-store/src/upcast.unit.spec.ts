import { describe, expect, it } from '@jest/globals';
import { upcast } from './upcast.js';
import type { StoredEvent } from './upcast.js';

describe('reading a stored event', () => {
  it('returns an event in the present form unchanged', () => {
    const stored = { type: 'StepCompleted', data: { stepId: 'a', attempt: 1 } };
    expect(upcast(stored)).toBe(stored);
  });

  it('gives each candidate of a choice its own option, and changes nothing the second time', () => {
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

  it('applies every upcaster in order, also after a renaming', () => {
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

  it('refuses an unknown type, whatever its name', () => {
    expect(() => upcast({ type: 'StepTeleported', data: {} })).toThrow('StepTeleported');
    expect(() => upcast({ type: 'constructor', data: {} })).toThrow('constructor');
  });
});
