import { describe, it, expect } from '@jest/globals';
import { CONFIG_SCHEMA, nameMistake } from '@batuta/contracts';
import { propertyRuns } from '@batuta/testing';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { validateDefinition } from './validate-definition.js';
import type { ValidationPorts } from './validate-definition.js';

const ports: ValidationPorts = {
  agentsWithSecrets: () => Promise.resolve(new Set()),
  knownSecrets: () => Promise.resolve({ known: new Set(), meant: new Map() }),
  registeredAgents: () => Promise.resolve(new Set()),
  agentNames: () => Promise.resolve([]),
  knownConfigs: () => Promise.resolve(new Map()),
  configNames: () => Promise.resolve([]),
  modelNames: () => Promise.resolve([]),
  checkSchema: () => Promise.resolve([]),
  parseExpressions: (expressions) => Promise.resolve(expressions.map(() => ({ ok: true, paths: [], unknown: [] }))),
  parseTemplates: (templates) => Promise.resolve(templates.map(() => undefined)),
};

const STRATEGIES = ['sequential', 'parallel', 'consensus', 'fallback'];
const FIELDS = [
  'id',
  'name',
  'agent',
  'steps',
  'strategy',
  'dependencies',
  'fallback_for',
  'is_fallback',
  'consensus_group',
  'consensus_groups',
  'weights',
  'retry',
  'compensate',
  'settings',
  'input',
  'when',
  'output_key',
  'mode',
  'input_schema',
  'approval',
  'approvers',
  'message',
  'timeout_ms',
  'on_timeout',
];

/** Random JSON that uses the words of a config in wrong places. */
const nearlyConfig = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom('a', 'b', 'g', 'echo', '', '{% x %}', 'sequential', 'judge', '__proto__', '\0', '\ud800'),
    fc.jsonValue({ maxDepth: 1 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.constantFrom(...FIELDS), fc.string()), tie('value'), { maxKeys: 6 }),
  ),
})).value;

/** Steps over few names, so that they refer to each other, to themselves and to missing steps. */
const tangled = fc.record({
  name: fc.constant('c'),
  strategy: fc.constantFrom(...STRATEGIES),
  steps: fc.array(
    fc.record(
      {
        id: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
        name: fc.constant('n'),
        agent: fc.constantFrom('echo', 'x'),
        dependencies: fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'g', 'x'), { maxLength: 3 }),
        fallback_for: fc.constantFrom('a', 'b', 'c', 'd', 'g', 'x'),
        is_fallback: fc.boolean(),
        consensus_group: fc.constantFrom('g', 'h', 'a'),
      },
      { requiredKeys: ['id', 'name', 'agent'] },
    ),
    { minLength: 1, maxLength: 8 },
  ),
  consensus_groups: fc.array(fc.record({ id: fc.constantFrom('g', 'h', 'b') }), { maxLength: 2 }),
});

interface BuiltStep {
  id: string;
  name: string;
  agent?: string;
  approval?: object;
  dependencies: string[];
  fallback_for?: string;
  on_failure?: string;
}

/** Valid configs: every step depends on earlier ones, and every fallback comes after the step that it serves. */
const valid = fc
  .record({
    name: fc
      .string({ minLength: 1, maxLength: 40, unit: 'grapheme' })
      .filter((text) => nameMistake(text) === undefined),
    strategy: fc.constantFrom(...STRATEGIES),
    picks: fc.array(
      fc.record({
        agent: fc.constantFrom('echo', 'http', 'synthesizer'),
        approval: fc.option(
          fc.record({
            message: fc.constantFrom('May it?', '{% input.x %}'),
            timeout_ms: fc.integer({ min: 1, max: 2_592_000_000 }),
          }),
          { freq: 2 },
        ),
        seeds: fc.array(fc.nat(), { maxLength: 4 }),
        serves: fc.option(fc.nat(), { freq: 4 }),
        more: fc.record(
          {
            timeout_ms: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
            on_failure: fc.constantFrom('abort', 'continue', 'fallback'),
            retry: fc.record({ max_attempts: fc.integer({ min: 2, max: 10 }), backoff_ms: fc.nat(1000) }),
            when: fc.constant('input.x = 1'),
          },
          { requiredKeys: [] },
        ),
      }),
      { minLength: 1, maxLength: 30 },
    ),
    metadata: fc.dictionary(
      fc.stringMatching(/^[a-z]{1,8}$/).filter((key) => key !== 'constructor' && key !== 'prototype'),
      fc.oneof(fc.integer(), fc.boolean(), fc.stringMatching(/^[a-z]*$/)),
    ),
  })
  .map(({ name, strategy, picks, metadata }) => {
    const steps: BuiltStep[] = [];
    for (const [index, pick] of picks.entries()) {
      const main = steps.filter((step) => step.fallback_for === undefined);
      const served = pick.serves === null || main.length === 0 ? undefined : main[pick.serves % main.length];
      const upTo = served === undefined ? main : main.slice(0, main.indexOf(served));
      const names = upTo.length === 0 ? [] : pick.seeds.map((seed) => upTo[seed % upTo.length]?.id ?? '');
      const { timeout_ms: timeout, retry, ...common } = pick.more;
      // A fallback that could never run would be refused.
      if (served !== undefined) served.on_failure = 'fallback';
      if (served !== undefined && common.on_failure === 'continue') delete common.on_failure;
      const work = {
        agent: pick.agent,
        ...(timeout === undefined ? {} : { timeout_ms: timeout }),
        ...(retry === undefined ? {} : { retry }),
      };
      steps.push({
        ...common,
        ...(pick.approval === null ? work : { approval: pick.approval }),
        id: `s${index}`,
        name: `step ${index}`,
        dependencies: [...new Set(names)],
        ...(served === undefined ? {} : { fallback_for: served.id }),
      });
    }
    return { name, strategy, steps, metadata };
  });

