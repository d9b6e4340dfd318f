import { BUILT_IN_AGENTS, LIMITS } from '@batuta/contracts';
import type { OrchestrationDefinition, Violation } from '@batuta/contracts';
import { Report, guardJson, isRecord } from '@batuta/documents';
import { definitionShape } from './definition-shape.js';
import { FallbackForest } from './fallback-forest.js';
import { flatForm } from './flat-form.js';
import { reportCycles, reportFallbackCycles } from './graph.js';
import { expressionMistake, mixedText } from './mixed-text.js';
import { itemStepsOf } from './item-steps.js';
import type { ItemStepOutline } from './item-steps.js';
import { outlineOf } from './outline.js';
import type { Outline } from './outline.js';
import { reportRoutes } from './rules/routes.js';
import { reportSecrets } from './secret-references.js';
import type { ValidationPorts } from './validation-ports.js';
import { reportRetries, reportTimes, reportWithoutEffect } from './without-effect.js';
import { ReferenceCheck } from './references.js';
import { agentsOf, childConfigsOf, definitionTexts, modelsOf, schemasOf } from './rules.js';
import type { AgentUse, ModelUse } from './rules.js';
import { reportApprovals } from './rules/approvals.js';
import { reportChoices } from './rules/choices.js';
import { reportFallbacks } from './rules/fallbacks.js';
import { reportGroups } from './rules/groups.js';
import { reportKinds } from './rules/kinds.js';
import { reportGlobal, reportLimits, reportLongSteps } from './rules/limits.js';
import { reportModels } from './rules/models.js';
import { reportOutputKeys } from './rules/output-keys.js';
import { reportRepeats } from './rules/repeats.js';
import { reportSignals } from './rules/signals.js';
import { reportDependencies, reportDuplicateIds, reportOrder } from './rules/steps.js';

export type { ValidationPorts } from './validation-ports.js';

export type DefinitionValidation =
  | {
      readonly ok: true;
      readonly definition: OrchestrationDefinition;
      /** Agents of the registry that it uses, without repeats, sorted. */
      readonly agents: readonly string[];
    }
  | {
      readonly ok: false;
      readonly violations: readonly Violation[];
      /** The number of mistakes. It may exceed the number of `violations`. */
      readonly total: number;
    };

const BUILT_IN: ReadonlySet<string> = new Set(BUILT_IN_AGENTS);

/** Names of agents that are not built in, without repeats, sorted. */
function registryNames(uses: readonly AgentUse[]): string[] {
  return [...new Set(uses.map(({ name }) => name))].filter((name) => !BUILT_IN.has(name)).toSorted();
}

async function reportAgents(
  uses: readonly AgentUse[],
  isGlobal: boolean,
  ports: ValidationPorts,
  report: Report,
): Promise<void> {
  const names = registryNames(uses);
  const known = names.length === 0 ? new Set<string>() : await ports.registeredAgents(names);
  const isMissing = (name: string): boolean => !BUILT_IN.has(name) && !known.has(name);
  const all = names.some(isMissing) ? [...BUILT_IN, ...(await ports.agentNames())] : [];
  for (const { name, path } of uses) {
    if (BUILT_IN.has(name)) continue;
    if (isMissing(name)) {
      const hint = report.suggestions.for(name, all) || `; register it with PUT /api/v1/agents/${name}`;
      report.add(path, 'unknown_agent', `there is no agent "${name}"${hint}`);
    } else if (isGlobal) {
      report.add(
        path,
        'agent_not_global',
        `"${name}" is an agent of your tenant only; a global config may use built-in agents`,
      );
    }
  }
}

/** Configs that steps start must exist already, except the config itself, which is being saved. */
async function reportChildren(
  document: Readonly<Record<string, unknown>>,
  uses: readonly AgentUse[],
  ports: ValidationPorts,
  report: Report,
): Promise<void> {
  const others = uses.filter(({ name }) => name !== document['name']);
  if (others.length === 0) return;
  const known = await ports.knownConfigs([...new Set(others.map(({ name }) => name))]);
  const all = others.every(({ name }) => known.has(name)) ? [] : await ports.configNames();
  for (const { name, path } of others) {
    const found = known.get(name);
    if (found === undefined) {
      report.add(path, 'unknown_config', `there is no config "${name}"${report.suggestions.for(name, all)}`);
    } else if (!found.isGlobal && document['is_global'] === true) {
      report.add(
        path,
        'config_not_global',
        `"${name}" is a config of your tenant only; a global config may start global ones`,
      );
    }
  }
}

/**
 * Models that steps ask by name must exist. Those of a global config are the models of whoever runs it, which nobody
 * knows here.
 */
async function reportUnknownModels(
  document: Readonly<Record<string, unknown>>,
  uses: readonly ModelUse[],
  ports: ValidationPorts,
  report: Report,
): Promise<void> {
  if (uses.length === 0 || document['is_global'] === true) return;
  const all = await ports.modelNames();
  for (const { name, path } of uses) {
    if (all.includes(name)) continue;
    const hint = report.suggestions.for(name, all) || `; an admin makes it with PUT /api/v1/models/${name}`;
    report.add(path, 'unknown_model', `there is no model "${name}"${hint}`);
  }
}

