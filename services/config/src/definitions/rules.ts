import { KIND_FIELDS, KIND_NAMES, TOKEN, expressionIn, mappingTexts } from '@batuta/contracts';
import type { JsonValue, MappingText } from '@batuta/contracts';
import { isRecord } from '@batuta/documents';
import { textOf } from './outline.js';
import type { Outline, StepOutline } from './outline.js';
import { candidatesOf } from './rules/routes.js';

type Source = Readonly<Record<string, unknown>>;

export interface ModelUse {
  readonly name: string;
  readonly path: string;
}

/** Models that steps and compensations ask by name, with their places. A name that an expression gives is not known. */
export function modelsOf(outline: Outline): ModelUse[] {
  const uses: ModelUse[] = [];
  const add = (holder: unknown, path: string, field = 'model'): void => {
    const name = isRecord(holder) ? textOf(holder, field) : undefined;
    if (name !== undefined && TOKEN.test(name)) uses.push({ name, path: `${path}/${field}` });
  };
  for (const { index, source } of outline.steps) {
    const path = `/steps/${index}`;
    add(source['llm'], `${path}/llm`);
    add(source['route'], `${path}/route`);
    add(source['route'], `${path}/route`, 'embedding_model');
    if (source['agent'] === 'ask_model') add(source['input'], `${path}/input`);
    const { compensate } = source;
    if (isRecord(compensate) && compensate['agent'] === 'ask_model') {
      add(compensate['input'], `${path}/compensate/input`);
    }
  }
  return uses;
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
    for (const { path, candidate } of candidatesOf(source, index)) use(candidate, 'agent', path);
  }
  for (const { index, source } of outline.declaredGroups) use(source, 'judge', `/consensus_groups/${index ?? 0}`);
  return uses;
}

/** The configs that steps start as children. */
export function childConfigsOf(outline: Outline): AgentUse[] {
  return outline.steps.flatMap(({ index, source }) => {
    const { orchestration, llm } = source;
    const tools = isRecord(llm) && Array.isArray(llm['tools']) ? (llm['tools'] as unknown[]) : [];
    const places: [path: string, source: unknown][] = [
      [`/steps/${index}/orchestration`, orchestration],
      ...tools.map((tool, place): [string, unknown] => [`/steps/${index}/llm/tools/${place}`, tool]),
      ...candidatesOf(source, index).map(({ path, candidate }): [string, unknown] => [path, candidate]),
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
  readonly sees: 'step' | 'call' | 'loop' | 'compensation' | 'member' | 'output' | 'key';
  /** It belongs to the step of an item. */
  readonly ofItem?: boolean;
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
    const { choice, compensate, llm, repeat } = source;
    // The mapping of a repeated step is evaluated for each iteration.
    const where: Where = { sees: isRecord(repeat) ? 'loop' : 'step', step };
    mapping(source, 'input', path, where, textOf(source, 'agent'));
    plain(source, 'when', path, { sees: 'step', step });
    if (isRecord(repeat)) plain(repeat, 'until', `${path}/repeat`, { sees: 'loop', step });
    const branches = isRecord(choice) && Array.isArray(choice['branches']) ? (choice['branches'] as unknown[]) : [];
    for (const [place, branch] of branches.entries()) {
      if (isRecord(branch)) plain(branch, 'when', `${path}/choice/branches/${place}`, { sees: 'step', step });
    }
    for (const kind of KIND_NAMES) {
      const own = source[kind];
      for (const field of isRecord(own) ? KIND_FIELDS[kind].mappings : []) {
        mapping(own as Source, field, `${path}/${kind}`, where);
      }
    }
    const tools = isRecord(llm) && Array.isArray(llm['tools']) ? (llm['tools'] as unknown[]) : [];
    for (const [place, tool] of tools.entries()) {
      if (!isRecord(tool) || !isRecord(tool['approval'])) continue;
      plain(tool['approval'], 'when', `${path}/llm/tools/${place}/approval`, { sees: 'call', step });
    }
    for (const { path: at, candidate } of candidatesOf(source, index)) plain(candidate, 'when', at, where);
    if (isRecord(compensate)) {
      const undoing: Where = { sees: 'compensation', step };
      mapping(compensate, 'input', `${path}/compensate`, undoing, textOf(compensate, 'agent'));
    }
  }
  for (const { index, source } of outline.declaredGroups) {
    for (const field of ['vote_key', 'score']) {
      plain(source, field, `/consensus_groups/${index ?? 0}`, { sees: 'member', step: undefined });
    }
  }
  const { settings } = outline.source;
  const concurrency = isRecord(settings) ? settings['concurrency'] : undefined;
  if (isRecord(concurrency)) {
    mapping(concurrency, 'key', '/settings/concurrency', { sees: 'key', step: undefined });
  }
  mapping(outline.source, 'output', '', { sees: 'output', step: undefined });
  return uses;
}
