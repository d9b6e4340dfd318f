import type { JsonObject, JsonValue } from '@batuta/contracts';
import { SandboxBusyError } from '@batuta/sandbox';
import type { Sandbox } from '@batuta/sandbox';
import { defineAgent, RetryableError, TerminalError } from '@batuta/worker';
import { isDeepStrictEqual } from 'node:util';
import type { Agent } from '@batuta/worker';
import { INCIDENT_REPORT } from './report-template.js';

const LONGEST_TEMPLATE = 100_000;
/** CPU time limit for rendering a template, in milliseconds. */
const RENDER_MS = 500;
/** Largest report. A step's output also has room for the summary. */
const LONGEST_REPORT = 1024 * 1024;
const MOST_FINDINGS = 50;

/** A one-line text up to this length is shown beside its name, and a longer one below it. */
const SHORT_TEXT = 200;

interface Section {
  readonly name: string;
  readonly title: string;
  readonly kind: 'status' | 'logs' | 'knowledge' | 'text' | 'value' | 'failed' | 'other';
  readonly data: JsonValue;
}

// An object or a list with a parameter's name is a step's output.
const types = ['string', 'object', 'array'] as const;

const input = {
  properties: {
    template: {
      type: types,
      maxLength: LONGEST_TEMPLATE,
      description: 'Liquid over the fields of the input; default: a report of an incident',
    },
    title: { type: types, maxLength: 500, description: 'heads the report; default: the name of the execution' },
  },
} as const;

const output = {
  type: 'object',
  properties: {
    report: { type: 'string', description: 'Markdown' },
    summary: {
      type: 'object',
      description:
        '`status` (`ok`, `degraded` or `critical`), `findings`, `counts`, `sources`, and `missing`: the inputs that were null',
    },
  },
} as const;

export function synthesizerAgent(sandbox: Sandbox): Agent {
  return defineAgent(
    'synthesizer',
    {
      description: 'Puts the outputs of the steps before it together: a report for people and a summary for machines.',
      input,
      output,
    },
    async (parameters, { executionName, tenantId }, whole) => {
      const fields = isObject(whole) ? whole : { input: whole };
      const inputs = inputsOf(fields);
      const template = parameterOf(parameters.template);
      const title = parameterOf(parameters.title) ?? (executionName === '' ? 'Report' : executionName);
      const material = materialOf(inputs);
      const sections = sectionsOf(material);
      const summary = summaryOf(material, sections);
      const own = { title, inputs: fields, sections, summary };
      // A step may have any name. So fields of the input take precedence over those that the agent adds, except in the
      // agent's own report.
      const report = await rendered(
        sandbox,
        tenantId,
        template ?? INCIDENT_REPORT,
        template === undefined ? own : { ...own, ...withoutNull(fields, 'title') },
      );
      return { report: report.replace(/\n{3,}/g, '\n\n').trim(), summary };
    },
  );
}

const parameterOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/**
 * The material of the report: everything except the parameters. An object or a list with a parameter's name is a step's
 * output.
 */
function inputsOf(fields: JsonObject): JsonObject {
  const isParameter = ([name, value]: [string, JsonValue]): boolean =>
    (name === 'template' || name === 'title') && (typeof value !== 'object' || value === null);
  return Object.fromEntries(Object.entries(fields).filter((entry) => !isParameter(entry)));
}

function withoutNull(fields: JsonObject, name: string): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([key, value]) => key !== name || value !== null));
}

async function rendered(sandbox: Sandbox, tenantId: string, template: string, values: object): Promise<string> {
  try {
    const rendering = await sandbox.renderTemplate({
      tenantId,
      template,
      values,
      timeoutMs: RENDER_MS,
      maxCharacters: LONGEST_REPORT,
    });
    if (rendering.ok) return rendering.text;
    const { code, message } = rendering.failure;
    switch (code) {
      case 'time_limit':
      case 'memory_limit':
      case 'result_too_large':
        throw new TerminalError(
          'template_limit',
          `The template needs more than it may: ${LONGEST_TEMPLATE} characters, ${RENDER_MS} ms of CPU time, ${LONGEST_REPORT} characters of report (${message}).`,
        );
      case 'sandbox_failed':
        throw new RetryableError('template_interrupted', `The template was not rendered: ${message}.`);
      case 'syntax_error':
      case 'evaluation_error':
      case 'schema_invalid':
        throw new TerminalError('template_invalid', `The template cannot be rendered: ${message}.`);
      default:
        return code satisfies never;
    }
  } catch (error) {
    if (error instanceof SandboxBusyError) throw new RetryableError('sandbox_busy', error.message, { cause: error });
    throw error;
  }
}

