import { copyFile, mkdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DEFAULT_TENANT } from '@batuta/contracts';
import { createLogger } from '@batuta/observability';
import { CliError, callApi, followExecution, platformHere, readRunFile } from './api-client.js';
import type { Connection, MonitorEvent, RunFile } from './api-client.js';
import { addKnowledge } from './knowledge.js';
import { ROOT, dataDir } from './places.js';
import { startHere } from './start.js';

const EXAMPLE = join(ROOT, 'examples', 'incident');
const CONFIGS = '/api/v1/orchestrations/configs';

interface StepDocument {
  readonly id: string;
  readonly name: string;
  readonly agent: string;
}

interface ConfigDocument {
  readonly name: string;
  readonly strategy: string;
  readonly steps: readonly StepDocument[];
}

interface StepAnswer {
  readonly step_id: string;
  readonly step_name: string;
  readonly status: string;
  readonly attempt: number;
  readonly latency_ms?: number | null;
}

interface ExecutionAnswer {
  readonly status: string;
  readonly output?: { readonly report?: string } | null;
  readonly failure?: { readonly code: string; readonly message: string } | null;
  readonly total_latency_ms?: number | null;
  readonly steps: readonly StepAnswer[];
}

/**
 * Runs the incident orchestration on the live state of this platform: starts it when none is running here, shows each step
 * as it happens, and prints the report. Stops what it started, also on Ctrl-C.
 * @throws CliError when the execution does not complete.
 */
export async function runDemo(out: (line?: string) => void): Promise<void> {
  const dir = dataDir();
  if ((await readRunFile(dir)) !== undefined) {
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
  let documents = 0;
  await addKnowledge(connection, join(EXAMPLE, 'runbooks'), () => (documents += 1));
  const config = JSON.parse(await readFile(join(EXAMPLE, 'orchestration.json'), 'utf8')) as ConfigDocument;
  await saveConfig(connection, config);
  out(
    `Knowledge base: ${documents} runbooks. Config "${config.name}": ${config.steps.length} steps, ${config.strategy}.`,
  );
  out();

  const run = await readRunFile(dir);
  const services = Object.entries(run?.services ?? { gateway: connection.url }).map(([name, url]) => ({
    name,
    url: `${url}/health/ready`,
  }));
  const log = await logToAnalyze(dir, run);
  const started = await callApi<{ execution_id: string }>(
    connection,
    'POST',
    `/api/v1/orchestrations/execute/${encodeURIComponent(config.name)}`,
    {
      input: {
        title: 'State of this Batuta platform',
        services,
        file: log,
        query: 'service not ready, checkpoints, PostgreSQL restarts or refuses connections',
        limit: 3,
      },
    },
  );
  const executionId = started.execution_id;
  out(`Execution ${executionId}`);
  const line = progressLines(config.steps);
  await followExecution(connection, executionId, (event) => {
    const text = line(event);
    if (text !== undefined) {
      out(text);
    }
  });

  const path = `/api/v1/orchestrations/executions/${executionId}`;
  const execution = await callApi<ExecutionAnswer>(connection, 'GET', path);
  if (execution.status !== 'completed') {
    const { code, message } = execution.failure ?? { code: execution.status, message: 'no reason was recorded' };
    throw new CliError(`The execution ended as ${execution.status} (${code}): ${message}`);
  }
  const report = execution.output?.report;
  if (typeof report !== 'string') {
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
  out(`  curl -sS -H "Authorization: Bearer $BATUTA_API_KEY" "$BATUTA_URL${path}/events"`);
}

/** Creates the config, or makes a new version of the one there. */
async function saveConfig(connection: Connection, config: ConfigDocument): Promise<void> {
  const list = await callApi<{ configs: readonly { id: string; name: string }[] }>(
    connection,
    'GET',
    `${CONFIGS}?name=${encodeURIComponent(config.name)}`,
  );
  const existing = list.configs.find(({ name }) => name === config.name);
  if (existing === undefined) {
    await callApi(connection, 'POST', CONFIGS, config);
  } else {
    await callApi(connection, 'PUT', `${CONFIGS}/${existing.id}`, config);
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

function progressLines(steps: readonly StepDocument[]): (event: MonitorEvent) => string | undefined {
  const names = new Map(steps.map((step) => [step.id, step]));
  let firstAt: number | undefined;
  return ({ type, at, data }) => {
    firstAt ??= Date.parse(at);
    const clock = `  ${String(Date.parse(at) - firstAt).padStart(6)} ms `;
    const id = typeof data['step_id'] === 'string' ? data['step_id'] : '';
    const step = names.get(id);
    const name = (step?.name ?? id).padEnd(24);
    switch (type) {
      case 'StepScheduled':
        return `${clock} ▶ ${name} ${step?.agent ?? ''}${data['attempt'] === 1 ? '' : ` (attempt ${String(data['attempt'])})`}`;
      case 'StepCompleted':
        return `${clock} ✔ ${name} ${milliseconds(spent(data))}`;
      case 'StepAttemptFailed':
        return `${clock} ↻ ${name} ${failureOf(data)}`;
      case 'StepFailed':
        return `${clock} ✘ ${name} ${failureOf(data)}`;
      case 'StepSkipped':
        return `${clock} ⤼ ${name} ${typeof data['reason'] === 'string' ? data['reason'] : ''}`;
      case 'ExecutionStarted':
      case 'ExecutionCompleted':
      case 'ExecutionFailed':
      case 'ExecutionCancelled':
        return `${clock} ● ${type.replace('Execution', 'execution ').toLowerCase()}`;
      default:
        return undefined;
    }
  };
}

/** Milliseconds between an attempt's start and its end. */
function spent(data: Readonly<Record<string, unknown>>): number {
  return Date.parse(String(data['finished_at'])) - Date.parse(String(data['started_at']));
}

function failureOf(data: Readonly<Record<string, unknown>>): string {
  const failure = data['failure'] as { code?: string; message?: string } | undefined;
  return `${failure?.code ?? 'failed'}: ${failure?.message ?? ''}`;
}

function milliseconds(value: number | null | undefined): string {
  return value === null || value === undefined || Number.isNaN(value) ? '–' : `${Math.round(value)} ms`;
}
