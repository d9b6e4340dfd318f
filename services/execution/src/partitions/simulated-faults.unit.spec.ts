import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { faults } from '../../test/simulation/faults.mjs';

const ROOT = new URL('../../../../', import.meta.url);
const DOCS = readFileSync(new URL('docs/simulation.md', ROOT), 'utf8');

// `npm run simulate:faults`, a part of `npm test`, runs the faults. This test only checks quickly that each fault still
// matches the source.
describe('the deliberate faults of the simulation', () => {
  it.each(faults.map((fault) => [fault.name, fault] as const))(
    '%s fits the source and is in the guide',
    (_name, fault) => {
      for (const { file, from } of fault.patches) {
        expect(readFileSync(new URL(file, ROOT), 'utf8').split(from)).toHaveLength(2);
      }
      expect(DOCS).toContain(`| ${fault.name} | ${fault.what} | ${fault.seed ?? 'not known'} | `);
    },
  );
});
