import { FAILURE_CODES } from '@batuta/contracts';
import type { Task } from '@batuta/contracts';
import { SecretMissingError } from '@batuta/control';
import type { SecretSource } from '@batuta/control';
import { counter, distributions, gauge, hideEverywhere, tallies } from '@batuta/observability';
import type { Tracing } from '@batuta/observability';
import { TerminalError } from '@batuta/worker';
import type { Meter, PlatformPorts, ResolvedInput, UsedSecrets } from '@batuta/worker';
import { beginCall } from './outbound-call.js';
import { inputWithSecrets, secretsOfTask } from './secrets.js';

/** Agents may fail with their own codes. Only the platform's codes are distinguished. */
const OUTCOMES: ReadonlySet<string> = new Set([...Object.values(FAILURE_CODES), 'output', 'unwanted', 'handed_back']);
const attemptsTotal = tallies(
  'batuta_step_runner_attempts_total',
  'Attempts by how they ended',
  ['agent', 'outcome'],
  1_000,
);
const attemptSeconds = distributions('batuta_step_runner_attempt_seconds', 'Time of agents, from start to end', [
  'agent',
]);
const runningGauge = gauge('batuta_step_runner_running_attempts', 'Attempts that run now');
const repeatsTotal = counter('batuta_step_runner_result_repeats_total', 'Result requests that were sent again');
const abandonedGauge = gauge(
  'batuta_step_runner_abandoned_agents',
  'Agents that ignore their abort signal and still run after their attempt ended',
);

const meter: Meter = {
  ended(agent, outcome, seconds) {
    attemptsTotal(agent, OUTCOMES.has(outcome) ? outcome : FAILURE_CODES.agentError).inc();
    if (seconds !== undefined) attemptSeconds(agent).observe(seconds);
  },
  running: (change) => runningGauge.inc(change),
  repeated: () => repeatsTotal.inc(),
  abandoned: (change) => abandonedGauge.inc(change),
};

/** What the platform's own runner has in addition to any worker: metrics, traces of its agents' calls, and secrets. */
export function platformPorts({ secrets, tracing }: { secrets: SecretSource; tracing: Tracing }): PlatformPorts {
  return {
    meter,
    useSecrets: (task, names, signal) => useSecrets(secrets, task, names, signal),
    resolveSecrets: (task, signal) => resolveSecrets(secrets, task, signal),
    beginCall: ({ executionId, stepId, attempt, traceparent = '' }, name, attributes) =>
      beginCall(tracing, traceparent, name, {
        'batuta.execution.id': executionId,
        'batuta.step.id': stepId,
        'batuta.attempt': attempt,
        ...attributes,
      }),
  };
}

async function resolveSecrets(source: SecretSource, task: Task, signal: AbortSignal): Promise<ResolvedInput> {
  const { values, ...used } = await useSecrets(source, task, secretsOfTask(task), signal);
  return { ...used, input: inputWithSecrets(task, values) };
}

async function useSecrets(
  source: SecretSource,
  { tenantId, executionId, stepId, agent }: Task,
  names: readonly string[],
  signal: AbortSignal,
): Promise<UsedSecrets> {
  try {
    const { values, hidden } = await source.resolve({ tenantId, executionId, stepId, agent }, names, signal);
    return { values, hidden, release: hideEverywhere(values.values()) };
  } catch (error) {
    if (!(error instanceof SecretMissingError)) throw error;
    const details = { secrets: [...error.names] };
    throw new TerminalError(FAILURE_CODES.secretMissing, error.message, { details, cause: error });
  }
}
