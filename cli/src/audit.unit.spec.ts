import { describe, expect, it } from '@jest/globals';
import { auditLink, FIRST_AUDIT_LINK } from '@batuta/contracts';
import { auditQuery, verifyAudit } from './audit.js';

/** Lines of an export in the platform's format. */
function exported(count: number): Record<string, unknown>[] {
  let link = FIRST_AUDIT_LINK;
  return Array.from({ length: count }, (_, index) => {
    const at = Date.UTC(2030, 0, 1, 0, 0, index);
    const what = { channel: 'rest', action: 'secrets.put', resource: `secrets/S${index}` };
    const entry = { id: `id-${index}`, seq: index + 1, ...what, outcome: 'succeeded', revision: '"1"' } as const;
    link = auditLink(link, { ...entry, at, tenantId: 'acme', userId: 'ada' });
    // An empty field may be present or absent.
    return { ...entry, at: new Date(at).toISOString(), tenant_id: 'acme', user_id: 'ada', code: '', link };
  });
}

async function* linesOf(entries: readonly object[]): AsyncGenerator<string> {
  for (const entry of entries) yield await Promise.resolve(JSON.stringify(entry));
}

describe('the chain of an audit log', () => {
  it('is valid as written, and without its oldest entries', async () => {
    expect(await verifyAudit(linesOf(exported(5)))).toEqual({ entries: 5 });
    expect(await verifyAudit(linesOf(exported(5).slice(2)))).toEqual({ entries: 3 });
    expect(await verifyAudit(linesOf([]))).toEqual({ entries: 0 });
  });

  it.each([
    ['user_id', 'eve'],
    ['outcome', 'refused'],
    ['resource', 'secrets/other'],
    ['at', '2031-01-01T00:00:00.000Z'],
    ['tenant_id', 'other'],
    ['code', 'forbidden'],
    ['address', '10.0.0.1'],
  ])('reports an entry whose %s was changed', async (field, value) => {
    const entries = exported(5);
    entries[2] = { ...entries[2], [field]: value };
    const { entries: held, wrong } = await verifyAudit(linesOf(entries));
    expect(held).toBe(2);
    expect(wrong).toContain('entry 3');
  });

  it('reports removed and added entries', async () => {
    const entries = exported(5);
    const gap = await verifyAudit(linesOf(entries.toSpliced(2, 1)));
    expect(gap.wrong).toBe('after entry 2 comes 4: what was between is gone');
    const forged = entries.toSpliced(2, 1, { ...entries[2], link: 'ab'.repeat(32) });
    expect((await verifyAudit(linesOf(forged))).wrong).toContain('entry 3');
  });
});

it('translates the options to the API’s names', () => {
  expect(auditQuery({ tenant: 'acme', user: 'ada', outcome: 'refused' })).toEqual({
    tenant_id: 'acme',
    user_id: 'ada',
    outcome: 'refused',
  });
});
