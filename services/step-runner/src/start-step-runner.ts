import 'reflect-metadata';
import { secretSource } from '@batuta/control';
import { connectNats, controlClientOver, endProcess, onLost } from '@batuta/messaging';
import { nestLogger, startOpsServer, startTracing } from '@batuta/observability';
import type { Logger, ReadinessCheck } from '@batuta/observability';
import { Sandbox } from '@batuta/sandbox';
import { natsAccessOf } from '@batuta/settings';
import { Runner } from '@batuta/worker';
import type { Agent } from '@batuta/worker';
import { NestFactory } from '@nestjs/core';
import { builtInAgents } from './agents/built-in.js';
import { StepRunnerModule } from './app.module.js';
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

/** Starts a step-runner. Throws when NATS cannot be reached; nothing stays open then. */
export async function startStepRunner(options: StartStepRunnerOptions): Promise<RunningStepRunner> {
  const { settings, logger, opsServer = true } = options;
  const workerId = workerIdOf(settings);
  const opened: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (let end = opened.pop(); end !== undefined; end = opened.pop()) await end();
  };
  try {
    const tracing = await startTracing('step-runner', logger);
    opened.push(() => tracing.shutdown());
    const nc = await connectNats({
      ...natsAccessOf(settings, 'step-runner'),
      name: `step-runner ${workerId}`,
      logger,
    });
    opened.push(() => nc.close());
    onLost(nc, options.onLost ?? endProcess(logger));
    // Every slot may have a waiting template. The step's own timeout limits the wait.
    const sandbox = new Sandbox({
      threads: settings.sandboxThreads,
      memoryMb: 192,
      maxQueued: settings.slots * settings.pools.length,
      maxWaitMs: 3_600_000,
    });
    opened.push(() => sandbox.close());
    const control = controlClientOver(nc);
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
    const agents = [...builtIn.agents, ...(options.agents ?? [])];
    const { pools, slots, bytesAtOnce, streamReplicas, ackWaitMs, workingMs, recheckMs, graceMs, maxAbandoned } =
      settings;
    const runner = new Runner({
      nc,
      agents,
      logger,
      workerId,
      pools,
      slots,
      bytesAtOnce,
      streamReplicas,
      ackWaitMs,
      workingMs,
      recheckMs,
      graceMs,
      maxAbandoned,
      platform: platformPorts({ tracing, secrets: secretSource({ control }) }),
    });
    const app = await NestFactory.createApplicationContext(StepRunnerModule.register(runner, settings.drainMs), {
      logger: nestLogger(logger),
      abortOnError: false,
    });
    opened.push(() => app.close());
    const checks: Record<string, ReadinessCheck> = { tasks: () => runner.checkReady() };
    const ops = opsServer
      ? await startOpsServer({
          port: settings.httpPort,
          host: settings.httpHost,
          checks,
          logger,
          token: settings.opsToken?.reveal(),
        })
      : undefined;
    if (ops !== undefined) opened.push(() => ops.close());
    logger.info({ pools, slots, worker_id: workerId, port: ops?.port }, 'step-runner started');
    return { opsPort: ops?.port, checks, close };
  } catch (error) {
    await close();
    throw error;
  }
}