describe('validateDefinition', () => {
  it('answers for any JSON', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.jsonValue(), nearlyConfig), async (document) => {
        const result = await validateDefinition(document, ports);
        expect(result.ok || result.total > 0).toBe(true);
      }),
      { numRuns: propertyRuns(500) },
    );
  });

  it('points every mistake at a place whose parent exists', async () => {
    const parentExists = (document: unknown, path: string): boolean => {
      const tokens = path
        .split('/')
        .slice(1)
        .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
      let value: unknown = document;
      for (const token of tokens.slice(0, -1)) {
        if (typeof value !== 'object' || value === null || !Object.hasOwn(value, token)) return false;
        value = (value as Record<string, unknown>)[token];
      }
      return tokens.length === 0 || (typeof value === 'object' && value !== null);
    };
    await fc.assert(
      fc.asyncProperty(fc.oneof(tangled, nearlyConfig), async (document) => {
        const result = await validateDefinition(document, ports);
        const places = result.ok ? [] : result.violations;
        expect(places.filter(({ path }) => !parentExists(document, path))).toEqual([]);
      }),
      { numRuns: propertyRuns(500) },
    );
  });

  it('accepts only what can be put in an order', async () => {
    await fc.assert(
      fc.asyncProperty(tangled, async (document) => {
        const result = await validateDefinition(document, ports);
        if (!result.ok) return;
        // A slow and simple check: repeatedly run every step whose dependencies are done.
        const done = new Set<string>();
        const groupOf = (id: string) => document.steps.filter((step) => step.consensus_group === id);
        const isDone = (name: string): boolean =>
          done.has(name) || (groupOf(name).length > 0 && groupOf(name).every(({ id }) => done.has(id)));
        for (let round = 0; round < document.steps.length; round += 1) {
          for (const step of document.steps) {
            const served = new Set<string>();
            for (let at = step.fallback_for; at !== undefined && !served.has(at);) {
              served.add(at);
              at = document.steps.find(({ id }) => id === at)?.fallback_for;
            }
            const waits = (step.dependencies ?? []).filter((name) => !served.has(name));
            if (waits.every(isDone)) done.add(step.id);
          }
        }
        expect(document.steps.map(({ id }) => id).filter((id) => !done.has(id))).toEqual([]);
      }),
      { numRuns: propertyRuns(2000) },
    );
  });

  it('accepts every valid config', async () => {
    await fc.assert(
      fc.asyncProperty(valid, async (document) => {
        expect(await validateDefinition(document, ports)).toMatchObject({ ok: true });
      }),
      { numRuns: propertyRuns(500) },
    );
  });

  it('accepts nothing that the published schema refuses', async () => {
    const published = new Ajv2020({ allErrors: true, allowUnionTypes: true }).compile(CONFIG_SCHEMA);
    await fc.assert(
      fc.asyncProperty(fc.oneof(valid, tangled, nearlyConfig), async (document) => {
        const { ok } = await validateDefinition(document, ports);
        expect(ok && !published(document) ? published.errors : []).toEqual([]);
      }),
      { numRuns: propertyRuns(1000) },
    );
  });

  it('names the cycle in every config that has one added', async () => {
    const chains = fc.record({ length: fc.integer({ min: 2, max: 30 }), from: fc.nat(), to: fc.nat() });
    await fc.assert(
      fc.asyncProperty(chains, async ({ length, from, to }) => {
        const first = Math.min(from % length, to % length);
        const last = Math.max(from % length, to % length);
        fc.pre(first !== last);
        const steps = Array.from({ length }, (_, n) => ({
          id: `s${n}`,
          name: 'n',
          agent: 'echo',
          dependencies: [...(n === 0 ? [] : [`s${n - 1}`]), ...(n === first ? [`s${last}`] : [])],
        }));
        const result = await validateDefinition({ name: 'c', strategy: 'parallel', steps }, ports);
        const cycle = [first, ...Array.from({ length: last - first }, (_, n) => last - n), first];
        expect(result.ok ? [] : result.violations).toMatchObject([
          { code: 'cycle', message: expect.stringContaining(cycle.map((n) => `s${n}`).join(' → ')) },
        ]);
      }),
    );
  });
});
