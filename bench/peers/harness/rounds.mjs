import { performance } from 'node:perf_hooks';
import { Deployment } from './deployment.mjs';
import { readLedger } from './ledger.mjs';
import { cpuSeconds, mapValues, peakMemory, round } from './measure.mjs';
import { pause, stepsPerExecution, WORKLOADS } from './workload.mjs';

const LAUNCH_LIMIT_MS = 60_000;
const LOAD_LIMIT_MS = 300_000;
const CRASH_LIMIT_MS = 240_000;
// Enough to make a store old: indexes with several levels, and logs that are read at launch.
const OLD_EXECUTIONS = 2000;

/**
 * A request for one measured round; what is left out is as in the benchmark's table.
 *
 * @typedef {object} RoundRequest
 * @property {string} work W1 … W5
 * @property {number} [in_flight]
 * @property {number} [executions]
 * @property {number} [warm_up] executions before the first round of this work
 * @property {number} [step_ms] W5: how long a step takes
 */

/** @typedef {Omit<import('./workload.mjs').Workload, 'warm_up_again'>} Load what one round runs */

/** Runs rounds on a peer that stays up between them. */
export class Rounds {
  #processes;
  #peer;
  #tuningOf;
  #versions;
  /** @type {Deployment | undefined} stays up between the rounds of W1, W2 and W3 */
  #warmed;
  /** @type {Set<Deployment>} */
  #deployments = new Set();
  /** @type {Map<string, number>} rounds run so far, by work and in-flight */
  #counts = new Map();
  #runs = 0;

  /**
   * @param {import('./processes.mjs').Processes} processes @param {import('../run.mjs').Peer} peer
   * @param {(work: string) => Record<string, number>} tuningOf worker and server settings for a work
   */
  constructor(processes, peer, tuningOf) {
    this.#processes = processes;
    this.#peer = peer;
    this.#tuningOf = tuningOf;
    this.#versions = peer.versions();
  }

  /**
   * Runs one round, after a warm-up: a long one when it is the first of its kind.
   *
   * @param {RoundRequest} request
   * @returns {Promise<object>} the fields of its JSON line
   */
  async run(request) {
    const standard = WORKLOADS[request.work];
    if (standard === undefined) throw new Error(`unknown work ${request.work}`);
    if (!this.#peer.works.includes(request.work)) throw new Error(`${this.#peer.name} does not run ${request.work}`);
    const executions = request.executions ?? standard.executions;
    const in_flight = request.in_flight ?? Math.min(standard.in_flight, executions);
    const key = `${request.work}/${in_flight}`;
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    const load = {
      shape: {
        ...standard.shape,
        step_ms: standard.shape.step_ms === 0 ? 0 : (request.step_ms ?? standard.shape.step_ms),
      },
      executions,
      in_flight,
      warm_up: warmUpOf(standard, request, count),
    };

    const measured = await this.#measure(request.work, load, count === 1);
    return {
      peer: this.#peer.name,
      ...this.#versions,
      work: request.work,
      in_flight: load.in_flight,
      round: count,
      executions,
      steps: executions * stepsPerExecution(load.shape),
      ...measured,
      settings: this.#tuningOf(request.work),
    };
  }

  /** @param {string} work @param {Load} load @param {boolean} first */
  #measure(work, load, first) {
    const tuning = this.#tuningOf(work);
    if (work === 'W4') return this.#launch(tuning, load);
    if (work === 'W5') return this.#crash(tuning, load, first);
    return this.#throughput(tuning, load);
  }

  /** The last log lines of all deployments' processes. */
  logTails() {
    return [...this.#deployments].flatMap((deployment) => deployment.logTails());
  }

  /** Stops everything and removes the store. */
  async end() {
    for (const deployment of this.#deployments) await this.#remove(deployment);
  }

  /** @param {Record<string, number>} tuning */
  #deploy(tuning) {
    const deployment = new Deployment(this.#processes, this.#peer, tuning);
    this.#deployments.add(deployment);
    return deployment;
  }

  /** @param {Deployment} deployment */
  async #remove(deployment) {
    this.#deployments.delete(deployment);
    await deployment.remove();
  }

  /** @param {Record<string, number>} tuning */
  async #launched(tuning) {
    const deployment = this.#deploy(tuning);
    await deployment.prepare();
    await deployment.startClient();
    deployment.launch();
    await within(LAUNCH_LIMIT_MS, 'launch', deployment.worker?.call('ready'));
    await this.#load(deployment, { ...one(), retry_until_ms: LAUNCH_LIMIT_MS });
    return deployment;
  }

  /**
   * @param {Deployment} deployment
   * @param {{ shape: import('./workload.mjs').Shape, executions: number, in_flight: number, retry_until_ms?: number, prefix?: string }} load
   */
  #load(deployment, load) {
    const { shape, executions, in_flight, retry_until_ms = 0, prefix = this.#prefix() } = load;
    const limit = Math.max(retry_until_ms, LOAD_LIMIT_MS);
    const run = deployment.client?.call('run', { prefix, shape, executions, in_flight, retry_until_ms });
    return within(limit, `${executions} executions`, run);
  }

