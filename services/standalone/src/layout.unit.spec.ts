import { describe, expect, it } from '@jest/globals';
import { DEFAULT_LAYOUT, SERVICES, parseLayout } from './layout.js';

describe('the layout of processes', () => {
  it('has every service once by default', () => {
    expect(parseLayout(DEFAULT_LAYOUT).flat().toSorted()).toEqual([...SERVICES].toSorted());
  });

  it('puts services that a "|" separates into processes of their own', () => {
    expect(parseLayout('config , gateway|execution,notifications|step-runner')).toEqual([
      ['config', 'gateway'],
      ['execution', 'notifications'],
      ['step-runner'],
    ]);
  });

  it('names an unknown, a doubled and a missing service', () => {
    expect(() => parseLayout('gateway,engine')).toThrow(/unknown service "engine"/);
    expect(() => parseLayout(`${DEFAULT_LAYOUT}|gateway`)).toThrow(/gateway exactly once; it names it 2 times/);
    expect(() => parseLayout('gateway,config,execution,step-runner')).toThrow(/notifications exactly once/);
  });
});
