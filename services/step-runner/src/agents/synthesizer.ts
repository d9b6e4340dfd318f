import type { JsonObject, JsonValue } from '@batuta/contracts';
import { Liquid } from 'liquidjs';
import { TerminalError } from './agent.js';
import type { Agent } from './agent.js';
import { Parameters } from './parameters.js';
import { INCIDENT_REPORT } from './report-template.js';

const LONGEST_TEMPLATE = 100_000;
/** Rendering keeps the event loop; a template that needs longer is refused. */
const RENDER_MS = 500;
/** liquidjs counts characters and elements that a template makes. */
const MEMORY_UNITS = 5_000_000;
const MOST_FINDINGS = 50;

/** Parameters of the agent itself: no output of a step. */
const OWN = new Set(['template', 'title']);

const liquid = new Liquid({
  strictFilters: true,
  ownPropertyOnly: true,
  parseLimit: LONGEST_TEMPLATE,
  renderLimit: RENDER_MS,
  memoryLimit: MEMORY_UNITS,
  // Partials come from this empty map: a template reads no file.
  templates: {},
});
/** A value inside one line of a Markdown table or list. */
liquid.registerFilter('cell', (value: unknown) => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value ?? '') ?? '');
  return text.replace(/\s+/g, ' ').replaceAll('|', '\\|');
});

interface Section {
  readonly name: string;
  readonly title: string;
  readonly kind: 'status' | 'logs' | 'knowledge' | 'other';
  readonly data: JsonValue;
}

/**
 * Puts the outputs of the steps before it together: `report` is Markdown from `template` (Liquid; a report of an incident
 * unless given), `summary` is the same for machines: status, findings, counts, sources, missing.
 */
export const synthesizerAgent: Agent = {
  name: 'synthesizer',
  version: '1',
  async run(input, { executionName }) {
    const parameters = new Parameters(input);
    const template = parameters.text('template', { maxLength: LONGEST_TEMPLATE }) ?? INCIDENT_REPORT;
    const title = parameters.text('title', { maxLength: 500 }) ?? (executionName === '' ? 'Report' : executionName);
    const inputs = typeof input === 'object' && input !== null && !Array.isArray(input) ? input : { input };
    const sections = sectionsOf(inputs);
    const summary = summaryOf(inputs, sections);
    const report = await rendered(template, { ...inputs, title, inputs, sections, summary });
    return { report: report.replace(/\n{3,}/g, '\n\n').trim(), summary };
  },
};

async function rendered(template: string, scope: object): Promise<string> {
  try {
    return (await liquid.parseAndRender(template, scope)) as string;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (/limit exceeded/i.test(message)) {
      throw new TerminalError(
        'template_limit',
        `The template needs more than it may: ${LONGEST_TEMPLATE} characters, ${RENDER_MS} ms, ${MEMORY_UNITS} units of memory (${message}).`,
      );
    }
    throw new TerminalError('template_invalid', `The template cannot be rendered: ${message}.`);
  }
}

function sectionsOf(inputs: JsonObject): Section[] {
  return Object.entries(inputs)
    .filter(([name, value]) => !OWN.has(name) && typeof value === 'object' && value !== null)
    .map(([name, data]) => ({ name, title: titleOf(name), kind: kindOf(data as JsonValue), data: data as JsonValue }));
}

function titleOf(name: string): string {
  const words = name.replace(/[_-]+/g, ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function kindOf(data: JsonValue): Section['kind'] {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return 'other';
  if (Array.isArray(data['services']) && Array.isArray(data['jobs'])) return 'status';
  if (Array.isArray(data['patterns']) && isObject(data['levels'])) return 'logs';
  return Array.isArray(data['passages']) ? 'knowledge' : 'other';
}

function summaryOf(inputs: JsonObject, sections: readonly Section[]) {
  const findings: string[] = [];
  const counts: Record<string, number> = {};
  const sources = new Map<string, string>();
  let worst = 0;
  const judge = (rank: number): void => {
    worst = Math.max(worst, rank);
  };
  for (const { kind, data } of sections) {
    if (!isObject(data)) continue;
    switch (kind) {
      case 'status':
        statusFindings(data, findings, counts, judge);
        break;
      case 'logs':
        logFindings(data, findings, counts, judge);
        break;
      case 'knowledge': {
        const passages = objectsOf(data['passages']);
        counts['passages'] = (counts['passages'] ?? 0) + passages.length;
        for (const { source, title } of passages) sources.set(textOf(source), textOf(title));
        break;
      }
      case 'other':
        break;
      default:
        kind satisfies never;
    }
  }
  const missing = Object.entries(inputs)
    .filter(([name, value]) => value === null && !OWN.has(name))
    .map(([name]) => name);
  if (missing.length > 0) judge(1);
  return {
    status: STATUSES[worst] ?? 'ok',
    generated_at: new Date().toISOString(),
    findings: findings.slice(0, MOST_FINDINGS),
    counts,
    sources: [...sources].map(([source, title]) => ({ source, title })),
    missing,
  };
}

const STATUSES = ['ok', 'degraded', 'critical'];

function statusFindings(
  data: JsonObject,
  findings: string[],
  counts: Record<string, number>,
  judge: (rank: number) => void,
): void {
  const services = objectsOf(data['services']);
  const jobs = objectsOf(data['jobs']);
  counts['services'] = (counts['services'] ?? 0) + services.length;
  counts['jobs'] = (counts['jobs'] ?? 0) + jobs.length;
  for (const { name, status, code, error } of services) {
    if (status === 'up') continue;
    judge(status === 'down' ? 2 : 1);
    counts[`services_${textOf(status)}`] = (counts[`services_${textOf(status)}`] ?? 0) + 1;
    const reason = typeof error === 'string' ? error : `code ${textOf(code)}`;
    findings.push(`Service ${textOf(name)} is ${textOf(status)} (${reason}).`);
  }
  for (const { name, status, failure } of jobs) {
    if (status !== 'failed' && status !== 'cancelled') continue;
    judge(1);
    const reason = isObject(failure) ? `: ${textOf(failure['message'])}` : '';
    findings.push(`Job ${textOf(name)} is ${status}${reason}.`);
  }
}

function logFindings(
  data: JsonObject,
  findings: string[],
  counts: Record<string, number>,
  judge: (rank: number) => void,
): void {
  const levels = isObject(data['levels']) ? data['levels'] : {};
  const errors = Number(levels['error'] ?? 0) + Number(levels['fatal'] ?? 0);
  counts['log_lines'] = (counts['log_lines'] ?? 0) + Number(data['lines'] ?? 0);
  counts['log_errors'] = (counts['log_errors'] ?? 0) + errors;
  counts['log_warnings'] = (counts['log_warnings'] ?? 0) + Number(levels['warn'] ?? 0);
  if (Number(levels['fatal'] ?? 0) > 0) judge(2);
  if (errors > 0) {
    judge(1);
    findings.push(`The log has ${errors} errors in ${textOf(data['lines'])} lines.`);
    for (const { level, pattern, count } of objectsOf(data['patterns'])) {
      if (level !== 'error' && level !== 'fatal') continue;
      findings.push(`${textOf(count)} × ${textOf(level)}: ${textOf(pattern).slice(0, 300)}`);
      if (findings.length >= MOST_FINDINGS) return;
    }
  }
  const rate = data['rate'];
  for (const { from, lines, times_the_median } of isObject(rate) ? objectsOf(rate['spikes']) : []) {
    findings.push(`Spike at ${textOf(from)}: ${textOf(lines)} lines, ${textOf(times_the_median)} times the median.`);
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function objectsOf(value: JsonValue | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}