/** Names of earlier steps' outputs with `settings.default_input: merged`. */
const MERGED = /^dep_(?=.)/;

/**
 * The material of the report. With merged inputs a field of a step's output also exists at the top level, and is shown
 * only once.
 */
function materialOf(inputs: JsonObject): JsonObject {
  const outputs = Object.entries(inputs).flatMap(([name, value]) =>
    MERGED.test(name) && isObject(value) ? [value] : [],
  );
  const told = ([name, value]: [string, JsonValue]): boolean =>
    !MERGED.test(name) &&
    outputs.some((output) => Object.hasOwn(output, name) && isDeepStrictEqual(output[name], value));
  return Object.fromEntries(Object.entries(inputs).filter((entry) => !told(entry)));
}

function sectionsOf(material: JsonObject): Section[] {
  return Object.entries(material)
    .filter(([, value]) => value !== null && value !== '')
    .map(([name, data]) => ({ name, title: titleOf(name), kind: kindOf(name, data), data }));
}

function titleOf(name: string): string {
  const words = name.replace(MERGED, '').replace(/[_-]+/g, ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function kindOf(name: string, data: JsonValue): Section['kind'] {
  if (typeof data === 'string') return data.length > SHORT_TEXT || data.trim().includes('\n') ? 'text' : 'value';
  if (typeof data !== 'object') return 'value';
  if (!isObject(data)) return 'other';
  if (MERGED.test(name) && typeof data['error'] === 'string' && Object.keys(data).length === 1) return 'failed';
  if (Array.isArray(data['services']) && Array.isArray(data['jobs'])) return 'status';
  if (Array.isArray(data['patterns']) && isObject(data['levels'])) return 'logs';
  return Array.isArray(data['passages']) ? 'knowledge' : 'other';
}

function summaryOf(material: JsonObject, sections: readonly Section[]) {
  const findings: string[] = [];
  const counts: Record<string, number> = {};
  const sources = new Map<string, string>();
  let worst = 0;
  const judge = (rank: number): void => {
    worst = Math.max(worst, rank);
  };
  for (const { title, kind, data } of sections) {
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
      case 'failed':
        judge(1);
        findings.push(`${title} failed: ${textOf(data['error'])}`);
        break;
      case 'text':
      case 'value':
      case 'other':
        break;
      default:
        kind satisfies never;
    }
  }
  const missing = Object.entries(material)
    .filter(([, value]) => value === null)
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
    findings.push(`The log has ${counted(errors, 'error')} in ${counted(Number(data['lines'] ?? 0), 'line')}.`);
    for (const { level, levels: own, pattern, count } of objectsOf(data['patterns'])) {
      // Lines of one pattern can have several levels. Patterns of another agent may have only one level.
      const counts: JsonObject = isObject(own) ? own : { [textOf(level)]: count ?? 0 };
      const bad = (['fatal', 'error'] as const).filter((one) => Number(counts[one] ?? 0) > 0);
      if (bad.length === 0) continue;
      const found = bad.map((one) => `${textOf(counts[one])} × ${one}`).join(', ');
      const share =
        bad.reduce((sum, one) => sum + Number(counts[one]), 0) < Number(count) ? ` (of ${textOf(count)})` : '';
      findings.push(`${found}${share}: ${textOf(pattern).slice(0, 300)}`);
      if (findings.length >= MOST_FINDINGS) return;
    }
  }
  const rate = data['rate'];
  for (const { from, lines, times_the_median } of isObject(rate) ? objectsOf(rate['spikes']) : []) {
    findings.push(
      `Spike at ${textOf(from)}: ${counted(Number(lines), 'line')}, ${textOf(times_the_median)} times the median.`,
    );
  }
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function objectsOf(value: JsonValue | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}
