import { KIND_FIELDS, KIND_NAMES, TOKEN, expressionIn, mappingTexts, pointerToken } from '@batuta/contracts';
import type { JsonValue, MappingText } from '@batuta/contracts';
import { isRecord } from '@batuta/documents';
import type { Report } from '@batuta/documents';
import type { FallbackForest } from './fallback-forest.js';
import { textOf } from './outline.js';
import type { GroupOutline, Outline, StepOutline } from './outline.js';

type Source = Readonly<Record<string, unknown>>;

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

function* nodeNames(outline: Outline): Iterable<string> {
  yield* outline.stepOf.keys();
  yield* outline.groupOf.keys();
}

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

/**
 * `outputs.<key>` must be unambiguous. Fallbacks have no key of their own, and members of one group may share a key.
 */
export function reportOutputKeys(outline: Outline, report: Report): void {
  const owners = new Map<string, { owner: string; path: string }>();
  const claim = (key: string, owner: string, path: string): void => {
    const first = owners.get(key);
    if (first === undefined) {
      owners.set(key, { owner, path });
    } else if (first.owner !== owner) {
      report.add(path, 'duplicate_output_key', `"${key}" is already the output key of ${first.path}`);
    }
  };
  for (const step of outline.steps) {
    if (step.isFallback || step.outputKey === undefined) continue;
    const path = `/steps/${step.index}`;
    const member = step.group === undefined ? undefined : `members of ${step.group}`;
    claim(
      step.outputKey,
      member ?? path,
      textOf(step.source, 'output_key') === undefined ? path : `${path}/output_key`,
    );
  }
  for (const group of outline.groupOf.values()) {
    if (outline.stepOf.has(group.id)) continue;
    const path = group.index === undefined ? '/consensus_groups' : `/consensus_groups/${group.index}`;
    const key = textOf(group.source, 'output_key');
    claim(key ?? group.id, path + group.id, key === undefined ? path : `${path}/output_key`);
  }
}

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

/** Checks that a step has one kind, and only fields of that kind. */
export function reportKinds(outline: Outline, report: Report): void {
  for (const { index, source } of outline.steps) {
    const path = `/steps/${index}`;
    const [first, ...more] = KIND_NAMES.filter((kind) => source[kind] !== undefined);
    const kind = first === undefined ? undefined : KIND_FIELDS[first];
    if (kind === undefined) continue;
    const others = [...(source['agent'] === undefined ? [] : ['agent' as const]), ...more];
    for (const other of others) {
      const called = other === 'agent' ? 'an agent' : KIND_FIELDS[other].called;
      report.add(`${path}/${other}`, 'contradiction', `a step has ${called} or ${kind.called}, not both`);
    }
    for (const [field, why] of Object.entries(kind.without)) {
      if (source[field] === undefined) continue;
      report.add(`${path}/${field}`, 'contradiction', `has no effect on a step with ${kind.called}: ${why}`);
    }
  }
}

/** Checks that the steps of a choice exist and wait for it. */
export function reportChoices(outline: Outline, report: Report): void {
  for (const { index, id, source } of outline.steps) {
    const { choice } = source;
    if (!isRecord(choice)) continue;
    const path = `/steps/${index}/choice`;
    const branches = Array.isArray(choice['branches']) ? (choice['branches'] as unknown[]) : [];
    const lists: [place: string, names: unknown][] = [
      ...branches.map((branch, place): [string, unknown] => [
        `${path}/branches/${place}/steps`,
        isRecord(branch) ? branch['steps'] : [],
      ]),
      [`${path}/default`, choice['default']],
    ];
    for (const [place, names] of lists) {
      for (const [at, name] of (Array.isArray(names) ? (names as unknown[]) : []).entries()) {
        if (typeof name === 'string') reportChosen({ outline, choice: id ?? '', name, path: `${place}/${at}` }, report);
      }
    }
  }
}

