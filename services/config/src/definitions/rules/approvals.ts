import { isRecord } from '@batuta/documents';
import type { Report } from '@batuta/documents';
import type { Outline } from '../outline.js';

type Source = Readonly<Record<string, unknown>>;

export function reportApprovals(outline: Outline, report: Report): void {
  for (const { index, source } of outline.steps) {
    const { approval } = source;
    if (isRecord(approval)) reportApproval(approval, `/steps/${index}/approval`, report);
  }
}

export function reportApproval(approval: Source, path: string, report: Report): void {
  if (approval['on_timeout'] !== undefined && approval['timeout_ms'] === undefined) {
    report.add(`${path}/on_timeout`, 'contradiction', 'has no effect without timeout_ms');
  }
  const approvers = Array.isArray(approval['approvers']) ? (approval['approvers'] as unknown[]) : [];
  for (const [place, approver] of approvers.entries()) {
    if (approvers.indexOf(approver) === place) continue;
    report.add(`${path}/approvers/${place}`, 'duplicate_approver', 'is listed twice');
  }
}
