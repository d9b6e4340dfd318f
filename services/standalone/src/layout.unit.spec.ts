import { describe, expect, it } from '@jest/globals';
import { DEFAULT_LAYOUT, layoutFor, parseLayout } from './layout.js';
import { SERVICES } from './services.js';

describe('the layout of processes', () => {
  it('has every service once by default', () => {
    expect(parseLayout(DEFAULT_LAYOUT).flat().toSorted()).toEqual([...SERVICES].toSorted());
  });

  it('is one process on two cores, and separates agents with more cores', () => {
    expect(parseLayout(layoutFor(2))).toHaveLength(1);
    expect(parseLayout(layoutFor(4))[1]).toEqual(['step-runner']);
  });

  it('puts services that a "|" separates into different processes', () => {
    expect(parseLayout('config , gateway|execution,notifications|step-runner')).toEqual([
      ['config', 'gateway'],
      ['execution', 'notifications'],
      ['step-runner'],
    ]);
  });

  it('reports an unknown, a repeated and a missing service', () => {
    expect(() => parseLayout('gateway,engine')).toThrow(/unknown service "engine"/);
    expect(() => parseLayout(`${DEFAULT_LAYOUT}|gateway`)).toThrow(/gateway exactly once; it names it 2 times/);
    expect(() => parseLayout('gateway,config,execution,step-runner')).toThrow(/notifications exactly once/);
  });
});
