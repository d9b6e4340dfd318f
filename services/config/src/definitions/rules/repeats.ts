import { isRecord } from '@batuta/documents';
import type { Report } from '@batuta/documents';
import type { Outline } from '../outline.js';

/** What contradicts itself in a step that runs again. */
export function reportRepeats(outline: Outline, report: Report): void {
  for (const { index, source } of outline.steps) {
    const { repeat } = source;
    if (!isRecord(repeat) || repeat['max_iterations'] !== 1 || !repeat['delay_ms']) continue;
    report.add(
      `/steps/${index}/repeat/delay_ms`,
      'contradiction',
      'has no effect: with max_iterations 1 there is no second iteration to wait for',
    );
  }
}
