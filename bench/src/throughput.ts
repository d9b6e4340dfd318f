import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Deployment } from './deployment.js';
import { cpuSeconds, mapValues, peakMemory, rounded } from './measure.js';
import { readProfile, summarize } from './profile.js';
import type { ProfileSummary } from './profile.js';
import { WORKLOADS, stepsPerExecution } from './workload.js';
import type { Workload } from './workload.js';

/** The result of a measured round of W1, W2 or W3. The peers' lines have the same fields. */
export interface ThroughputRound {
  readonly peer: string;
  readonly peer_version: string;
  readonly server_version: string;
  readonly work: string;
  readonly in_flight: number;
  readonly round: number;
  readonly executions: number;
  readonly steps: number;
  readonly seconds: number;
  readonly executions_per_s: number;
  readonly steps_per_s: number;
  readonly latency_ms: { readonly p50: number; readonly p95: number; readonly p99: number };
  readonly cpu_s_per_1000_steps: number;
  readonly cpu_by_process: Readonly<Record<string, number>>;
  readonly peak_rss_mb: Readonly<Record<string, number>>;
  readonly settings: Readonly<Record<string, unknown>>;
}

export type ThroughputWork = 'W1' | 'W2' | 'W3';

export interface RoundRequest {
  readonly work: ThroughputWork;
  readonly inFlight?: number | undefined;
  readonly executions?: number | undefined;
  readonly warmUp?: number | undefined;
}

interface ThroughputOptions {
  readonly layout: string;
  readonly env: Readonly<Record<string, string>>;
  /** The name in the output. */
  readonly name: string;
  readonly version: string;
}

const PROFILE_HOOK = new URL('./profile-hook.js', import.meta.url).href;
export const profileDirectory = (): string => join(tmpdir(), `batuta-profile-${process.pid}`);

/** Environment variables of a platform whose processes can be profiled. */
export function profilingEnvironment(): Record<string, string> {
  mkdirSync(profileDirectory(), { recursive: true });
  return {
    NODE_OPTIONS: `--import=${PROFILE_HOOK}`,
    BENCH_PROFILE_DIRECTORY: profileDirectory(),
    // Without bundles, the profile names files and packages.
    BATUTA_BUNDLES: 'off',
  };
}

/**
 * A platform that stays up between rounds of W1, W2 and W3, so that they can be interleaved with those of other
 * engines.
 */
export class ThroughputBench {
  readonly #options: ThroughputOptions;
  readonly #rounds = new Map<string, number>();
  readonly #deployment: Promise<Deployment>;

  constructor(options: ThroughputOptions) {
    this.#options = options;
    this.#deployment = Deployment.start(options);
    // A failed start is reported to the first caller that requests a round.
    this.#deployment.catch(() => undefined);
  }

  get name(): string {
    return this.#options.name;
  }

  /** Runs one round after a warm-up, which is long for the first round of its kind. */
  async round(request: RoundRequest): Promise<ThroughputRound> {
    const standard: Workload = WORKLOADS[request.work];
    const executions = request.executions ?? standard.executions;
    const inFlight = request.inFlight ?? Math.min(standard.inFlight, executions);
    const { shape } = standard;
    const deployment = await this.#deployment;
    const key = `${request.work}/${inFlight}`;
    const round = (this.#rounds.get(key) ?? 0) + 1;
    this.#rounds.set(key, round);
    const warmUp = warmUpOf(standard, request, round);
    if (warmUp > 0) await deployment.load({ shape, executions: warmUp, inFlight });
    const before = cpuSeconds(deployment.pids);
    const result = await deployment.load({ shape, executions, inFlight });
    const after = cpuSeconds(deployment.pids);
    const steps = executions * stepsPerExecution(shape);
    const cpu = mapValues(after, (seconds, name) => rounded(((seconds - (before[name] ?? 0)) / steps) * 1000, 4));
    return {
      peer: this.#options.name,
      peer_version: this.#options.version,
      server_version: process.version,
      work: request.work,
      in_flight: inFlight,
      round,
      executions,
      steps,
      seconds: rounded(result.seconds, 3),
      executions_per_s: rounded(executions / result.seconds, 1),
      steps_per_s: rounded(steps / result.seconds, 1),
      latency_ms: result.latencyMs,
      cpu_s_per_1000_steps: rounded(
        Object.values(cpu).reduce((sum, one) => sum + one, 0),
        4,
      ),
      cpu_by_process: cpu,
      peak_rss_mb: peakMemory(deployment.pids),
      settings: { layout: this.#options.layout },
    };
  }

  /** Profiles every Node process of the platform during one round. */
  async profile(request: RoundRequest): Promise<{ round: ThroughputRound; profiles: Record<string, ProfileSummary> }> {
    const deployment = await this.#deployment;
    const processes = Object.entries(deployment.platform.pids()).flatMap(([name, pid]) =>
      pid === undefined ? [] : [{ name, pid }],
    );
    await this.round({ ...request, executions: Math.min(request.executions ?? 500, 500) });
    for (const { pid } of processes) process.kill(pid, 'SIGUSR2');
    const round = await this.round(request);
    for (const { pid } of processes) process.kill(pid, 'SIGUSR2');
    const profiles: Record<string, ProfileSummary> = {};
    for (const { name, pid } of processes) {
      profiles[name] = summarize(await readProfile(join(profileDirectory(), `${pid}.cpuprofile`)));
    }
    return { round, profiles };
  }

  async end(): Promise<void> {
    const deployment = await this.#deployment.catch(() => undefined);
    await deployment?.remove();
  }
}

/** Number of executions before a round. A request for fewer of them, or for short rounds, shortens every warm-up. */
function warmUpOf(standard: Workload, { warmUp, executions }: RoundRequest, round: number): number {
  if (round === 1) return warmUp ?? Math.min(standard.warmUp, executions ?? Infinity);
  return Math.min(standard.warmUpAgain, warmUp ?? Infinity, executions ?? Infinity);
}

export const PEERS_DIRECTORY = fileURLToPath(new URL('../peers/', import.meta.url));
