import { operations } from '@batuta/contracts';
import type {
  GetExecutionReply,
  GetExecutionRequest,
  JsonObject,
  ListExecutionsReply,
  ListExecutionsRequest,
} from '@batuta/contracts';
import type { ControlClient } from '@batuta/messaging';
import type { GuardedClient } from '@batuta/outbound-http';
import { defineAgent, invalidInput, TerminalError } from '@batuta/worker';
import type { Agent, JsonOf, PlatformContext } from '@batuta/worker';
import { answerBody } from './answer-body.js';
import { callOrFail } from './http.js';
import { ask, refusalError } from './rag-handler.js';

const MOST_TARGETS = 50;
const LARGEST_BODY = 64 * 1024;
const DEFAULT_CHECK_MS = 4_000;

interface Service {
  readonly name: string;
  readonly url: string;
}

const url = { type: 'string', maxLength: 8_000 } as const;
const name = { type: 'string', maxLength: 200 } as const;
const text = { type: 'string', maxLength: 255 } as const;

const input = {
  properties: {
    services: {
      type: 'array',
      items: { type: 'object', required: ['url'], properties: { name, url } },
      description: '`[{"name": "checkout", "url": "https://checkout.example/health"}]`',
    },
    url: { ...url, description: 'of one service' },
    // Without a type, like `job_name` below, because an output of an earlier step may have this name.
    name: { maxLength: 200, description: 'a text: of the service at `url`; default: its URL' },
    jobs: {
      type: 'array',
      items: {
        type: ['object', 'string'],
        properties: { config_name: text, config_id: text, execution_id: text },
      },
      description: 'config names, or `[{"config_name" | "config_id" | "execution_id": "…"}]`',
    },
    job: { ...text, description: 'one config name' },
    job_name: { maxLength: 255, description: 'a text: another name of `job`' },
    check_timeout_ms: {
      type: 'number',
      minimum: 1,
      maximum: 60_000,
      default: DEFAULT_CHECK_MS,
      description: 'milliseconds for each service',
    },
  },
} as const;

type Targets = JsonOf<typeof input>;

const output = {
  type: 'object',
  properties: {
    status: { enum: ['ok', 'degraded', 'down'], description: 'of all together' },
    checked_at: { type: 'string', format: 'date-time' },
    counts: { type: 'object', description: '`services`, `down`, `degraded`, `jobs`, `jobs_failed`' },
    services: {
      type: 'array',
      items: { type: 'object' },
      description: '`name`, `url`, `status`, `code`, `latency_ms`, `body`, `error`',
    },
    jobs: { type: 'array', items: { type: 'object' }, description: '`name`, `status`, and what its execution has' },
  },
} as const;

export function statusHandlerAgent(client: GuardedClient, control: ControlClient): Agent<PlatformContext> {
  return defineAgent(
    'status_handler',
    {
      description:
        'State of services (an HTTP endpoint each) and of jobs (the newest execution of a config). A service that is down is a finding, not a failure.',
      input,
      output,
    },
    async (parameters, context: PlatformContext) => {
      const services = servicesOf(parameters);
      const jobs = jobsOf(parameters);
      if (services.length + jobs.length === 0) {
        throw invalidInput(
          'services',
          'or "jobs", "url" or "job" is missing: status_handler needs something to look at',
        );
      }
      if (services.length + jobs.length > MOST_TARGETS) {
        throw invalidInput('services', `and "jobs" hold more than ${MOST_TARGETS}`);
      }
      const checkMs = parameters.check_timeout_ms ?? DEFAULT_CHECK_MS;
      const checked = await Promise.all(services.map((service) => serviceStatus(client, service, checkMs, context)));
      const looked = await Promise.all(jobs.map((job) => jobStatus(control, job, context)));
      const down = checked.filter(({ status }) => status === 'down').length;
      const degraded = checked.filter(({ status }) => status === 'degraded').length;
      const failed = looked.filter(({ status }) => status === 'failed' || status === 'cancelled').length;
      return {
        status: down > 0 ? 'down' : degraded + failed > 0 ? 'degraded' : 'ok',
        checked_at: new Date().toISOString(),
        counts: { services: checked.length, down, degraded, jobs: looked.length, jobs_failed: failed },
        services: checked,
        jobs: looked,
      };
    },
  );
}

function servicesOf({ services = [], url, name }: Targets): Service[] {
  return [...services, ...(url === undefined ? [] : [{ url, name: typeof name === 'string' ? name : undefined }])].map(
    (service) => ({
      url: service.url,
      name: service.name ?? service.url,
    }),
  );
}

