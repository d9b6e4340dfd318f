import type { Event, ExecutionView, Failure, OrchestrationDefinition, Step } from '@batuta/client';
import { CliError } from '../api-client.js';
import type { Stage } from './demonstration.js';

/**
 * Runs a config and shows its events as they happen. Resolves with the execution.
 * @throws CliError when it does not complete.
 */
export async function showExecution(
  { client, out }: Stage,
  config: OrchestrationDefinition,
  input: Record<string, unknown>,
): Promise<ExecutionView> {
  const { execution_id: executionId } = await client.executions.start(config.name, { input });
  out(`Execution ${executionId}`);
  const line = progressLines(config.steps);
  for await (const event of client.executions.follow(executionId)) {
    const text = line(event);
    if (text !== undefined) out(text);
  }
  const execution = await client.executions.get(executionId);
  if (execution.status !== 'completed') {
    const { code, message } = execution.failure ?? { code: execution.status, message: 'no reason was recorded' };
    throw new CliError(`The execution ended as ${execution.status} (${code}): ${message}`);
  }
  return execution;
}

/** Shows a text between two lines, the time of each step, and how to read the events. */
export function showReport({ out }: Stage, report: string, execution: ExecutionView): void {
  out();
  const rule = '─'.repeat(Math.min(100, process.stdout.columns || 100));
  out(rule);
  out(report.trim());
  out(rule);
  out();
  for (const step of execution.steps) {
    const notes = [
      ...(step.llm != null ? [`${step.llm.turns} turn${step.llm.turns === 1 ? '' : 's'}`] : []),
      ...(step.llm == null && step.attempt > 1 ? [`${step.attempt} attempts`] : []),
      ...spent(step),
    ];
    out(`  ${lineOf(step.step_name, step.status, step.latency_ms)}${noted(notes)}`);
  }
  const { status, total_latency_ms: took } = execution;
  out(`  ${lineOf('Whole execution', status, took)}${noted(spent(execution))}`);
  out();
  out(`Its events, while a platform runs here (npm start):`);
  out('  eval "$(npm run -s batuta env)"');
  const path = `api/v1/orchestrations/executions/${execution.id}/events`;
  out(`  curl -sS -H "Authorization: Bearer $BATUTA_API_KEY" "$BATUTA_URL/${path}"`);
}

const lineOf = (name: string, status: string, took: number | null | undefined): string =>
  `${name.padEnd(24)} ${status.padEnd(10)} ${milliseconds(took)}`;

const noted = (notes: readonly string[]): string => (notes.length === 0 ? '' : ` (${notes.join(', ')})`);

/** Tokens and cost, if there are any. */
function spent(what: {
  token_count?: number | null | undefined;
  estimated_cost?: number | null | undefined;
}): string[] {
  const { token_count: tokens, estimated_cost: cost } = what;
  return [
    ...(tokens == null || tokens === 0 ? [] : [`${tokens} tokens`]),
    ...(cost == null || cost === 0 ? [] : [`$${cost.toFixed(4)}`]),
  ];
}

function progressLines(steps: readonly Step[]): (event: Event) => string | undefined {
  const names = new Map(steps.map((step) => [step.id, step]));
  let firstAt: number | undefined;
  return (event) => {
    const at = Date.parse(event.at);
    firstAt ??= at;
    const clock = `  ${String(at - firstAt).padStart(6)} ms `;
    const nameOf = (id: string): string => {
      const [step = '', tool] = id.split(':');
      return (names.get(id)?.name ?? (tool === undefined ? step : `  ${tool}`)).padEnd(24);
    };
    switch (event.type) {
      case 'StepScheduled': {
        const { step_id: id, attempt } = event.data;
        const step = names.get(id);
        // Each turn of a conversation is an attempt. The content of its answer is shown.
        if (step?.llm != null) return attempt === 1 ? `${clock} ▶ ${nameOf(id)} ${step.llm.model}` : undefined;
        return `${clock} ▶ ${nameOf(id)} ${step?.agent ?? ''}${attempt === 1 ? '' : ` (attempt ${attempt})`}`.trimEnd();
      }
      case 'ModelAnswered': {
        const { step_id: id, turn, tool_calls: calls = [], next } = event.data;
        if (next === 'end') return undefined;
        const what = calls.length === 0 ? 'is asked again' : `calls ${calls.map(({ name }) => name).join(', ')}`;
        return `${clock} ◆ ${nameOf(id)} turn ${turn}: ${what}`;
      }
      case 'StepCompleted': {
        const { step_id: id, started_at: started, finished_at: finished } = event.data;
        return `${clock} ✔ ${nameOf(id)} ${milliseconds(Date.parse(finished ?? '') - Date.parse(started ?? ''))}`;
      }
      case 'StepAttemptFailed':
        return `${clock} ↻ ${nameOf(event.data.step_id)} ${failureOf(event.data.failure)}`;
      case 'StepFailed':
        return `${clock} ✘ ${nameOf(event.data.step_id)} ${failureOf(event.data.failure)}`;
      case 'StepSkipped':
        return `${clock} ⤼ ${nameOf(event.data.step_id)} ${event.data.reason}`;
      case 'ExecutionStarted':
      case 'ExecutionCompleted':
      case 'ExecutionFailed':
      case 'ExecutionCancelled':
        return `${clock} ● ${event.type.replace('Execution', 'execution ').toLowerCase()}`;
      default:
        return undefined;
    }
  };
}

const failureOf = ({ code, message }: Failure): string => `${code}: ${message}`;

function milliseconds(value: number | null | undefined): string {
  return value === null || value === undefined || Number.isNaN(value) ? '–' : `${Math.round(value)} ms`;
}