  #prefix() {
    return `r${++this.#runs}`;
  }

  /** W1, W2, W3. @param {Record<string, number>} tuning @param {Load} load */
  async #throughput(tuning, load) {
    this.#warmed ??= await this.#launched(tuning);
    const deployment = this.#warmed;
    if (load.warm_up > 0) await this.#load(deployment, { ...load, executions: load.warm_up });
    const before = cpuSeconds(deployment.pids);
    const result = await this.#load(deployment, load);
    const after = cpuSeconds(deployment.pids);
    const steps = load.executions * stepsPerExecution(load.shape);
    const cpu = mapValues(after, (seconds, name) => round(((seconds - (before[name] ?? 0)) / steps) * 1000, 4));
    return {
      seconds: round(result.seconds, 3),
      executions_per_s: round(load.executions / result.seconds, 1),
      steps_per_s: round(steps / result.seconds, 1),
      latency_ms: result.latency_ms,
      cpu_s_per_1000_steps: round(
        Object.values(cpu).reduce((sum, one) => sum + one, 0),
        4,
      ),
      cpu_by_process: cpu,
      peak_rss_mb: peakMemory(deployment.pids),
    };
  }

  /** W4: on a store of its own, empty and then old. @param {Record<string, number>} tuning @param {Load} load */
  async #launch(tuning, load) {
    const deployment = this.#deploy(tuning);
    try {
      const began = performance.now();
      await deployment.prepare();
      const prepared = performance.now();
      const empty = await this.#launchOnce(deployment, load);
      await this.#load(deployment, { shape: load.shape, executions: OLD_EXECUTIONS, in_flight: 64 });
      await deployment.halt();
      const old = await this.#launchOnce(deployment, load);
      return {
        launch_ms: { store_empty: round(empty, 0), store_old: round(old, 0) },
        old_executions: OLD_EXECUTIONS,
        prepare_ms: round(prepared - began, 0),
        peak_rss_mb: peakMemory(deployment.pids),
      };
    } finally {
      await this.#remove(deployment);
    }
  }

  /** @param {Deployment} deployment @param {Load} load */
  async #launchOnce(deployment, load) {
    await deployment.startClient();
    const began = performance.now();
    deployment.launch();
    await this.#load(deployment, { ...load, retry_until_ms: LAUNCH_LIMIT_MS });
    return performance.now() - began;
  }

  /**
   * W5: undisturbed, then with the worker killed, then with the server killed.
   *
   * @param {Record<string, number>} tuning @param {Load} load @param {boolean} first
   */
  async #crash(tuning, load, first) {
    const onItsOwn = async (/** @type {(deployment: Deployment) => Promise<any>} */ run) => {
      // Its own store, so that the time of an engine's recovery does not depend on other runs.
      const deployment = await this.#launched(tuning);
      try {
        // The same steps without waiting, so that no code runs for the first time during the measurement.
        const warm = { ...load, shape: { ...load.shape, step_ms: 0 }, executions: load.warm_up };
        if (warm.executions > 0) await this.#load(deployment, warm);
        return await run(deployment);
      } catch (error) {
        for (const tail of deployment.logTails()) console.error(tail);
        throw error;
      } finally {
        await this.#remove(deployment);
      }
    };
    const undisturbed = first ? await onItsOwn((deployment) => this.#load(deployment, load)) : undefined;
    const kills = [];
    for (const part of /** @type {const} */ (['worker', 'server'])) {
      kills.push(await onItsOwn((deployment) => this.#crashOnce(deployment, load, part)));
    }
    return {
      ...(undisturbed === undefined ? {} : { undisturbed_ms: round(undisturbed.seconds * 1000, 0) }),
      kills,
    };
  }

  /** @param {Deployment} deployment @param {Load} load @param {'worker' | 'server'} part */
  async #crashOnce(deployment, load, part) {
    const prefix = this.#prefix();
    const steps = load.executions * load.shape.steps;
    const began = performance.now();
    let over = false;
    const running = this.#load(deployment, { ...load, prefix, retry_until_ms: CRASH_LIMIT_MS }).finally(() => {
      over = true;
    });
    // A failure before the kill is reported by the await below.
    running.catch(() => undefined);
    while (!over && readLedger(deployment.ledger, prefix).steps_finished < steps / 2) await pause(5);
    if (over) {
      await running;
      throw new Error('all done before half of the steps were seen done');
    }
    const crashes = deployment.workerCrashes;
    const killed = performance.now();
    await deployment.killAndRestart(part);
    const result = await running;
    const counts = readLedger(deployment.ledger, prefix);
    return {
      killed: part,
      killed_at_ms: round(killed - began, 0),
      ms_to_all_done: round(result.seconds * 1000, 0),
      ...counts,
      client_retries: result.retries,
      worker_crashes: deployment.workerCrashes - crashes,
      peak_rss_mb: peakMemory(deployment.pids),
    };
  }
}

/**
 * Executions before a round; asking for fewer of them, or for short rounds, shortens every warm-up.
 *
 * @param {import('./workload.mjs').Workload} standard @param {RoundRequest} request @param {number} round
 */
function warmUpOf(standard, { warm_up, executions }, round) {
  if (round === 1) return warm_up ?? Math.min(standard.warm_up, executions ?? Infinity);
  return Math.min(standard.warm_up_again, warm_up ?? Infinity, executions ?? Infinity);
}

function one() {
  return { shape: /** @type {const} */ ({ shape: 'chain', steps: 1, step_ms: 0 }), executions: 1, in_flight: 1 };
}

/**
 * @template T
 * @param {number} ms @param {string} what @param {Promise<T> | undefined} promise
 * @returns {Promise<T>}
 */
async function within(ms, what, promise) {
  if (promise === undefined) throw new Error('not started');
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not done after ${ms} ms`)), ms);
  });
  try {
    return /** @type {T} */ (await Promise.race([promise, late]));
  } finally {
    clearTimeout(timer);
  }
}
