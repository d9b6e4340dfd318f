import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { EVENT_SCHEMAS } from '@batuta/contracts';
import { EVENTS } from './events/index.js';
import { KINDS } from './kinds/index.js';

const ROOT = new URL('../../../../', import.meta.url);

const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');

/** A recipe of CONTRIBUTING.md by its heading: its numbered steps, and the files that they name. */
function recipe(heading: string): { files: string[] } {
  const [, text = ''] = read('CONTRIBUTING.md').split(`\n## ${heading}\n`);
  const [chapter = ''] = text.split('\n## ');
  const files = [...chapter.matchAll(/`((?:proto|libs|services|docs)\/[^`]+)`/g)].map(([, file]) => file as string);
  return { files };
}

const kebab = (name: string): string => name.replaceAll(/(?<!^)[A-Z]/g, (letter) => `-${letter}`).toLowerCase();

const types = Object.keys(EVENT_SCHEMAS);
const kinds = Object.keys(KINDS);

describe('the recipe for an event', () => {
  const { files } = recipe('Add an event');

  test('names files that are there, for each event', () => {
    expect(files.length).toBeGreaterThanOrEqual(4);
    const missing = files.flatMap((file) =>
      types.map((type) => file.replaceAll('<event>', kebab(type))).filter((path) => !existsSync(new URL(path, ROOT))),
    );
    expect([...new Set(missing)]).toEqual([]);
  });

  test('leaves no file beside the registry', () => {
    const known = new Set([...types.map(kebab), 'definition', 'index', 'metrics']);
    const found = readdirSync(new URL('events/', import.meta.url)).map((name) => name.replace(/\.ts$/, ''));
    expect(found.filter((name) => !known.has(name))).toEqual([]);
    expect(Object.keys(EVENTS).toSorted()).toEqual(types.toSorted());
  });

  test('was followed: each event is in the proto, and a golden history has it', () => {
    const proto = read('proto/batuta/execution/v1/events.proto');
    expect(types.filter((type) => !proto.includes(`message ${type} {`))).toEqual([]);
    const golden = new URL('services/execution/test/golden/', ROOT);
    const seen = new Set(
      readdirSync(golden).flatMap((name) => {
        const { events } = JSON.parse(readFileSync(new URL(name, golden), 'utf8')) as { events: { type: string }[] };
        return events.map(({ type }) => type);
      }),
    );
    expect(types.filter((type) => !seen.has(type))).toEqual([]);
  });

  test('was followed: nothing that works on all events knows one by its name', () => {
    for (const file of ['domain/evolve.ts', 'domain/effects/effects-of.ts', 'partitions/effects/effects.ts']) {
      const text = read(`services/execution/src/${file}`);
      expect(types.filter((type) => text.includes(`'${type}'`))).toEqual([]);
    }
    for (const file of ['tracing/command-name.ts', 'partitions/lane/commit-meter.ts']) {
      const text = read(`services/execution/src/${file}`);
      expect(types.filter((type) => text.includes(`'${type}'`))).toEqual([]);
    }
  });
});

describe('the recipe for a step kind', () => {
  const { files } = recipe('Add a step kind');

  test('names files that are there, for each kind', () => {
    expect(files.length).toBeGreaterThanOrEqual(8);
    const missing = files.flatMap((file) =>
      kinds.map((kind) => file.replaceAll('<kind>', kind)).filter((path) => !existsSync(new URL(path, ROOT))),
    );
    expect([...new Set(missing)]).toEqual([]);
  });

  test('was followed: each folder is registered, and has a spec', () => {
    const folders = readdirSync(new URL('kinds/', import.meta.url), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
    expect(folders.toSorted()).toEqual(kinds.toSorted());
    const untested = folders.filter(
      (kind) => !existsSync(new URL(`kinds/${kind}/${kind}.unit.spec.ts`, import.meta.url)),
    );
    expect(untested).toEqual([]);
  });

  test.each(kinds)(
    'was followed: %s is in the config, its shape, the simulation, its reference and the docs',
    (kind) => {
      const [, step = ''] = read('proto/batuta/config/v1/definition.proto').split('message Step {');
      const [fields = ''] = step.split('\n}');
      expect(fields).toMatch(new RegExp(` ${kind} = \\d+`));
      for (const file of [
        'libs/contracts/src/config-schema/kinds/index.ts',
        'services/execution/test/simulation/random-config.ts',
        // A kind that the reference does not name is treated as an agent's step.
        ...(kind === 'agent' ? [] : ['services/execution/test/simulation/reference.ts']),
        'docs/orchestrations.md',
      ]) {
        expect([file, new RegExp(`\\b${kind}\\b`, 'i').test(read(file))]).toEqual([file, true]);
      }
    },
  );
});
