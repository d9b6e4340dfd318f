import { isRecord } from '@batuta/documents';
import type { Report } from '@batuta/documents';
import { textOf } from '../outline.js';
import type { Outline } from '../outline.js';
import { reportApproval } from './approvals.js';

type Source = Readonly<Record<string, unknown>>;

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
