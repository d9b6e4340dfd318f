import { describe, expect, it } from '@jest/globals';
import { StreamKinds } from './kinds.js';
import type { StoredEvent } from './kinds.js';

describe('the kinds of streams of a store', () => {
  it('returns an event in the present form unchanged, and knows its kind', () => {
    const kinds = new StreamKinds([
      { name: 'counter', types: ['Counted'] },
      { name: 'switch', types: ['SwitchedOn', 'SwitchedOff'] },
    ]);
    const stored = { type: 'SwitchedOff', data: { by: 'me' } };
    expect(kinds.upcast(stored)).toBe(stored);
    expect(kinds.of('Counted')).toBe('counter');
    expect(kinds.of('SwitchedOff')).toBe('switch');
    expect(kinds.of('Teleported')).toBeUndefined();
  });

  it('applies every upcaster in order, also after a renaming', () => {
    const renamed = (event: StoredEvent): StoredEvent => ({ type: 'StepSkipped', data: event.data });
    const counted = (event: StoredEvent): StoredEvent => ({
      ...event,
      data: { ...(event.data as object), steps: [...((event.data as { steps?: string[] }).steps ?? []), event.type] },
    });
    const upcasters = { StepPassedOver: [counted, renamed], StepSkipped: [counted] };
    const kinds = new StreamKinds([{ name: 'execution', types: ['StepSkipped'], upcasters }]);
    expect(kinds.upcast({ type: 'StepPassedOver', data: { stepId: 'a' } })).toEqual({
      type: 'StepSkipped',
      data: { stepId: 'a', steps: ['StepPassedOver', 'StepSkipped'] },
    });
  });

  it('refuses an unknown type, whatever its name', () => {
    const kinds = new StreamKinds([{ name: 'counter', types: ['Counted'] }]);
    expect(() => kinds.upcast({ type: 'StepTeleported', data: {} })).toThrow('StepTeleported');
    expect(() => kinds.upcast({ type: 'constructor', data: {} })).toThrow('constructor');
  });

  it('refuses two kinds that share a type of event', () => {
    expect(
      () =>
        new StreamKinds([
          { name: 'a', types: ['Counted'] },
          { name: 'b', types: ['Counted'] },
        ]),
    ).toThrow('the kinds a and b both have events of type Counted');
  });
});
