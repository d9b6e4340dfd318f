import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { ModelBody, OrchestrationDefinition } from '@batuta/client';
import { DEFAULT_TENANT } from '@batuta/contracts';
import { freePort } from '@batuta/local-stack';
import { CliError } from '../api-client.js';
import { saveConfig } from '../configs.js';
import { addKnowledge } from '../knowledge.js';
import { ROOT } from '../places.js';
import type { Demonstration, Stage } from './demonstration.js';
import { showExecution, showReport } from './show-execution.js';

const EXAMPLE = join(ROOT, 'examples', 'agents');
const LOG = 'checkout.log';
const MODEL = 'demo';
const KEY = 'DEMO_MODEL_KEY';
const LOOPBACK = '127.0.0.1';
/** Providers that are used if the environment has their key, and the model of each. */
const PROVIDERS = [
  { variable: 'OPENAI_API_KEY', provider: 'openai', model: 'gpt-4o-mini' },
  { variable: 'ANTHROPIC_API_KEY', provider: 'anthropic', model: 'claude-haiku-4-5' },
] as const;

/** A team of agents that use a language model: a real one with a key in the environment, otherwise recorded answers. */
export const agents: Demonstration = { environment: { BATUTA_RUNNER_ALLOWED_ADDRESSES: LOOPBACK }, show };

async function show(stage: Stage): Promise<void> {
  const { client, dir, run, out } = stage;
  await addKnowledge(client, join(EXAMPLE, 'runbooks'), () => undefined);
  const files = join(run?.agent_files ?? join(dir, 'files'), DEFAULT_TENANT);
  await mkdir(files, { recursive: true, mode: 0o700 });
  await copyFile(join(EXAMPLE, LOG), join(files, LOG));
  const config = JSON.parse(await readFile(join(EXAMPLE, 'orchestration.json'), 'utf8')) as OrchestrationDefinition;
  const { body, said, end } = await modelToAsk(stage);
  try {
    await client.models.put(MODEL, body);
    out(said);
    await saveConfig(client, config);
    out(`Config "${config.name}": ${config.steps.length} steps, ${config.strategy}.`);
    out();
    const execution = await showExecution(stage, config, { file: LOG });
    const { output } = execution;
    if (typeof output !== 'object' || output === null || !('text' in output) || typeof output.text !== 'string') {
      throw new CliError('The execution completed without a report.');
    }
    showReport(stage, output.text, execution);
  } catch (error) {
    throw explained(error);
  } finally {
    // Nothing answers at its URL any more.
    await client.models.delete(MODEL).catch(() => undefined);
    await end();
  }
}

interface AskedModel {
  readonly body: ModelBody;
  /** The message for the user. */
  readonly said: string;
  readonly end: () => Promise<void>;
}

async function modelToAsk({ client, interrupted }: Stage): Promise<AskedModel> {
  for (const { variable, provider, model } of PROVIDERS) {
    const key = process.env[variable];
    if (key === undefined || key === '') continue;
    await client.secrets.put(KEY, { value: key, description: 'of batuta demo agents' });
    return {
      body: { provider, model, api_key: `{{secret:${KEY}}}` },
      said: `Model: ${model} of ${provider}, with the key in ${variable}.`,
      end: async () => {
        await client.secrets.delete(KEY);
      },
    };
  }
  const port = await freePort();
  const end = await startScripted(port, interrupted);
  return {
    body: { provider: 'openai_compatible', model: 'scripted', base_url: `http://${LOOPBACK}:${port}/v1` },
    said:
      'Model: SCRIPTED. Its answers are recorded (examples/agents/scripted.json); the calls, the tools and all the rest are real.\n' +
      `       A real one is asked with ${PROVIDERS.map(({ variable }) => variable).join(' or ')} in the environment.`,
    end,
  };
}

/** Starts a server with recorded answers and waits until it listens. Resolves with a function that ends it. */
async function startScripted(port: number, interrupted: AbortSignal): Promise<() => Promise<void>> {
  let program;
  try {
    const require = createRequire(join(ROOT, 'package.json'));
    program = join(require.resolve('@copilotkit/aimock'), '../cli.js');
  } catch {
    throw new CliError('The server with recorded answers is not installed: run `npm ci`.');
  }
  const args = ['--port', String(port), '--host', LOOPBACK, '--fixtures', join(EXAMPLE, 'scripted.json')];
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  const closed = once(child, 'close');
  // A child process that cannot be started emits `close` too.
  child.on('error', (error) => (said += error.message));
  const listens = new Promise<void>((resolve) => {
    const hear = (chunk: Buffer): void => {
      said = `${said}${String(chunk)}`.slice(-10_000);
      if (said.includes(`:${port}`)) resolve();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
  });
  const end = async (): Promise<void> => {
    child.kill();
    await closed.catch(() => undefined);
  };
  const isThere = await Promise.race([
    listens.then(() => true),
    closed.then(
      () => false,
      () => false,
    ),
    new Promise<boolean>((resolve) => {
      interrupted.addEventListener('abort', () => resolve(false), { once: true });
    }),
  ]);
  if (isThere) return end;
  await end();
  throw new CliError(`The server with recorded answers did not start: ${said.trim()}`);
}

/** Explains a failure on a platform that was running already and may not call this machine. */
function explained(error: unknown): unknown {
  if (!(error instanceof CliError) || !error.message.includes('(address_refused)')) return error;
  return new CliError(
    `${error.message} The platform that runs here may not call ${LOOPBACK}. Stop it, and the demonstration starts one that may; or ` +
      `start it with BATUTA_RUNNER_ALLOWED_ADDRESSES=${LOOPBACK}.`,
  );
}
