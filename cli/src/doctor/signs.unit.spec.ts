import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ROOT } from '../places.js';
import { samplesOf } from './samples.js';
import { SIGNS, readSigns } from './signs.js';

const rules = readFileSync(join(ROOT, 'deploy/prometheus/rules.yml'), 'utf8');

/** The expression of an alert. */
function expressionOf(alert: string): string {
  const [, expression] = new RegExp(`- alert: ${alert}\\n\\s+expr: ([^\\n]+)`).exec(rules) ?? [];
  if (expression === undefined) throw new Error(`there is no alert ${alert}`);
  return expression;
}

describe('signs of trouble', () => {
  it.each(SIGNS.map((sign) => [sign.alert, sign] as const))(
    '%s: the alert has the same metric and limit',
    (_, sign) => {
      const expression = expressionOf(sign.alert);
      expect(expression).toContain(sign.metric);
      expect(expression).toMatch(new RegExp(`> ${sign.above}$`));
      expect(existsSync(join(ROOT, 'docs/runbooks', `${sign.alert}.md`))).toBe(true);
    },
  );

  it.each(SIGNS.map((sign) => [sign.metric, sign] as const))(
    '%s is reported as soon as it exceeds its limit',
    (_, sign) => {
      const found = (value: number): unknown =>
        readSigns(samplesOf(`# TYPE ${sign.metric} gauge\n${sign.metric}{a="b c"} ${value}\n`)).find(
          ({ about }) => about === sign.about,
        );
      expect(found(sign.above)).toMatchObject({ status: 'ok' });
      expect(found(sign.above + 1)).toMatchObject({ status: sign.severity, runbook: sign.alert });
      if (sign.of === 'distance') expect(found(-sign.above - 1)).toMatchObject({ status: sign.severity });
    },
  );

  it('adds values that each process reports for itself, and uses the largest of values that all report alike', () => {
    const text = 'batuta_engine_unowned_partitions 0\nbatuta_projection_lag_events{projection="a"} 6000\n';
    const other = 'batuta_engine_unowned_partitions 2\nbatuta_projection_lag_events{projection="b"} 6000\n';
    const found = readSigns([text, other].flatMap(samplesOf)).filter(({ status }) => status !== 'unknown');
    expect(found.map(({ about, status, text: says }) => [about, status, says.split(' ')[0]])).toEqual([
      ['partitions', 'failed', '2'],
      ['read models', 'warning', 'Read'],
    ]);
  });

  it('reports unknown when no service has a metric', () => {
    expect(new Set(readSigns([]).map(({ status }) => status))).toEqual(new Set(['unknown']));
  });
});