interface Job {
  readonly configName?: string;
  readonly configId?: string;
  readonly executionId?: string;
}

function jobsOf(parameters: Targets): Job[] {
  const jobs = (parameters.jobs ?? []).map((item, index): Job => {
    if (typeof item === 'string') return { configName: item };
    const found = { configName: item.config_name, configId: item.config_id, executionId: item.execution_id };
    const given = Object.entries(found).filter(([, value]) => value !== undefined);
    if (given.length !== 1) {
      throw invalidInput('jobs', `must give one of config_name, config_id and execution_id at position ${index}`);
    }
    return Object.fromEntries(given) as Job;
  });
  const other = parameters.job_name;
  const job = parameters.job ?? (typeof other === 'string' ? other : undefined);
  return job === undefined ? jobs : [...jobs, { configName: job }];
}

async function serviceStatus(client: GuardedClient, { name, url }: Service, checkMs: number, context: PlatformContext) {
  // Not AbortSignal.any over AbortSignal.timeout: Node 20 may garbage-collect these, and then they never fire.
  const limit = new AbortController();
  const abort = (): void => limit.abort(context.signal.reason);
  const timer = setTimeout(() => limit.abort(new DOMException('The check timed out.', 'TimeoutError')), checkMs);
  context.signal.addEventListener('abort', abort, { once: true });
  const { signal } = limit;
  const startedAt = performance.now();
  try {
    const answer = await callOrFail(
      client,
      {
        url,
        method: 'GET',
        // The answer is cut off, and a part of compressed data cannot be decompressed.
        headers: { accept: 'application/json, */*;q=0.5', 'accept-encoding': 'identity' },
        signal,
        maxBytes: LARGEST_BODY,
        // A service with a long answer is not down.
        longBody: 'cut',
        maxRedirects: 3,
      },
      context,
    );
    const status = answer.status < 400 ? 'up' : answer.status < 500 ? 'degraded' : 'down';
    return {
      name,
      url,
      status,
      code: answer.status,
      latency_ms: answer.latencyMs,
      body: answerBody(answer).value,
      error: null,
    };
  } catch (error) {
    context.signal.throwIfAborted();
    // A forbidden address is a mistake in the config, not the state of a service.
    if (error instanceof TerminalError) throw error;
    return {
      name,
      url,
      status: 'down',
      code: null,
      latency_ms: Math.round((performance.now() - startedAt) * 100) / 100,
      body: null,
      error: signal.aborted ? `no answer within ${checkMs} ms` : (error as Error).message,
    };
  } finally {
    clearTimeout(timer);
    context.signal.removeEventListener('abort', abort);
  }
}

async function jobStatus(control: ControlClient, job: Job, context: PlatformContext) {
  const { tenantId } = context;
  const name = job.configName ?? job.configId ?? job.executionId ?? '';
  let executionId = job.executionId;
  if (executionId === undefined) {
    const request: ListExecutionsRequest = {
      tenantId,
      limit: 1,
      ...(job.configName === undefined ? {} : { configName: job.configName }),
      ...(job.configId === undefined ? {} : { configId: job.configId }),
    };
    const list = await ask<ListExecutionsReply>(control, operations.executions.list.subject, request, context);
    if (list.refused !== undefined) throw refusalError(list.refused);
    executionId = list.executions[0]?.id;
  }
  if (executionId === undefined) return unknownJob(name);
  const request: GetExecutionRequest = { tenantId, executionId };
  const { execution, refused } = await ask<GetExecutionReply>(
    control,
    operations.executions.get.subject,
    request,
    context,
  );
  if (refused !== undefined && refused.code !== 'not_found') throw refusalError(refused);
  if (execution === undefined) return unknownJob(name);
  const steps: JsonObject = {};
  for (const { status } of execution.steps) steps[status] = Number(steps[status] ?? 0) + 1;
  return {
    name,
    status: execution.status,
    execution_id: execution.id,
    config_name: execution.configName,
    config_version: execution.configVersion,
    started_at: isoOrNull(execution.startedAt),
    completed_at: isoOrNull(execution.completedAt),
    total_latency_ms: execution.totalLatencyMs ?? null,
    steps,
    failure:
      execution.failure === undefined ? null : { code: execution.failure.code, message: execution.failure.message },
  };
}

function unknownJob(name: string) {
  return { name, status: 'unknown', execution_id: null };
}

function isoOrNull(at: number | undefined): string | null {
  return at === undefined || at === 0 ? null : new Date(at).toISOString();
}
