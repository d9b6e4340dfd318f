import type { BatutaClient, Event, ExecutionView } from '@batuta/client';
import { terminalLine } from './terminal-text.js';

/** Fields of events that say what happened, in the order in which they are shown. Their values are short, or texts. */
const FIELDS = [
  'attempt',
  'turn',
  'config_name',
  'child_id',
  'status',
  'name',
  'chosen',
  'approved',
  'timed_out',
  'by',
  'progress',
  'total',
  'resource',
  'limit',
  'spent',
  'until_at',
  'deadline_at',
  'retry_at',
  'handling',
  'fallback_step_id',
  'reason',
  'message',
  'comment',
] as const;

/** An event as one line: when, what, which step, and what is known about it. */
export function eventLine({ at, type, data }: Event): string {
  const known = data as Readonly<Record<string, unknown>>;
  const failure = known['failure'] as { readonly code: string; readonly message: string } | undefined;
  const facts = FIELDS.flatMap((field) => {
    const value = known[field];
    const shown = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
    return shown && value !== '' ? [`${field}: ${terminalLine(String(value))}`] : [];
  });
  if (failure != null) facts.push(terminalLine(`${failure.code}: ${failure.message}`));
  const step = known['step_id'];
  return [at, type, ...(typeof step === 'string' ? [terminalLine(step)] : []), facts.join(', ')].join('  ').trimEnd();
}

interface Watching {
  readonly show: (event: Event) => void;
  /** Called when the connection broke, before it is made again. */
  readonly onBreak: () => void;
}

/** Shows the events of an execution until its end. Resolves with the execution. */
export async function watchEvents(client: BatutaClient, id: string, watching: Watching): Promise<ExecutionView> {
  const { show, onBreak } = watching;
  for await (const event of client.executions.follow(id, { onBreak })) show(event);
  return await client.executions.get(id);
}
