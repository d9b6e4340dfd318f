import { isRecord } from '@batuta/documents';
import type { Report } from '@batuta/documents';
import type { Outline } from '../outline.js';

export function reportSignals(outline: Outline, report: Report): void {
  const schemas = new Map<string, { readonly text: string; readonly path: string }>();
  for (const { index, source } of outline.steps) {
    const { signal } = source;
    if (!isRecord(signal)) continue;
    const path = `/steps/${index}/signal`;
    const { name, schema, timeout_ms: time, on_timeout: way } = signal;
    if (way !== undefined && time === undefined) {
      report.add(`${path}/on_timeout`, 'contradiction', 'has no effect without timeout_ms');
    }
    if (signal['default'] !== undefined && way !== 'continue') {
      report.add(`${path}/default`, 'contradiction', 'is only used with on_timeout continue');
    }
    if (typeof name !== 'string' || schema === undefined) continue;
    // A sender does not name the step, so the payload must fit every step that may take it.
    const text = JSON.stringify(schema);
    const first = schemas.get(name);
    if (first === undefined) {
      schemas.set(name, { text, path });
    } else if (first.text !== text) {
      report.add(`${path}/schema`, 'contradiction', `differs from ${first.path}/schema, which is of the same signal`);
    }
  }
}
