import { copyFile, mkdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isProblem } from '@batuta/client';
import type { BatutaClient, Event, Failure, OrchestrationDefinition, Step } from '@batuta/client';
import { DEFAULT_TENANT } from '@batuta/contracts';
import { createLogger } from '@batuta/observability';
import { readRunFile } from '../run-file.js';
import type { RunFile } from '../run-file.js';
import { CliError, clientOf, platformHere } from './api-client.js';
import type { Connection } from './api-client.js';
import { addKnowledge } from './knowledge.js';
import { ROOT, dataDir } from './places.js';
import { startHere } from './start.js';

const EXAMPLE = join(ROOT, 'examples', 'incident');
/**
 * Runs the incident orchestration on the live state of this platform: starts it when none is running here, shows each step
 * as it happens, and prints the report. Stops what it started, also on Ctrl-C.
 * @throws CliError when the execution does not complete.
 */
export async function runDemo(out: (line?: string) => void): Promise<void> {
  const dir = dataDir();
  if (readRunFile(dir) !== undefined) {
    out('Using the platform that is running here.');
    await demonstrate(await platformHere(dir), dir, out);
    return;
  }
  out('Starting PostgreSQL, nats-server and the five services …');
  const startedAt = performance.now();
  const logFile = join(dir, 'logs', 'batuta.log');
  const logger = createLogger({ service: 'batuta', level: 'warn' });
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  const platform = await startHere({ logger, port: 0, logFile });
  try {
    out(`Ready at ${platform.url} after ${Math.round(performance.now() - startedAt)} ms (service logs: ${logFile})`);
    await Promise.race([
      demonstrate(await platformHere(dir), dir, out),
      new Promise<never>((_, reject) => {
        const stop = (): void => reject(new CliError('Interrupted.'));
        interrupted.signal.addEventListener('abort', stop, { once: true });
        if (interrupted.signal.aborted) {
          stop();
        }
      }),
    ]);
  } finally {
    process.removeListener('SIGINT', interrupt);
    process.removeListener('SIGTERM', interrupt);
    await platform.stop();
  }
}

async function demonstrate(connection: Connection, dir: string, out: (line?: string) => void): Promise<void> {
  const client = clientOf(connection);
  let documents = 0;
  await addKnowledge(client, join(EXAMPLE, 'runbooks'), () => (documents += 1));
  const example = JSON.parse(await readFile(join(EXAMPLE, 'orchestration.json'), 'utf8')) as OrchestrationDefinition;
  // The example's own name is left to who follows docs/api.md, which makes a config of it.
  const config = { ...example, name: `${example.name}-demo` };
  await saveConfig(client, config);
  out(
    `Knowledge base: ${documents} runbooks. Config "${config.name}": ${config.steps.length} steps, ${config.strategy}.`,
  );
  out();

  const run = readRunFile(dir);
  const services = Object.entries(run?.services ?? { gateway: connection.url }).map(([name, url]) => ({
    name,
    url: `${url}/health/ready`,
  }));
  const log = await logToAnalyze(dir, run);
  const { execution_id: executionId } = await client.executions.start(config.name, {
    input: {
      title: 'State of this Batuta platform',
      services,
      file: log,
      query: 'service not ready, checkpoints, PostgreSQL restarts or refuses connections',
      limit: 3,
    },
  });
  out(`Execution ${executionId}`);
  const line = progressLines(config.steps);
  for await (const event of client.executions.follow(executionId)) {
    const text = line(event);
    if (text !== undefined) {
      out(text);
    }
  }

  const execution = await client.executions.get(executionId);
  if (execution.status !== 'completed') {
    const { code, message } = execution.failure ?? { code: execution.status, message: 'no reason was recorded' };
    throw new CliError(`The execution ended as ${execution.status} (${code}): ${message}`);
  }
  const report = reportIn(execution.output);
  if (report === undefined) {
    throw new CliError('The execution completed without a report.');
  }
  out();
  const rule = '─'.repeat(Math.min(100, process.stdout.columns ?? 100));
  out(rule);
  out(report.trim());
  out(rule);
  out();
  for (const step of execution.steps) {
    const attempts = step.attempt > 1 ? ` (${step.attempt} attempts)` : '';
    out(`  ${step.step_name.padEnd(24)} ${step.status.padEnd(10)} ${milliseconds(step.latency_ms)}${attempts}`);
  }
  out(`  ${'Whole execution'.padEnd(24)} ${execution.status.padEnd(10)} ${milliseconds(execution.total_latency_ms)}`);
  out();
  out('Its events, while a platform runs here (npm start):');
  out('  eval "$(npm run -s batuta env)"');
  out(
    `  curl -sS -H "Authorization: Bearer $BATUTA_API_KEY" "$BATUTA_URL/api/v1/orchestrations/executions/${executionId}/events"`,
  );
}

/** The text that the execution is for. */
function reportIn(output: unknown): string | undefined {
  if (typeof output !== 'object' || output === null || !('report' in output)) return undefined;
  return typeof output.report === 'string' ? output.report : undefined;
}

/** Creates the config, or makes a new version of the one there. */
async function saveConfig(client: BatutaClient, config: OrchestrationDefinition): Promise<void> {
  try {
    await client.configs.create(config);
  } catch (error) {
    if (!isProblem(error, 'name_taken')) throw error;
    await client.configs.update(config.name, config);
  }
}

/** Hands the agents a copy of the log that PostgreSQL has just written, or of our services' when the database is not ours; returns its name. */
async function logToAnalyze(dir: string, run: RunFile | undefined): Promise<string> {
  const files = join(run?.agent_files ?? join(dir, 'files'), DEFAULT_TENANT);
  for (const file of [run?.postgres_log ?? undefined, join(dir, 'logs', 'batuta.log')]) {
    if (file !== undefined && (await stat(file).catch(() => undefined))?.isFile() === true) {
      await mkdir(files, { recursive: true, mode: 0o700 });
      await copyFile(file, join(files, basename(file)));
      return basename(file);
    }
  }
  throw new CliError(`No log to analyse: neither PostgreSQL's nor the services' is below ${dir}.`);
}

function progressLines(steps: readonly Step[]): (event: Event) => string | undefined {
  const names = new Map(steps.map((step) => [step.id, step]));
  let firstAt: number | undefined;
  return (event) => {
    const at = Date.parse(event.at);
    firstAt ??= at;
    const clock = `  ${String(at - firstAt).padStart(6)} ms `;
    const nameOf = (id: string): string => (names.get(id)?.name ?? id).padEnd(24);
    switch (event.type) {
      case 'StepScheduled': {
        const { step_id: id, attempt } = event.data;
        return `${clock} ▶ ${nameOf(id)} ${names.get(id)?.agent ?? ''}${attempt === 1 ? '' : ` (attempt ${attempt})`}`;
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
