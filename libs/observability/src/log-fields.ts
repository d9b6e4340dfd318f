/**
 * Fields that log lines may have. Any other field is left out, and its name is listed in `dropped_fields`. This list
 * decides what a line contains, so that no payload gets into the logs by accident. Add names of things, counts and
 * codes, but never content.
 */
const ALLOWED: ReadonlySet<string> = new Set([
  // The subject of the line.
  'trace_id',
  'execution_id',
  'step_id',
  'attempt',
  'agent',
  'command',
  'command_id',
  'partition',
  'epoch',
  'pool',
  'priority',
  'delivery_id',
  'deliveries',
  'callback_id',
  'channel',
  'channels',
  'config_id',
  'tenant_id',
  'worker_id',
  // The outcome.
  'err',
  'error',
  'code',
  'reason',
  'status',
  'outcome',
  'result',
  'cause',
  'signal',
  'level',
  'context',
  // The place.
  'service',
  'services',
  'server',
  'servers',
  'host',
  'port',
  'ops_port',
  'method',
  'path',
  'route',
  'file',
  'subject',
  'target',
  'stream',
  'consumer',
  'queue',
  'variable',
  'name',
  'identity',
  'kind',
  'type',
  'description',
  'different',
  'pid',
  // Amounts.
  'ms',
  'restart_in_ms',
  'count',
  'lag',
  'spans',
  'waiting',
  'slots',
  'pools',
  'partitions',
  'of',
  'before',
  'results',
  'executions',
  'step_runs',
  'dropped_fields',
]);

/** Older names of the same fields. */
const RENAMED: Readonly<Record<string, string>> = {
  execution: 'execution_id',
  executionId: 'execution_id',
  step: 'step_id',
  stepId: 'step_id',
  traceId: 'trace_id',
  tenantId: 'tenant_id',
  stepRuns: 'step_runs',
};

const LONGEST_TEXT = 500;

function bounded(value: unknown): unknown {
  if (typeof value === 'string') return value.length > LONGEST_TEXT ? `${value.slice(0, LONGEST_TEXT)}…` : value;
  if (Array.isArray(value)) return value.slice(0, 100).map((item) => (typeof item === 'object' ? '…' : bounded(item)));
  return value;
}

/**
 * The fields of a log line that may be written. Objects are left out too, except errors, which have a serialiser of
 * their own.
 */
export function allowedFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  const dropped: string[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const field = Object.hasOwn(RENAMED, name) ? (RENAMED[name] as string) : name;
    if (field === 'err' || field === 'error') {
      kept[field] = value;
    } else if (!ALLOWED.has(field) || (typeof value === 'object' && value !== null && !Array.isArray(value))) {
      dropped.push(name.slice(0, 64));
    } else {
      kept[field] = bounded(value);
    }
  }
  if (dropped.length > 0) kept['dropped_fields'] = dropped.slice(0, 20);
  return kept;
}
