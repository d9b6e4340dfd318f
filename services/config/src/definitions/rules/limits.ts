import { isRecord } from '@batuta/documents';
import type { Report } from '@batuta/documents';
import type { Outline } from '../outline.js';

function reportRetry(retry: unknown, path: string, report: Report): void {
  if (!isRecord(retry)) return;
  const { backoff_ms: backoff, max_backoff_ms: cap } = retry;
  if (typeof backoff === 'number' && typeof cap === 'number' && cap < backoff) {
    report.add(`${path}/max_backoff_ms`, 'bad_limit', 'must be at least backoff_ms');
  }
}

export function reportLimits(outline: Outline, report: Report): void {
  for (const { index, source } of outline.steps) {
    const path = `/steps/${index}`;
    reportRetry(source['retry'], `${path}/retry`, report);
    if (isRecord(source['compensate'])) reportRetry(source['compensate']['retry'], `${path}/compensate/retry`, report);
    const { schedule_to_start_ms: toStart, schedule_to_close_ms: toClose } = source;
    if (typeof toStart === 'number' && typeof toClose === 'number' && toStart > toClose) {
      report.add(`${path}/schedule_to_start_ms`, 'bad_limit', 'must be at most schedule_to_close_ms');
    }
  }
}

/** An attempt occupies a slot of a runner until its timeout, so the platform limits the timeout. */
export function reportLongSteps(outline: Outline, longestMs: number, report: Report): void {
  for (const { index, source } of outline.steps) {
    const { timeout_ms: own, compensate } = source;
    const undoing = isRecord(compensate) ? compensate['timeout_ms'] : undefined;
    for (const [field, value] of [
      ['timeout_ms', own],
      ['compensate/timeout_ms', undoing],
    ] as const) {
      if (typeof value !== 'number' || value <= longestMs) continue;
      report.add(`/steps/${index}/${field}`, 'out_of_range', `must be at most ${longestMs} on this platform`);
    }
  }
}

/**
 * Other tenants run a global config with their own input. The input must reach only agents that they can see in the
 * config.
 */
export function reportGlobal(document: Readonly<Record<string, unknown>>, report: Report): void {
  const { is_global: isGlobal, settings } = document;
  if (isGlobal !== true || !isRecord(settings) || settings['callback_url'] === undefined) return;
  report.add(
    '/settings/callback_url',
    'contradiction',
    'a global config cannot have a callback_url: set one in the start of an execution',
  );
}
