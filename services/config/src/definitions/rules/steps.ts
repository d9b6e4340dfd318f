import type { Report } from '@batuta/documents';
import type { FallbackForest } from '../fallback-forest.js';
import type { Outline, StepOutline } from '../outline.js';
import { nodeNames } from './node-names.js';

export function reportDuplicateIds(outline: Outline, report: Report): void {
  for (const step of outline.steps) {
    const first = step.id === undefined ? undefined : outline.stepOf.get(step.id);
    if (first !== undefined && first !== step) {
      report.add(`/steps/${step.index}/id`, 'duplicate_id', `"${step.id}" is already the id of /steps/${first.index}`);
    }
  }
  for (const group of outline.declaredGroups) {
    const first = outline.groupOf.get(group.id);
    if (first !== group && first !== undefined) {
      const place = `/consensus_groups/${first.index ?? 0}`;
      report.add(
        `/consensus_groups/${group.index ?? 0}/id`,
        'duplicate_id',
        `"${group.id}" is already the id of ${place}`,
      );
    }
  }
  for (const group of outline.groupOf.values()) {
    const clash = outline.stepOf.get(group.id);
    if (clash === undefined) continue;
    const path =
      group.index === undefined
        ? `/steps/${group.members[0]?.index ?? 0}/consensus_group`
        : `/consensus_groups/${group.index}/id`;
    report.add(
      path,
      'duplicate_id',
      `"${group.id}" is already the id of /steps/${clash.index}: groups and steps share their names`,
    );
  }
}

export function reportDependencies(outline: Outline, forest: FallbackForest, report: Report): void {
  for (const step of outline.steps) {
    const seen = new Set<string>();
    for (const { name, path } of step.dependencies) {
      const target = outline.stepOf.get(name);
      const group = outline.groupOf.get(name);
      if (seen.has(name)) {
        report.add(path, 'duplicate_dependency', `"${name}" is listed twice`);
      } else if (name === step.id) {
        report.add(path, 'self_dependency', 'a step cannot depend on itself');
      } else if (target === undefined && group === undefined) {
        const hint = report.suggestions.for(name, nodeNames(outline));
        report.add(path, 'unknown_dependency', `there is no step or consensus group "${name}"${hint}`);
      } else if (target !== undefined) {
        reportDependencyOnStep({ step, target, name, path }, forest, report);
      }
      seen.add(name);
    }
  }
}

function reportDependencyOnStep(
  use: { step: StepOutline; target: StepOutline; name: string; path: string },
  forest: FallbackForest,
  report: Report,
): void {
  const { step, target, name, path } = use;
  if (target.isFallback && !forest.serves(step, name)) {
    const instead =
      target.fallbackFor === undefined ? '' : `; depend on "${target.fallbackFor}", under which its output stands`;
    report.add(path, 'depends_on_fallback', `"${name}" is a fallback and may never run${instead}`);
  } else if (step.group !== undefined && step.group === target.group && !step.isFallback && !target.isFallback) {
    report.add(path, 'depends_on_member', `"${name}" is in the same consensus group, whose members run together`);
  }
}

/** In the sequential strategy the list is the order, so a dependency must be listed earlier. */
export function reportOrder(outline: Outline, forest: FallbackForest, report: Report): void {
  if (outline.strategy !== 'sequential') return;
  const firstMember = (group: string): number | undefined => outline.groupOf.get(group)?.members[0]?.index;
  const placeOf = (step: StepOutline): number => {
    const main = forest.mainOf(step);
    if (main === undefined) return step.index;
    return 'step' in main ? main.step.index : (firstMember(main.group) ?? step.index);
  };
  for (const step of outline.steps) {
    const place = placeOf(step);
    for (const { name, path } of step.dependencies) {
      const target = outline.stepOf.get(name);
      const targetPlace = target === undefined ? firstMember(name) : placeOf(target);
      if (targetPlace !== undefined && targetPlace > place && name !== step.id) {
        report.add(
          path,
          'dependency_order',
          `"${name}" is listed later; strategy sequential runs the steps in listed order`,
        );
      }
    }
  }
}
