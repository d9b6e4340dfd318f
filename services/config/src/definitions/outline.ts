import { isRecord } from '@batuta/documents';

/**
 * The parts of a step that the rules between fields need. Fields of a wrong type count as absent, because the schema
 * reports those.
 */
export interface StepOutline {
  readonly index: number;
  readonly id: string | undefined;
  readonly dependencies: readonly { readonly name: string; readonly path: string }[];
  readonly outputKey: string | undefined;
  readonly group: string | undefined;
  readonly fallbackFor: string | undefined;
  readonly isFallback: boolean;
  /**
   * The step or group that it is a fallback for: the named one or, in strategy fallback without a name, the main step
   * before it.
   */
  readonly serves: string | undefined;
  /** The value of `is_fallback` in the step itself, if any. */
  readonly fallbackFlag: boolean | undefined;
  readonly source: Readonly<Record<string, unknown>>;
}

export interface GroupOutline {
  readonly id: string;
  /** Undefined for a group that steps name but nobody declares. */
  readonly index: number | undefined;
  readonly outputKey: string;
  readonly source: Readonly<Record<string, unknown>>;
  readonly members: StepOutline[];
}

export interface Outline {
  readonly strategy: string | undefined;
  readonly steps: readonly StepOutline[];
  /** The first step with each id. */
  readonly stepOf: ReadonlyMap<string, StepOutline>;
  readonly groupOf: ReadonlyMap<string, GroupOutline>;
  /** Every declared group, including those whose id is taken. */
  readonly declaredGroups: readonly GroupOutline[];
  readonly source: Readonly<Record<string, unknown>>;
}

export function textOf(source: Readonly<Record<string, unknown>>, field: string): string | undefined {
  const value = source[field];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function outlineGroup(id: string, source: Readonly<Record<string, unknown>>, index: number | undefined): GroupOutline {
  return { id, index, outputKey: textOf(source, 'output_key') ?? id, source, members: [] };
}

function outlineStep(
  source: Readonly<Record<string, unknown>>,
  index: number,
  mainBefore: string | undefined,
): StepOutline {
  const names = Array.isArray(source['dependencies']) ? source['dependencies'] : [];
  const fallbackFor = textOf(source, 'fallback_for');
  const flag = source['is_fallback'];
  return {
    index,
    id: textOf(source, 'id'),
    dependencies: names.flatMap((name: unknown, position) =>
      typeof name === 'string' ? [{ name, path: `/steps/${index}/dependencies/${position}` }] : [],
    ),
    outputKey: textOf(source, 'output_key') ?? textOf(source, 'id'),
    group: textOf(source, 'consensus_group'),
    fallbackFor,
    isFallback: flag === true || fallbackFor !== undefined,
    serves: fallbackFor ?? (flag === true ? mainBefore : undefined),
    fallbackFlag: typeof flag === 'boolean' ? flag : undefined,
    source,
  };
}

/** The parts of a document that the rules between fields need. Accepts any JSON. */
export function outlineOf(source: Readonly<Record<string, unknown>>, maxSteps: number): Outline {
  const given: unknown[] = Array.isArray(source['steps']) ? source['steps'] : [];
  // Too many steps are refused for that reason, so checking each of them has no use.
  const strategy = textOf(source, 'strategy');
  let mainBefore: string | undefined;
  const steps = (given.length > maxSteps ? [] : given).flatMap((each, index) => {
    if (!isRecord(each)) return [];
    const step = outlineStep(each, index, mainBefore);
    if (strategy === 'fallback' && !step.isFallback) mainBefore = step.id;
    return [step];
  });
  const stepOf = new Map<string, StepOutline>();
  for (const step of steps) {
    if (step.id !== undefined && !stepOf.has(step.id)) stepOf.set(step.id, step);
  }
  const groups: unknown[] = Array.isArray(source['consensus_groups']) ? source['consensus_groups'] : [];
  const declaredGroups = groups.flatMap((group, index): GroupOutline[] => {
    const id = isRecord(group) ? textOf(group, 'id') : undefined;
    return isRecord(group) && id !== undefined ? [outlineGroup(id, group, index)] : [];
  });
  const groupOf = new Map<string, GroupOutline>();
  for (const group of declaredGroups) {
    if (!groupOf.has(group.id)) groupOf.set(group.id, group);
  }
  for (const step of steps) {
    if (step.group === undefined || step.isFallback) continue;
    const group = groupOf.get(step.group) ?? outlineGroup(step.group, {}, undefined);
    groupOf.set(step.group, group);
    group.members.push(step);
  }
  return { strategy, steps, stepOf, groupOf, declaredGroups, source };
}