function reportChosen(use: { outline: Outline; choice: string; name: string; path: string }, report: Report): void {
  const { outline, choice, name, path } = use;
  const target = outline.stepOf.get(name);
  if (target === undefined) {
    const hint = report.suggestions.for(name, outline.stepOf.keys());
    report.add(path, 'unknown_step', `there is no step "${name}"${hint}`);
  } else if (target.isFallback) {
    report.add(path, 'contradiction', `"${name}" is a fallback: it runs when what it serves has failed`);
  } else if (target.group !== undefined) {
    report.add(path, 'contradiction', `"${name}" is in a consensus group, whose members run together`);
  } else if (!target.dependencies.some((dependency) => dependency.name === choice)) {
    report.add(path, 'contradiction', `"${name}" must have "${choice}" among its dependencies, to wait for the choice`);
  }
}

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

export interface ModelUse {
  readonly name: string;
  readonly path: string;
}

/** Models that steps and compensations ask by name, with their places. A name that an expression gives is not known. */
export function modelsOf(outline: Outline): ModelUse[] {
  const uses: ModelUse[] = [];
  const add = (holder: unknown, path: string): void => {
    const name = isRecord(holder) ? textOf(holder, 'model') : undefined;
    if (name !== undefined && TOKEN.test(name)) uses.push({ name, path: `${path}/model` });
  };
  for (const { index, source } of outline.steps) {
    const path = `/steps/${index}`;
    add(source['llm'], `${path}/llm`);
    if (source['agent'] === 'ask_model') add(source['input'], `${path}/input`);
    const { compensate } = source;
    if (isRecord(compensate) && compensate['agent'] === 'ask_model') {
      add(compensate['input'], `${path}/compensate/input`);
    }
  }
  return uses;
}

/** What contradicts itself in a step that asks a model. */
export function reportModels(outline: Outline, report: Report): void {
  for (const { index, source } of outline.steps) {
    const { llm } = source;
    if (!isRecord(llm)) continue;
    const path = `/steps/${index}/llm`;
    const { prompt, messages, tools, tool_choice: choice } = llm;
    if (prompt === undefined && messages === undefined) {
      report.add(`${path}/prompt`, 'required', 'prompt is required, or messages in its place');
    } else if (prompt !== undefined && messages !== undefined) {
      report.add(`${path}/messages`, 'contradiction', 'a conversation begins with prompt or with messages, not both');
    }
    if (llm['max_repairs'] !== undefined && llm['output_schema'] === undefined) {
      report.add(`${path}/max_repairs`, 'contradiction', 'has no effect without output_schema');
    }
    const listed = Array.isArray(tools) ? tools.filter(isRecord) : [];
    const names = listed.map((tool) => textOf(tool, 'name'));
    for (const [place, tool] of listed.entries()) {
      const at = `${path}/tools/${place}`;
      const finishes = tool['finish'] === true;
      if (names.indexOf(names[place]) !== place) report.add(`${at}/name`, 'duplicate_id', 'is the name of two tools');
      if (!finishes && tool['agent'] === undefined && tool['config'] === undefined) {
        report.add(`${at}/agent`, 'required', 'agent is required, or config or finish in its place');
      }
      reportTool(tool, at, report);
      for (const field of [
        'agent',
        'config',
        'timeout_ms',
        'retry',
        'parallel',
        'max_result_bytes',
        'approval',
        'hand_over',
      ]) {
        if (!finishes || tool[field] === undefined) continue;
        report.add(
          `${at}/${field}`,
          'contradiction',
          'has no effect on a tool that finishes the step: nothing is called',
        );
      }
    }
    if (typeof choice === 'string' && !['auto', 'none', 'required'].includes(choice) && !names.includes(choice)) {
      report.add(`${path}/tool_choice`, 'not_allowed', 'must be auto, none, required or the name of a tool');
    }
    if (choice !== undefined && listed.length === 0) {
      report.add(`${path}/tool_choice`, 'contradiction', 'has no effect without tools');
    }
  }
}

