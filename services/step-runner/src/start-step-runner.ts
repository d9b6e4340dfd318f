import 'reflect-metadata';
import { operations } from '@batuta/contracts';
import { secretSource, serveOperation } from '@batuta/control';
import { connectNats, controlClientOver, endProcess, onLost } from '@batuta/messaging';
import { nestLogger, startTracing } from '@batuta/observability';
import type { Logger, ReadinessCheck, Tracing } from '@batuta/observability';
import { Sandbox } from '@batuta/sandbox';
import { closeAll, opening, openOpsServer } from '@batuta/service';
import type { Opened } from '@batuta/service';
import { natsAccessOf } from '@batuta/settings';
import { Runner } from '@batuta/worker';
import type { Agent } from '@batuta/worker';
import type { NatsConnection } from '@nats-io/nats-core';
import { NestFactory } from '@nestjs/core';
import { builtInAgents } from './agents/built-in.js';
import { StepRunnerModule } from './app.module.js';
import { McpServers } from './mcp/mcp-servers.js';
import { platformPorts } from './platform.js';
import { workerIdOf } from './settings.js';
import type { StepRunnerSettings } from './settings.js';

export interface StartStepRunnerOptions {
  readonly settings: StepRunnerSettings;
  readonly logger: Logger;
  /** Whether to serve /health and /metrics on a port of its own; default true. */
  readonly opsServer?: boolean;
  /** Your own agents, in addition to the built-in ones. */
  readonly agents?: readonly Agent[];
  /** Called when a connection to NATS is lost for good; default: the process ends. */
  readonly onLost?: (error: Error) => void;
}

export interface RunningStepRunner {
  /** Port of /health and /metrics, if it serves them. */
  readonly opsPort: number | undefined;
  /** The readiness checks of the service, by name. */
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
  /** Takes no new tasks, finishes or hands back running ones, and closes every connection. */
  close(): Promise<void>;
}

/** The runner with the built-in agents and those of the caller. */
function openRunner(
  { settings, logger, agents = [] }: StartStepRunnerOptions,
  { nc, tracing }: { readonly nc: NatsConnection; readonly tracing: Tracing },
  opened: Opened,
): Runner {
  const control = controlClientOver(nc);
  // Every slot may have a waiting template. The step's own timeout limits the wait.
  const sandbox = new Sandbox({
    threads: settings.sandboxThreads,
    memoryMb: 192,
    maxQueued: settings.slots * settings.pools.length,
    maxWaitMs: 3_600_000,
  });
  opened.push(() => sandbox.close());
  const builtIn = builtInAgents({
    control,
    sandbox,
    logDirectories: settings.logDirectories,
    allowedAddresses: settings.allowedAddresses,
    statusAddresses: settings.statusAddresses,
    dnsServers: settings.dnsServers,
    dnsTimeoutMs: settings.dnsTimeoutMs,
    tracesContent: settings.tracesContent,
    modelIdleMs: settings.modelIdleMs,
  });
  opened.push(() => builtIn.close());
  const secrets = secretSource({ control });
  const mcp = new McpServers({ control, client: builtIn.client, secrets, logger });
  const served = { nats: nc, queue: 'step-runner', logger };
  const ends = [
    serveOperation(served, operations.mcpServers.tools, (request) => mcp.tools(request)),
    serveOperation(served, operations.mcpServers.consent, (request) => mcp.consent(request)),
  ];
  opened.push(() => {
    for (const end of ends) end();
  });
  const { pools, slots, bytesAtOnce, streamReplicas, ackWaitMs, workingMs, recheckMs, graceMs, maxAbandoned } =
    settings;
  return new Runner({
    nc,
    agents: [...builtIn.agents, ...agents],
    logger,
    workerId: workerIdOf(settings),
    pools,
    slots,
    bytesAtOnce,
    streamReplicas,
    ackWaitMs,
    workingMs,
    recheckMs,
    graceMs,
    maxAbandoned,
    platform: platformPorts({ tracing, secrets }),
  });
}

/** Starts a step-runner. Throws when NATS cannot be reached; nothing stays open then. */
export function startStepRunner(options: StartStepRunnerOptions): Promise<RunningStepRunner> {
  const { settings, logger, opsServer = true } = options;
  const { pools, slots, drainMs } = settings;
  const workerId = workerIdOf(settings);
  return opening(async (opened) => {
    const tracing = await startTracing('step-runner', logger);
    opened.push(() => tracing.shutdown());
    const access = natsAccessOf(settings, 'step-runner');
    const nc = await connectNats({ ...access, name: `step-runner ${workerId}`, logger });
    opened.push(() => nc.close());
    onLost(nc, options.onLost ?? endProcess(logger));
    const runner = openRunner(options, { nc, tracing }, opened);
    const app = await NestFactory.createApplicationContext(StepRunnerModule.register(runner, drainMs), {
      logger: nestLogger(logger),
      abortOnError: false,
    });
    opened.push(() => app.close());
    const checks: Record<string, ReadinessCheck> = { tasks: () => runner.checkReady() };
    const ops = opsServer ? await openOpsServer(settings, { checks, logger }, opened) : undefined;
    logger.info({ pools, slots, worker_id: workerId, port: ops?.port }, 'step-runner started');
    return { opsPort: ops?.port, checks, close: () => closeAll(opened) };
  });
}
