import { afterAll, describe, expect, it } from '@jest/globals';
import { Sandbox } from '@batuta/sandbox';
import { defaultContent, sampleMessage, summaryOf, valuesOf } from './message.js';
import type { JsonObject } from '@batuta/contracts';
import type { TemplateKind } from './templates.js';
import { TemplateError, Templates } from './templates.js';

const sandbox = new Sandbox({ threads: 1 });
const all = new Templates(sandbox);
const templates = {
  render: (source: string, kind: TemplateKind, shown: JsonObject): Promise<string> =>
    all.render(source, kind, shown, 'default'),
};
afterAll(() => sandbox.close());
const values = valuesOf(sampleMessage('failed'));

describe('templates', () => {
  it('see the event and its execution', async () => {
    expect(
      await templates.render(
        '{{ event.name }} {{ event.data.failure.code }} {{ execution.config_name }}',
        'text',
        values,
      ),
    ).toBe('failed timeout sample');
  });

  it('can show the spending and the budget', async () => {
    const exceeded = sampleMessage('budget_exceeded');
    const template = '{{ event.data.spent }} of {{ event.data.limit }} {{ event.data.resource }}';
    expect(await templates.render(template, 'text', valuesOf(exceeded))).toBe('10250 of 10000 tokens');
    expect(summaryOf(exceeded)).toBe(
      `sample spent more than its budget: 10250 of 10000 tokens (execution ${exceeded.execution.id})`,
    );
    expect(defaultContent(exceeded)).toMatchObject({
      type: 'execution.budget_exceeded',
      data: { resource: 'tokens', limit: 10_000, spent: 10_250 },
    });
  });

  it('escape values in HTML only', async () => {
    const dangerous = { event: { data: '<script>' } };
    expect(await templates.render('<b>{{ event.data }}</b>', 'html', dangerous)).toBe('<b>&lt;script&gt;</b>');
    expect(await templates.render('{{ event.data }}', 'text', dangerous)).toBe('<script>');
  });

  it('do not see what objects inherit', async () => {
    expect(await templates.render('[{{ event.constructor.name }}{{ event.__proto__ }}]', 'text', values)).toBe('[]');
  });

  it.each([
    ['run without end', '{% for a in (1..9999) %}{% for b in (1..9999) %}{{ a }}{% endfor %}{% endfor %}'],
    [
      'fill the memory',
      '{% assign s = "xxxxxxxxxxxxxxxx" %}{% for i in (1..40) %}{% assign s = s | append: s %}{% endfor %}{{ s }}',
    ],
    ['read files', '{% render "package.json" %}'],
    ['extend files', '{% layout "package.json" %}'],
  ])('may not %s', async (_, source) => {
    await expect(templates.render(source, 'text', values)).rejects.toThrow(TemplateError);
  });
});
