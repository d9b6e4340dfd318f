import { describe, expect, it } from '@jest/globals';
import { sampleMessage, valuesOf } from './message.js';
import { TemplateError, Templates } from './templates.js';

const templates = new Templates();
const values = valuesOf(sampleMessage('failed'));

describe('templates', () => {
  it('see the event and its execution', () => {
    expect(
      templates.render('{{ event.name }} {{ event.data.failure.code }} {{ execution.config_name }}', 'text', values),
    ).toBe('failed timeout sample');
  });

  it('escape values in HTML only', () => {
    const dangerous = { event: { data: '<script>' } };
    expect(templates.render('<b>{{ event.data }}</b>', 'html', dangerous)).toBe('<b>&lt;script&gt;</b>');
    expect(templates.render('{{ event.data }}', 'text', dangerous)).toBe('<script>');
  });

  it('do not see what objects inherit', () => {
    expect(templates.render('[{{ event.constructor.name }}{{ event.__proto__ }}]', 'text', values)).toBe('[]');
  });

  it.each([
    ['run without end', '{% for a in (1..9999) %}{% for b in (1..9999) %}{{ a }}{% endfor %}{% endfor %}'],
    [
      'fill the memory',
      '{% assign s = "xxxxxxxxxxxxxxxx" %}{% for i in (1..40) %}{% assign s = s | append: s %}{% endfor %}{{ s }}',
    ],
    ['read files', '{% render "package.json" %}'],
    ['extend files', '{% layout "package.json" %}'],
  ])('may not %s', (_, source) => {
    expect(() => templates.render(source, 'text', values)).toThrow(TemplateError);
  });
});