/** Reports expressions and templates of a config that cannot be parsed, and names that can never have a value. */
async function reportTexts(
  outline: Outline,
  ports: ValidationPorts,
  report: Report,
  /** The outline with the steps that the texts may refer to. */
  whole = outline,
): Promise<void> {
  const ofItem = whole !== outline;
  const texts = definitionTexts(outline).map((text) => ({ ...text, ofItem }));
  const references = new ReferenceCheck(whole, report);
  const expressions = texts.filter(({ kind }) => kind === 'expression');
  for (const [index, reading] of (await ports.parseExpressions(expressions.map(({ text }) => text))).entries()) {
    const use = expressions[index];
    if (use === undefined) continue;
    if (reading.ok) references.check(use, reading);
    else report.add(use.path, 'bad_expression', expressionMistake(use.text, reading.failure));
  }
  const templates = texts.filter(({ kind }) => kind === 'template');
  for (const [index, failure] of (await ports.parseTemplates(templates.map(({ text }) => text))).entries()) {
    if (failure !== undefined) report.add(templates[index]?.path ?? '', 'bad_template', failure.message);
  }
  for (const { kind, path, text } of texts) {
    const mistake = kind === 'plain' ? mixedText(text) : undefined;
    if (mistake !== undefined) report.add(path, 'bad_expression', mistake);
    if (kind === 'key') report.add(path, 'bad_expression', 'names of fields are not evaluated, only their values');
  }
}

/** Reports mistakes in the JSON Schemas for data that people and other systems send to steps. */
async function reportSchemas(outline: Outline, ports: ValidationPorts, report: Report): Promise<void> {
  for (const { index, source } of outline.steps) {
    for (const kind of ['approval', 'signal']) {
      const schema = isRecord(source[kind]) ? source[kind]['schema'] : undefined;
      if (schema === undefined) continue;
      for (const { path, code, message } of await ports.checkSchema(schema)) {
        report.add(`/steps/${index}/${kind}/schema${path}`, code, message);
      }
    }
  }
}

/** The rules between the fields of a step, for the step that a map makes for each item. */
function reportItemStep({ outline, pathOf }: ItemStepOutline, ports: ValidationPorts, report: Report): void {
  const part = report.within(pathOf);
  reportLimits(outline, part);
  reportKinds(outline, part);
  if (ports.longestStepMs !== undefined) reportLongSteps(outline, ports.longestStepMs, part);
  reportModels(outline, part);
  reportRetries(outline, part);
  reportTimes(outline, part);
}

/** Removes `$schema`, which only editors use. */
function withoutSchema(document: unknown): unknown {
  if (!isRecord(document)) return document;
  const { $schema: _place, ...config } = document;
  return config;
}

/**
 * Checks a document that a user sent as an orchestration config. Reports every mistake at once, each with the JSON
 * Pointer of its place. O(size of the document). It never throws for any JSON, but rejects when a port does.
 */
export async function validateDefinition(sent: unknown, ports: ValidationPorts): Promise<DefinitionValidation> {
  const { document: flat, pathOf, mistakes } = flatForm(sent);
  const report = new Report(pathOf, mistakes);
  guardJson(flat, report);
  definitionShape(flat, '', report);
  const document = withoutSchema(definitionShape.withoutNulls(flat));
  if (!isRecord(document) || report.violations.some(({ code }) => code === 'too_deep')) {
    return { ok: false, violations: report.violations, total: report.total };
  }
  const outline = outlineOf(document, LIMITS.steps);
  const forest = new FallbackForest(outline);
  reportDuplicateIds(outline, report);
  reportDependencies(outline, forest, report);
  reportFallbacks(outline, report);
  reportFallbackCycles(outline, report);
  reportCycles(outline, forest, report);
  reportOrder(outline, forest, report);
  reportOutputKeys(outline, report);
  reportLimits(outline, report);
  reportKinds(outline, report);
  if (ports.longestStepMs !== undefined) reportLongSteps(outline, ports.longestStepMs, report);
  reportApprovals(outline, report);
  reportSignals(outline, report);
  reportChoices(outline, report);
  reportModels(outline, report);
  reportRoutes(outline, report);
  reportRepeats(outline, report);
  reportGlobal(document, report);
  reportGroups(outline, report);
  reportWithoutEffect(outline, forest, report);
  const items = itemStepsOf(outline);
  for (const item of items) reportItemStep(item, ports, report);
  const everywhere = <Use extends { readonly path: string }>(usesIn: (of: Outline) => readonly Use[]): Use[] => [
    ...usesIn(outline),
    ...items.flatMap((item) => usesIn(item.outline).map((use) => ({ ...use, path: item.pathOf(use.path) }))),
  ];
  const uses = everywhere(agentsOf);
  await reportAgents(uses, document['is_global'] === true, ports, report);
  await reportChildren(document, everywhere(childConfigsOf), ports, report);
  await reportUnknownModels(document, everywhere(modelsOf), ports, report);
  await reportSecrets(document, ports, report);
  if (document['input_schema'] !== undefined) {
    for (const { path, code, message } of await ports.checkSchema(document['input_schema'])) {
      report.add(`/input_schema${path}`, code, message);
    }
  }
  await reportSchemas(outline, ports, report);
  for (const { path, schema } of everywhere(schemasOf)) {
    for (const mistake of await ports.checkSchema(schema)) {
      report.add(`${path}${mistake.path}`, mistake.code, mistake.message);
    }
  }
  await reportTexts(outline, ports, report);
  for (const item of items) await reportTexts(item.outline, ports, report.within(item.pathOf), outline);
  if (report.total > 0) return { ok: false, violations: report.violations, total: report.total };
  // The schema has checked every field, so the document has this type.
  return { ok: true, definition: document as unknown as OrchestrationDefinition, agents: registryNames(uses) };
}
