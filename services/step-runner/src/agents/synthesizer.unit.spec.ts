import { afterAll, describe, expect, it } from '@jest/globals';
import type { JsonObject } from '@batuta/contracts';
import { Sandbox } from '@batuta/sandbox';
import { testContext } from '../../test/test-context.js';
import { synthesizerAgent } from './synthesizer.js';

interface Synthesis {
  report: string;
  summary: { status: string; findings: string[]; counts: Record<string, number>; sources: object[]; missing: string[] };
}
const sandbox = new Sandbox({ threads: 1 });
afterAll(() => sandbox.close());
const synthesize = async (input: JsonObject): Promise<Synthesis> =>
  (await synthesizerAgent(sandbox).run(input, testContext())) as Synthesis;

const outputs: JsonObject = {
  incident: 'INC-7',
  job_status: {
    status: 'down',
    services: [
      { name: 'gateway', url: 'http://x', status: 'up', code: 200, latency_ms: 3 },
      { name: 'pay|ments', url: 'http://y', status: 'down', code: null, latency_ms: 4_000, error: 'no answer' },
    ],
    jobs: [{ name: 'nightly', status: 'failed', failure: { code: 'x', message: 'it broke' } }],
  },
  log_analysis: {
    lines: 1_000,
    levels: { fatal: 0, error: 12, warn: 3 },
    patterns: [{ pattern: 'duplicate key <*>', count: 12, level: 'error' }],
    rate: { spikes: [{ from: '2026-11-21T04:20:00.000Z', lines: 40, times_the_median: 20 }] },
    first_errors: [{ line: 5, time: null, message: 'duplicate key 1' }],
    last_errors: [],
  },
  rag_results: {
    passages: [
      { source: 'runbooks/db.md', title: 'Database', highlight: 'use **upsert**', first_line: 3, last_line: 9 },
    ],
  },
};

