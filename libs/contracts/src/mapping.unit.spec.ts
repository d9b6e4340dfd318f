import { describe, expect, it } from '@jest/globals';
import { expressionIn, isLiquid, mappingTexts } from './mapping.js';

describe('expressionIn', () => {
  it.each([
    ['{% a.b %}', 'a.b'],
    ['  {%a%}\n', 'a'],
    ['{% a\n  + 1 %}', 'a\n  + 1'],
    ['{%%}', ''],
    ['{%}', undefined],
    ['x {% a %}', undefined],
    ['a', undefined],
  ])('reads %j', (text, expected) => {
    expect(expressionIn(text)).toBe(expected);
  });
});

describe('isLiquid', () => {
  it.each([
    ['Hello {{ who }}', true],
    ['', true],
    ['{% for i in list %}{{ i }},{% endfor %}', true],
    ['{%if bad%}yes{%endif%}', true],
    ['{%- unless bad -%}yes{%- endunless -%}', true],
    ['{% comment %}c{% endcomment %}', true],
    ['{% # a note %}', true],
    ['{% outputs.a.title %} and {{ more }}', true],
    ['{% outputs.template %}', false],
    ['{%- 1 %}', false],
    ['{% format.x %}', false],
    ['{% "{% if x %}" & input.rest %}', false],
  ])('takes %j for Liquid: %s', (text, expected) => {
    expect(isLiquid(text)).toBe(expected);
  });
});

describe('mappingTexts', () => {
  it('names the place of each text in document order', () => {
    const mapping = { a: '{% x %}', 'b/c': [1, 'plain', { '~': '{% y %}' }], d: null };
    expect(mappingTexts(mapping)).toEqual([
      { path: '/a', kind: 'expression', text: 'x' },
      { path: '/b~1c/1', kind: 'plain', text: 'plain' },
      { path: '/b~1c/2/~0', kind: 'expression', text: 'y' },
    ]);
  });

  it('reports names of fields that look like expressions', () => {
    expect(mappingTexts({ '{% x %}': 1, b: '{% y %}' })).toEqual([
      { path: '/{% x %}', kind: 'key', text: '{% x %}' },
      { path: '/b', kind: 'expression', text: 'y' },
    ]);
  });

  it('treats only the synthesizer’s field as a template', () => {
    const template = '{% if a %}{{ a }}{% endif %}';
    const mapping = { template, deep: { template: '{% x %}' } };
    expect(mappingTexts(mapping, 'synthesizer')).toEqual([
      { path: '/template', kind: 'template', text: template },
      { path: '/deep/template', kind: 'expression', text: 'x' },
    ]);
    expect(mappingTexts(mapping, 'echo')[0]).toMatchObject({ kind: 'expression' });
    expect(mappingTexts({ template: '{% input.t %}' }, 'synthesizer')[0]).toMatchObject({ kind: 'expression' });
  });
});