/** What contradicts itself in a tool that calls somebody. */
function reportTool(tool: Source, at: string, report: Report): void {
  if (tool['agent'] !== undefined && tool['config'] !== undefined) {
    report.add(`${at}/config`, 'contradiction', 'a tool is an agent or a config, not both');
  }
  if (tool['config'] === undefined && tool['config_version'] !== undefined) {
    report.add(`${at}/config_version`, 'contradiction', 'has no effect without config');
  }
  for (const field of tool['config'] === undefined ? [] : ['timeout_ms', 'retry']) {
    if (tool[field] === undefined) continue;
    report.add(`${at}/${field}`, 'contradiction', 'has no effect on a config: its own settings and steps say it');
  }
  for (const field of tool['hand_over'] === undefined ? [] : ['parallel', 'max_result_bytes']) {
    if (tool[field] === undefined) continue;
    report.add(`${at}/${field}`, 'contradiction', 'has no effect on a tool that hands over: one call ends the step');
  }
  if (isRecord(tool['approval'])) reportApproval(tool['approval'], `${at}/approval`, report);
}

export function reportApprovals(outline: Outline, report: Report): void {
  for (const { index, source } of outline.steps) {
    const { approval } = source;
    if (isRecord(approval)) reportApproval(approval, `/steps/${index}/approval`, report);
  }
}

function reportApproval(approval: Source, path: string, report: Report): void {
  if (approval['on_timeout'] !== undefined && approval['timeout_ms'] === undefined) {
    report.add(`${path}/on_timeout`, 'contradiction', 'has no effect without timeout_ms');
  }
  const approvers = Array.isArray(approval['approvers']) ? (approval['approvers'] as unknown[]) : [];
  for (const [place, approver] of approvers.entries()) {
    if (approvers.indexOf(approver) === place) continue;
    report.add(`${path}/approvers/${place}`, 'duplicate_approver', 'is listed twice');
  }
}

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

/** A place in the config that names an agent. */
export interface AgentUse {
  readonly name: string;
  readonly path: string;
}

export function agentsOf(outline: Outline): AgentUse[] {
  const uses: AgentUse[] = [];
  const use = (source: Source, field: string, path: string): void => {
    const name = textOf(source, field);
    if (name !== undefined) uses.push({ name, path: `${path}/${field}` });
  };
  for (const { index, source } of outline.steps) {
    use(source, 'agent', `/steps/${index}`);
    if (isRecord(source['compensate'])) use(source['compensate'], 'agent', `/steps/${index}/compensate`);
    const tools = isRecord(source['llm']) ? source['llm']['tools'] : undefined;
    for (const [place, tool] of Array.isArray(tools) ? tools.entries() : []) {
      if (isRecord(tool)) use(tool, 'agent', `/steps/${index}/llm/tools/${place}`);
    }
  }
  for (const { index, source } of outline.declaredGroups) use(source, 'judge', `/consensus_groups/${index ?? 0}`);
  return uses;
}

/** The configs that steps start as children. */
export function childConfigsOf(outline: Outline): AgentUse[] {
  return outline.steps.flatMap(({ index, source: { orchestration, llm } }) => {
    const tools = isRecord(llm) && Array.isArray(llm['tools']) ? (llm['tools'] as unknown[]) : [];
    const places: [path: string, source: unknown][] = [
      [`/steps/${index}/orchestration`, orchestration],
      ...tools.map((tool, place): [string, unknown] => [`/steps/${index}/llm/tools/${place}`, tool]),
    ];
    return places.flatMap(([path, source]) => {
      const name = isRecord(source) ? textOf(source, 'config') : undefined;
      return name === undefined ? [] : [{ name, path: `${path}/config` }];
    });
  });
}

