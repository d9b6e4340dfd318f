import { describe, expect, it } from '@jest/globals';
import { onAbort } from './on-abort.js';

describe('onAbort', () => {
  it('calls each listener once, and no listener that was removed', () => {
    const controller = new AbortController();
    const told: string[] = [];
    onAbort(controller.signal, () => told.push('first'));
    onAbort(controller.signal, () => told.push('gone'))();
    onAbort(controller.signal, () => told.push('last'));
    controller.abort();
    controller.signal.dispatchEvent(new Event('abort'));
    expect(told).toEqual(['first', 'last']);
  });

  it('keeps the listeners of two signals apart, and accepts no signal', () => {
    const [one, other] = [new AbortController(), new AbortController()];
    const told: string[] = [];
    onAbort(one.signal, () => told.push('one'));
    onAbort(other.signal, () => told.push('other'));
    onAbort(undefined, () => told.push('none'))();
    other.abort();
    expect(told).toEqual(['other']);
  });

  it('lets one listener remove another', () => {
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
