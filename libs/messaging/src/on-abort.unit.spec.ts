import { describe, expect, it } from '@jest/globals';
import { onAbort } from './on-abort.js';

describe('onAbort', () => {
  it('tells each listener once, and none that has gone', () => {
    const controller = new AbortController();
    const told: string[] = [];
    onAbort(controller.signal, () => told.push('first'));
    onAbort(controller.signal, () => told.push('gone'))();
    onAbort(controller.signal, () => told.push('last'));
    controller.abort();
    controller.signal.dispatchEvent(new Event('abort'));
    expect(told).toEqual(['first', 'last']);
  });

  it('keeps signals apart and does without one', () => {
    const [one, other] = [new AbortController(), new AbortController()];
    const told: string[] = [];
    onAbort(one.signal, () => told.push('one'));
    onAbort(other.signal, () => told.push('other'));
    onAbort(undefined, () => told.push('none'))();
    other.abort();
    expect(told).toEqual(['other']);
  });

  it('lets a listener end another one', () => {
    const controller = new AbortController();
    const told: string[] = [];
    let end: () => void = () => undefined;
    onAbort(controller.signal, () => {
      told.push('first');
      end();
    });
    end = onAbort(controller.signal, () => told.push('second'));
    controller.abort();
    expect(told).toEqual(['first']);
  });
});
