import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { EVENT_SCHEMAS, SCHEDULE_EVENT_SCHEMAS } from '@batuta/contracts';

/** The schema's history, which creates the tables of executions too. */
const HISTORY = /^postgres\/(migrations\/.*|list-indexes\.ts)$/;
const OF_ONE_KIND = [
  ...Object.keys(EVENT_SCHEMAS),
  ...Object.keys(SCHEDULE_EVENT_SCHEMAS),
  'orchestration_',
  'config_versions',
  'execution.agents',
  'task_key',
  'callback',
];

describe('the event store', () => {
  it('names no event and no table of a kind of streams', () => {
    const files = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' }).filter(
      (file) => file.endsWith('.ts') && !file.endsWith('.spec.ts') && !HISTORY.test(file),
    );
    expect(files).toContain(join('postgres', 'commit-lane.ts'));
    const found = files.flatMap((file) => {
      const text = readFileSync(join(import.meta.dirname, file), 'utf8');
      return OF_ONE_KIND.filter((name) => text.includes(name)).map((name) => `${file}: ${name}`);
    });
    expect(found).toEqual([]);
  });
});