describe('synthesizer', () => {
  it('shows merged inputs once, under the name of the step, and says which steps failed', async () => {
    const { job_status: status, log_analysis: logs } = outputs as { job_status: JsonObject; log_analysis: JsonObject };
    const error = 'rag_handler found nobody';
    const input = { job: 'nightly', dep_step_1: status, ...status, dep_step_2: logs, ...logs, note: null };
    const { report, summary } = await synthesize({ ...input, dep_step_3: { error }, error });
    expect(report.match(/^## .*$/gm)).toEqual([
      '## Findings',
      '## Step 1',
      '## Step 2',
      '## Step 3',
      '## Not available',
    ]);
    expect(report).toContain(`This step failed: ${error}`);
    expect(summary.counts).toMatchObject({ services: 2, jobs: 1, log_lines: 1_000 });
    expect(summary.findings.at(-1)).toBe(`Step 3 failed: ${error}`);
    expect(summary.missing).toEqual(['note']);
  });

  it('writes an incident report and a summary from the outputs of the earlier steps', async () => {
    const { report, summary } = await synthesize({ ...outputs, title: 'Incident 7' });
    expect(summary).toMatchObject({
      status: 'critical',
      counts: { services: 2, services_down: 1, jobs: 1, log_lines: 1_000, log_errors: 12, passages: 1 },
      sources: [{ source: 'runbooks/db.md', title: 'Database' }],
      missing: [],
    });
    expect(summary.findings).toEqual([
      'Service pay|ments is down (no answer).',
      'Job nightly is failed: it broke.',
      'The log has 12 errors in 1000 lines.',
      '12 × error: duplicate key <*>',
      'Spike at 2026-11-21T04:20:00.000Z: 40 lines, 20 times the median.',
    ]);
    expect(report).toContain('# Incident 7');
    expect(report).toContain('**Status: CRITICAL**');
    expect(report).toContain('| gateway | up | 200 | 3 ms |');
    expect(report).toContain('| pay\\|ments | down | – | 4000 ms |');
    expect(report).toContain('| 12 | error | duplicate key <*> |');
    expect(report).toContain('use **upsert**');
    expect(report).toContain('- Database: runbooks/db.md');
  });

  it('says which outputs are missing', async () => {
    const { report, summary } = await synthesize({ job_status: null, other: { a: 1 } });
    expect(summary).toMatchObject({ status: 'degraded', missing: ['job_status'] });
    expect(report).toContain('These steps gave no output: job_status.');
    expect(report).toContain('"a": 1');
  });

  it('renders a template of the step over the same values', async () => {
    const { report } = await synthesize({
      ...outputs,
      template: '{{ incident }}: {{ job_status.services | map: "name" | join: ", " }} ({{ summary.status }})',
    });
    expect(report).toBe('INC-7: gateway, pay|ments (critical)');
  });

  it('shows texts, numbers and lists that steps gave, and no findings where nothing was judged', async () => {
    const { report, summary } = await synthesize({
      answer: 'the answer of the model',
      letter: 'Dear all,\n\nall is **well**.',
      amount: 0,
      approved: false,
      ids: [1, 'b'],
      empty: '',
    });
    expect(report).toContain('- **Answer:** the answer of the model\n- **Amount:** 0\n- **Approved:** false\n');
    expect(report).toContain('## Letter\n\nDear all,\n\nall is **well**.');
    expect(report).toContain('## Ids\n\n```json\n[\n  1,\n  "b"\n]\n```');
    expect(report).not.toMatch(/Findings|Nothing stands out|Empty|Not available/);
    expect(summary).toMatchObject({ status: 'ok', findings: [], missing: [] });
  });

  it('shows a long text whole and on its own lines', async () => {
    const long = `begin ${'x'.repeat(50_000)} end`;
    expect((await synthesize({ long })).report).toContain(`## Long\n\n${long}`);
  });

  it.each(['summary', 'sections', 'inputs', 'title', 'report'])(
    'gives a template the output of a step named %s instead of the agent’s own field',
    async (name) => {
      const template = `{{ ${name} }}`;
      expect((await synthesize({ template, [name]: 'the answer' })).report).toBe('the answer');
      expect((await synthesize({ template, [name]: { a: [1, null] } })).report).toBe('{"a":[1,null]}');
      // The agent's own report still has its fields.
      const { report } = await synthesize({ ...outputs, [name]: { a: 1 } });
      expect(report).toContain('**Status: CRITICAL**');
      expect(report).toContain('"a": 1');
    },
  );

  it('takes an object under the name of a parameter as the output of a step', async () => {
    const { report } = await synthesize({ template: { a: 1 }, title: { b: 2 } });
    expect(report).toMatch(/^# Nightly import\n/);
    expect(report).toContain('## Template');
    await expect(synthesize({ template: 7 })).rejects.toMatchObject({ code: 'input_invalid' });
    expect((await synthesize({ title: null, template: '{{ title }}' })).report).toBe('Nightly import');
  });

  it('writes nothing for null, and values as JSON has them', async () => {
    const template =
      '[{{ none }}] [{{ nothing.at.all }}] {{ number }} {{ flag }} {{ list }} {{ deep.b }} {{ deep.b.c[1] }}';
    const input = { none: null, number: 1.5, flag: false, list: ['a', 'b'], deep: { b: { c: [1, 'x'] } } };
    expect((await synthesize({ template, ...input })).report).toBe('[] [] 1.5 false ["a","b"] {"c":[1,"x"]} x');
  });

  it.each([
    ['{% for i in (1..100000000) %}x{% endfor %}', 'template_limit'],
    [
      '{% for i in (1..3000) %}{% for j in (1..3000) %}{% for k in (1..3000) %}{% endfor %}{% endfor %}{% endfor %}',
      'template_limit',
    ],
    ['{% assign a = "xxxxxxxxxx" %}{% for i in (1..40) %}{% assign a = a | append: a %}{% endfor %}', 'template_limit'],
    ['{% if %}', 'template_invalid'],
    ['{{ a | no_such_filter }}', 'template_invalid'],
    ['{% include "/etc/passwd" %}', 'template_invalid'],
    ['{% render "../secret" %}', 'template_invalid'],
    // Each of these blocked the process for seconds.
    [
      '{% assign a = (1..90) %}{% assign b = a | find_exp: "x", "a | find_exp: \'y\', \'a | has_exp: z, false\'" %}{{ b }}{% assign s = (1..900000) | join: "," | split: "," | sort | sort | sort | sort | sort | sort | sort %}',
      'template_limit',
    ],
  ])('refuses the template %s', async (template, code) => {
    await expect(synthesize({ template })).rejects.toMatchObject({ code });
  });

  it('reaches nothing but the values', async () => {
    const { report } = await synthesize({
      template: '{{ incident.constructor }}{{ incident.__proto__ }}{{ process }}{{ incident.length }}',
      incident: {},
    });
    expect(report).toBe('');
  });

  it('counts one thing as one', async () => {
    const levels = { fatal: 0, error: 1, warn: 1 };
    const { report, summary } = await synthesize({
      log_analysis: { ...(outputs['log_analysis'] as JsonObject), lines: 1, levels, patterns: [] },
    });
    expect(report).toContain('\n1 line: 0 fatal, 1 error, 1 warning.');
    expect(summary.findings[0]).toBe('The log has 1 error in 1 line.');
    const more = await synthesize({
      log_analysis: { ...(outputs['log_analysis'] as JsonObject), levels: { fatal: 1, error: 0, warn: 0 } },
    });
    expect(more.report).toContain('\n1000 lines: 1 fatal, 0 errors, 0 warnings.');
  });

  it('does not call all lines of a pattern errors because one of them is', async () => {
    const logs: JsonObject = {
      lines: 1_000,
      levels: { fatal: 0, error: 1, warn: 0, info: 999 },
      patterns: [{ pattern: 'Job <*> finished', count: 1_000, level: 'info', levels: { error: 1, info: 999 } }],
      first_errors: [],
      last_errors: [],
    };
    const { report, summary } = await synthesize({ logs });
    expect(summary.findings).toEqual(['The log has 1 error in 1000 lines.', '1 × error (of 1000): Job <*> finished']);
    expect(report).toContain('| 1000 | error 1, info 999 | Job <*> finished |');
  });
});