/** The JSON Schemas for a model's answers and tool calls. */
export function schemasOf(outline: Outline): { readonly path: string; readonly schema: unknown }[] {
  return outline.steps.flatMap(({ index, source: { llm } }) => {
    if (!isRecord(llm)) return [];
    const path = `/steps/${index}/llm`;
    const tools = Array.isArray(llm['tools']) ? llm['tools'] : [];
    return [
      { path: `${path}/output_schema`, schema: llm['output_schema'] },
      ...tools.filter(isRecord).map((tool, place) => {
        return { path: `${path}/tools/${place}/input_schema`, schema: tool['input_schema'] };
      }),
    ].filter(({ schema }) => isRecord(schema));
  });
}

/** A text that may be evaluated or rendered, with the JSON Pointer of its place in the config. */
export interface TextUse extends MappingText {
  /** Whose expressions it is among: that decides what stands at the root. */
  readonly sees: 'step' | 'call' | 'loop' | 'compensation' | 'member' | 'output';
  /** The step whose dependencies it sees; undefined for what belongs to no step. */
  readonly step: StepOutline | undefined;
}

/** Every expression, Liquid template and other text of a config's mappings. */
export function definitionTexts(outline: Outline): TextUse[] {
  const uses: TextUse[] = [];
  type Where = Pick<TextUse, 'sees' | 'step'>;
  const plain = (source: Source, field: string, path: string, where: Where): void => {
    const value = textOf(source, field);
    if (value === undefined) return;
    uses.push({ path: `${path}/${field}`, kind: 'expression', text: expressionIn(value) ?? value.trim(), ...where });
  };
  const mapping = (source: Source, field: string, path: string, where: Where, agent?: string): void => {
    if (source[field] === undefined) return;
    for (const text of mappingTexts(source[field] as JsonValue, agent)) {
      uses.push({ ...text, path: `${path}/${field}${text.path}`, ...where });
    }
  };
  for (const step of outline.steps) {
    const { index, source } = step;
    const path = `/steps/${index}`;
    const { approval, choice, compensate, llm, repeat, wait } = source;
    mapping(source, 'input', path, { sees: isRecord(repeat) ? 'loop' : 'step', step }, textOf(source, 'agent'));
    plain(source, 'when', path, { sees: 'step', step });
    if (isRecord(repeat)) plain(repeat, 'until', `${path}/repeat`, { sees: 'loop', step });
    const branches = isRecord(choice) && Array.isArray(choice['branches']) ? (choice['branches'] as unknown[]) : [];
    for (const [place, branch] of branches.entries()) {
      if (isRecord(branch)) plain(branch, 'when', `${path}/choice/branches/${place}`, { sees: 'step', step });
    }
    for (const field of isRecord(llm) ? ['system', 'prompt', 'messages'] : []) {
      mapping(llm as Source, field, `${path}/llm`, { sees: 'step', step });
    }
    const tools = isRecord(llm) && Array.isArray(llm['tools']) ? (llm['tools'] as unknown[]) : [];
    for (const [place, tool] of tools.entries()) {
      if (!isRecord(tool) || !isRecord(tool['approval'])) continue;
      plain(tool['approval'], 'when', `${path}/llm/tools/${place}/approval`, { sees: 'call', step });
    }
    if (isRecord(wait)) mapping(wait, 'until', `${path}/wait`, { sees: 'step', step });
    if (isRecord(approval)) mapping(approval, 'message', `${path}/approval`, { sees: 'step', step });
    if (isRecord(compensate)) {
      const where: Where = { sees: 'compensation', step };
      mapping(compensate, 'input', `${path}/compensate`, where, textOf(compensate, 'agent'));
    }
  }
  for (const { index, source } of outline.declaredGroups) {
    for (const field of ['vote_key', 'score']) {
      plain(source, field, `/consensus_groups/${index ?? 0}`, { sees: 'member', step: undefined });
    }
  }
  mapping(outline.source, 'output', '', { sees: 'output', step: undefined });
  return uses;
}
