import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from '@jest/globals';
import { definitionShape } from '../services/config/src/definitions/definition-shape.js';
import { Report } from '../libs/documents/src/report.js';
import { FIELD_RULES } from '../services/gateway/src/document/parts.js';
import { read } from './deploy/places.js';

interface Schema {
  readonly [keyword: string]: unknown;
  readonly $ref?: string;
  readonly type?: string;
  readonly properties?: Record<string, Schema>;
  readonly items?: Schema;
  readonly allOf?: readonly Schema[];
}

const document = JSON.parse(read('docs/openapi.json')) as { components: { schemas: Record<string, Schema> } };
const { schemas } = document.components;

const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema(document, 'api');
const isDocumented = ajv.getSchema('api#/components/schemas/OrchestrationDefinition');

/** Whether the config service takes the types, lengths and ranges of a config. */
function isTaken(definition: unknown): boolean {
  const report = new Report();
  definitionShape(definition, '', report);
  return report.total === 0;
}

const step = (more: object): object => ({ id: 'a', name: 'a', agent: 'echo', ...more });
const config = (more: object): object => ({ name: 'c', strategy: 'parallel', steps: [step({})], ...more });

const BRANCH = { when: 'input.a', steps: ['b'] };
const CHOICE = { branches: [BRANCH], default: [] };

/** A config with some fields of the schema of that name. */
const places: Readonly<Record<string, (fields: object) => object>> = {
  OrchestrationDefinition: config,
  Step: (fields) => config({ steps: [step(fields)] }),
  Retry: (fields) => config({ steps: [step({ retry: fields })] }),
  Compensation: (fields) => config({ steps: [step({ compensate: { agent: 'echo', ...fields } })] }),
  Approval: (fields) => config({ steps: [{ id: 'a', name: 'a', approval: fields }] }),
  Wait: (fields) => config({ steps: [{ id: 'a', name: 'a', wait: { duration_ms: 1, ...fields } }] }),
  Signal: (fields) => config({ steps: [{ id: 'a', name: 'a', signal: { name: 'go', ...fields } }] }),
  Repeat: (fields) => config({ steps: [step({ repeat: { until: 'input.a', ...fields } })] }),
  Orchestration: (fields) => config({ steps: [{ id: 'a', name: 'a', orchestration: { config: 'b', ...fields } }] }),
  Map: (fields) => config({ steps: [{ id: 'a', name: 'a', map: { items: [], step: { agent: 'echo' }, ...fields } }] }),
  ItemStep: (fields) =>
    config({ steps: [{ id: 'a', name: 'a', map: { items: [], step: { agent: 'echo', ...fields } } }] }),
  Choice: (fields) => config({ steps: [{ id: 'a', name: 'a', choice: { ...CHOICE, ...fields } }] }),
  ChoiceBranch: (fields) =>
    config({ steps: [{ id: 'a', name: 'a', choice: { ...CHOICE, branches: [{ ...BRANCH, ...fields }] } }] }),
  Llm: (fields) => config({ steps: [{ id: 'a', name: 'a', llm: { model: 'm', ...fields } }] }),
  LlmTool: (fields) =>
    config({ steps: [{ id: 'a', name: 'a', llm: { model: 'm', tools: [{ name: 't', ...fields }] } }] }),
  Settings: (fields) => config({ settings: fields }),
  Budget: (fields) => config({ settings: { budget: { max_tokens: 1, max_cost: 1, ...fields } } }),
  ConsensusGroup: (fields) => config({ consensus_groups: [{ id: 'g', ...fields }] }),
};

const numbersOf = (rule: unknown, names: readonly string[]): number[] =>
  names.map((name) => (rule as Schema)[name]).filter((value): value is number => typeof value === 'number');

/** Values of a field at and beyond what its rule says, and at and beyond what other fields' rules say. */
function probesOf(rule: Schema): unknown[] {
  const rules = [...Object.values(FIELD_RULES), rule] as readonly Schema[];
  const bounds = rules.flatMap((each) => numbersOf(each, ['minimum', 'maximum', 'exclusiveMinimum']));
  const lengths = rules.flatMap((each) => [
    ...numbersOf(each, ['minLength', 'maxLength']),
    ...numbersOf(each.items ?? {}, ['minLength', 'maxLength']),
  ]);
  const counts = numbersOf(rule, ['minItems', 'maxItems']);
  const around = (values: readonly number[]): number[] => [
    ...new Set(values.flatMap((value) => [value - 1, value, value + 1]).filter((value) => value >= 0)),
  ];
  const words = rules.flatMap(({ enum: own, items }) => [
    ...((own ?? []) as string[]),
    ...((items?.['enum'] ?? []) as string[]),
  ]);
  const plain = [...around([...lengths, 64]).map((length) => 'a'.repeat(length)), 'a b', 'ä', 'a.b', ...words, 'none'];
  // Formats are not looked at here: of addresses, only the length.
  const texts = rule['format'] === 'uri' ? around(lengths).map((length) => 'https://a.b/'.padEnd(length, 'a')) : plain;
  const numbers = [...around([...bounds, Number.MAX_SAFE_INTEGER - 1]), -1, 0.5, 1.5];
  const lists = around(counts).map((count) => Array.from({ length: count }, () => 'a'));
  return [...numbers, ...texts, ...lists, ...texts.map((text) => [text]), true, {}];
}

const show = (value: unknown): string => {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 20)}… (${text.length})` : text;
};

describe('the rules that the document has for a config', () => {
  const names = Object.keys(FIELD_RULES).filter((name) => places[name.split('.')[0] ?? ''] !== undefined);

  it('are looked at for every part of a config', () => {
    expect(names.length).toBeGreaterThan(40);
    expect(isDocumented?.(config({}))).toBe(true);
    for (const [name, place] of Object.entries(places)) {
      expect(schemas[name]).toBeDefined();
      expect({ name, taken: isTaken(place({})) }).toEqual({ name, taken: true });
    }
  });

  it.each(names)('%s: the config service has the same', (name) => {
    const [schema = '', field = ''] = name.split('.');
    const rule = FIELD_RULES[name] as Schema;
    const differ = probesOf(rule).flatMap((value) => {
      const definition = (places[schema] as (fields: object) => object)({ [field]: value });
      const documented = isDocumented?.(definition) === true;
      return documented === isTaken(definition)
        ? []
        : [`${show(value)} is ${documented ? 'documented' : 'taken'} only`];
    });
    expect(differ).toEqual([]);
  });
});
