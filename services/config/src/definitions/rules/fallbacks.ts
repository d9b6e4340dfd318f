import type { Report } from '@batuta/documents';
import type { Outline } from '../outline.js';
import { nodeNames } from './node-names.js';

export function reportFallbacks(outline: Outline, report: Report): void {
  let mainSeen = false;
  for (const step of outline.steps) {
    const path = `/steps/${step.index}`;
    const { fallbackFor } = step;
    if (fallbackFor === undefined) {
      // In the fallback strategy, a fallback without `fallback_for` serves the step before it.
      if (step.fallbackFlag === true && !(outline.strategy === 'fallback' && mainSeen)) {
        report.add(`${path}/fallback_for`, 'required', 'a fallback must name the step that it stands in for');
      }
    } else if (fallbackFor === step.id) {
      report.add(`${path}/fallback_for`, 'fallback_cycle', 'a step cannot stand in for itself');
    } else if (!outline.stepOf.has(fallbackFor) && !outline.groupOf.has(fallbackFor)) {
      const hint = report.suggestions.for(fallbackFor, nodeNames(outline));
      report.add(`${path}/fallback_for`, 'unknown_step', `there is no step or consensus group "${fallbackFor}"${hint}`);
    }
    if (fallbackFor !== undefined && step.fallbackFlag === false) {
      report.add(`${path}/is_fallback`, 'contradiction', 'a step with fallback_for is a fallback');
    }
    if (step.isFallback && step.group !== undefined) {
      report.add(`${path}/consensus_group`, 'contradiction', 'a fallback cannot be a member of a consensus group');
    }
    if (!step.isFallback) mainSeen = true;
  }
}
