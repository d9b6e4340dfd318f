import { describe, expect, it } from '@jest/globals';
import { liquidEngine } from './liquid-engine.js';

const limits = { characters: 10_000, renderMs: 5_000, memoryUnits: 100_000 };
const text = liquidEngine(limits);
const html = liquidEngine(limits, 'html');

describe('liquidEngine', () => {
  // The tests run in a time zone other than UTC (jest.config.mjs).
  it.each([
    ['2026-01-31T10:00:00Z', '2026-01-31 10:00 UTC'],
    ['2026-01-31T10:00:00+02:00', '2026-01-31 08:00 UTC'],
    ['2026-01-31T10:00:00', '2026-01-31 10:00 UTC'],
    ['2026-01-31 10:00', '2026-01-31 10:00 UTC'],
    ['2026-01-31', '2026-01-31 00:00 UTC'],
    ['Jan 31 2026 10:00', '2026-01-31 10:00 UTC'],
    ['Sat, 31 Jan 2026 10:00:00 GMT', '2026-01-31 10:00 UTC'],
    [1_769_853_600, '2026-01-31 10:00 UTC'],
    ['1769853600', '2026-01-31 10:00 UTC'],
    ['no time', 'no time'],
    [null, ''],
  ])('writes the time %p in UTC', (at, expected) => {
    expect(text.parseAndRenderSync('{{ at | date: "%Y-%m-%d %H:%M %Z" }}', { at })).toBe(expected);
  });

  it('writes a time in the zone that the template names, and in English', () => {
    const at = '2026-07-31T23:30:00Z';
    expect(text.parseAndRenderSync('{{ at | date: "%d %B %H:%M", "Europe/Berlin" }}', { at })).toBe('01 August 01:30');
    expect(text.parseAndRenderSync('{{ at | date: "%A" }} {{ at | date_to_xmlschema }}', { at })).toBe(
      'Friday 2026-07-31T23:30:00+00:00',
    );
    expect(text.parseAndRenderSync('{{ "2026-07-31 23:30" | date_to_rfc822 }}')).toBe(
      'Fri, 31 Jul 2026 23:30:00 +0000',
    );
    expect(text.parseAndRenderSync('{{ "now" | date: "%z" }}')).toBe('+0000');
  });

  it('writes objects and lists as JSON, and escapes them in HTML', () => {
    const values = { a: { b: ['<i>', null] }, list: [1, 'x'], none: null };
    const template = '{{ a }} {{ list }} {{ none }} {% echo a %} {{ list | join: "-" }}';
    expect(text.parseAndRenderSync(template, values)).toBe('{"b":["<i>",null]} [1,"x"]  {"b":["<i>",null]} 1-x');
    expect(html.parseAndRenderSync('{{ a }} {{ a.b[0] | raw }}', values)).toBe(
      '{&#34;b&#34;:[&#34;&lt;i&gt;&#34;,null]} <i>',
    );
  });

  it('puts any value on one line of a table', () => {
    expect(
      text.parseAndRenderSync('{{ a | cell }}|{{ b | cell }}|{{ c | cell }}', { a: 'x|y\n\nz', b: [1, null] }),
    ).toBe('x\\|y z|[1,null]|');
  });

  it.each(['include', 'render', 'layout', 'block'])('has no tag %s', (tag) => {
    expect(() => text.parse(`{% ${tag} "x" %}`)).toThrow(`tag "${tag}" not found`);
  });

  it('stops at its limits', () => {
    expect(() => text.parse('x'.repeat(10_001))).toThrow('parse length limit exceeded');
    expect(() => text.parseAndRenderSync('{% for i in (1..1000000) %}x{% endfor %}')).toThrow('limit exceeded');
  });
});
