import { pointerToken } from '@batuta/contracts';
import { isRecord } from '@batuta/documents';
import type { Report } from '@batuta/documents';
import { textOf } from '../outline.js';
import type { GroupOutline, Outline } from '../outline.js';

type Source = Readonly<Record<string, unknown>>;

export function reportGroups(outline: Outline, report: Report): void {
  for (const group of outline.declaredGroups) {
    if (outline.groupOf.get(group.id) === group) reportGroup(group, report);
  }
}

function reportGroup(group: GroupOutline, report: Report): void {
  const path = `/consensus_groups/${group.index ?? 0}`;
  const { source } = group;
  const members = new Set(group.members.map(({ id }) => id));
  const needs = (field: string, when: string): void => {
    if (source[field] === undefined) report.add(`${path}/${field}`, 'required', `${when} needs ${field}`);
  };
  if (members.size === 0) {
    report.add(path, 'empty_group', `no step is in the consensus group "${group.id}"`);
  }
  if (source['mode'] === 'best') needs('score', 'mode best');
  if (source['mode'] === 'judge') needs('judge', 'mode judge');
  else if (source['on_tie'] === 'judge') needs('judge', 'on_tie judge');
  if (source['mode'] === 'weighted') needs('weights', 'mode weighted');
  reportUnused(source, path, report);
  if (members.size === 1) reportUnusedOfOneMember(source, path, report);
  if (!isRecord(source['weights'])) return;
  for (const name of Object.keys(source['weights'])) {
    if (!members.has(name)) {
      report.add(
        `${path}/weights/${pointerToken(name)}`,
        'unknown_member',
        `"${name}" is not in the group "${group.id}"`,
      );
    }
  }
  const weights = Object.values(source['weights']);
  if (weights.length >= members.size && members.size > 0 && weights.every((weight) => weight === 0)) {
    report.add(`${path}/weights`, 'bad_limit', 'at least one weight must be above 0');
  }
}

/** Fields of groups that only some modes use. */
const MODES_WITH: Readonly<Record<string, readonly string[]>> = {
  threshold: ['quorum', 'majority', 'weighted'],
  on_tie: ['majority', 'weighted', 'best'],
};

/** Reports fields that would be ignored, because the author expects an effect. */
function reportUnused(source: Source, path: string, report: Report): void {
  const mode = textOf(source, 'mode') ?? 'quorum';
  const modes = (...some: string[]): boolean => some.includes(mode);
  const onlyWith = (field: string, used: boolean, where: string): void => {
    if (source[field] !== undefined && !used) {
      report.add(`${path}/${field}`, 'contradiction', `has no effect in mode ${mode}: it is only used with ${where}`);
    }
  };
  onlyWith('score', modes('best'), 'mode best');
  onlyWith('weights', modes('weighted'), 'mode weighted');
  if (mode === 'weighted' && isRecord(source['weights']) && Object.keys(source['weights']).length === 0) {
    report.add(
      `${path}/weights`,
      'contradiction',
      'has no effect: members without a weight count 1, as in mode majority',
    );
  }
  onlyWith('vote_key', modes('majority', 'weighted', 'unanimous'), 'modes majority, weighted and unanimous');
  for (const [field, some] of Object.entries(MODES_WITH)) {
    onlyWith(field, modes(...some), `modes ${some.slice(0, -1).join(', ')} and ${some.at(-1) ?? ''}`);
  }
  onlyWith('judge', modes('judge') || source['on_tie'] === 'judge', 'mode judge or on_tie judge');
  if (source['early_stop'] === true && modes('best', 'judge')) {
    report.add(`${path}/early_stop`, 'contradiction', `has no effect in mode ${mode}, which waits for all members`);
  }
}

/** In a group of one member, that member decides. */
function reportUnusedOfOneMember(source: Source, path: string, report: Report): void {
  const mode = textOf(source, 'mode') ?? 'quorum';
  const why: Readonly<Record<string, string | false>> = {
    early_stop: source['early_stop'] === true && 'there is nobody else to stop',
    on_tie: source['on_tie'] !== 'fail' && 'one member cannot tie',
    threshold: 'the share of one member is all or nothing',
  };
  for (const [field, reason] of Object.entries(why)) {
    if (source[field] === undefined || reason === false) continue;
    // Another rule has already reported that these modes never use the field.
    if (field === 'early_stop' ? ['best', 'judge'].includes(mode) : !MODES_WITH[field]?.includes(mode)) continue;
    report.add(`${path}/${field}`, 'contradiction', `has no effect in a group of one member: ${reason}`);
  }
}
