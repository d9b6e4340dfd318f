import { describe, expect, it } from '@jest/globals';
import { exposeMetrics } from './metrics.js';
import { distributions, tallies } from './tally.js';

const lines = async (name: string): Promise<string[]> =>
  (await exposeMetrics()).body.split('\n').filter((line) => line.startsWith(name));

describe('counters and histograms of hot paths', () => {
  it('are exposed like other metrics, one for each label value', async () => {
    const retries = tallies('tally_retries_total', 'Retries', ['agent']);
    retries('http').inc();
    retries('http').inc(2);
    retries('echo').inc();
    expect(tallies('tally_retries_total', 'Retries', ['agent'])('echo')).toBe(retries('echo'));
    expect(await lines('tally_retries')).toEqual([
      'tally_retries_total{agent="http"} 3',
      'tally_retries_total{agent="echo"} 1',
    ]);
  });

  it('count label values beyond the maximum as other', async () => {
    const calls = tallies('tally_calls_total', 'Calls', ['agent', 'outcome'], 2);
    for (const agent of ['a', 'b', 'c', 'd']) calls(agent, 'ok').inc();
    expect(await lines('tally_calls')).toEqual([
      'tally_calls_total{agent="a",outcome="ok"} 1',
      'tally_calls_total{agent="b",outcome="ok"} 1',
      'tally_calls_total{agent="other",outcome="other"} 2',
    ]);
  });

  it('expose cumulative buckets, sum and count', async () => {
    const seconds = distributions('tally_seconds', 'Seconds', ['agent'], [1, 2]);
    for (const value of [0.5, 1.5, 2, 9]) seconds('x').observe(value);
    expect(await lines('tally_seconds')).toEqual([
      'tally_seconds_bucket{le="1",agent="x"} 1',
      'tally_seconds_bucket{le="2",agent="x"} 3',
      'tally_seconds_bucket{le="+Inf",agent="x"} 4',
      'tally_seconds_sum{agent="x"} 13',
      'tally_seconds_count{agent="x"} 4',
    ]);
  });
});
