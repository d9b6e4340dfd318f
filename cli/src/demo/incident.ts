import { copyFile, mkdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { OrchestrationDefinition } from '@batuta/client';
import { DEFAULT_TENANT } from '@batuta/contracts';
import type { RunFile } from '../../run-file.js';
import { CliError } from '../api-client.js';
import { saveConfig } from '../configs.js';
import { addKnowledge } from '../knowledge.js';
import { ROOT } from '../places.js';
import type { Demonstration, Stage } from './demonstration.js';
import { showExecution, showReport } from './show-execution.js';

const EXAMPLE = join(ROOT, 'examples', 'incident');

/** The incident orchestration, run on the live state of this platform. */
export const incident: Demonstration = { show };

async function show(stage: Stage): Promise<void> {
  const { client, dir, run, url: gateway, out } = stage;
  let documents = 0;
  await addKnowledge(client, join(EXAMPLE, 'runbooks'), () => (documents += 1));
  const example = JSON.parse(await readFile(join(EXAMPLE, 'orchestration.json'), 'utf8')) as OrchestrationDefinition;
  // Readers of docs/api.md create a config with the example's own name, so the demonstration uses another one.
  const config = { ...example, name: `${example.name}-demo` };
  await saveConfig(client, config);
  out(
    `Knowledge base: ${documents} runbooks. Config "${config.name}": ${config.steps.length} steps, ${config.strategy}.`,
  );
  out();

  const services = Object.entries(run?.services ?? { gateway }).map(([name, url]) => ({
    name,
    url: `${url}/health/ready`,
  }));
  const execution = await showExecution(stage, config, {
    title: 'State of this Batuta platform',
    services,
    file: await logToAnalyze(dir, run),
    query: 'service not ready, checkpoints, PostgreSQL restarts or refuses connections',
    limit: 3,
  });
  const report = reportIn(execution.output);
  if (report === undefined) throw new CliError('The execution completed without a report.');
  showReport(stage, report, execution);
}

/** The report in the execution's output. */
function reportIn(output: unknown): string | undefined {
  if (typeof output !== 'object' || output === null || !('report' in output)) return undefined;
  return typeof output.report === 'string' ? output.report : undefined;
}

/**
 * Gives the agents a copy of a log: the one that PostgreSQL has just written, or the services' log for an external
 * database. Returns the name of the copy.
 */
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
