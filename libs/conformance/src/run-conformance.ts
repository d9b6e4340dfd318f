import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startNats } from '@batuta/local-stack';
import { accountsIn, writePoolCredentials } from '@batuta/nats-accounts';
import { CHECKS } from './checks.js';
import type { Lab } from './check-tools.js';
import { FakeEngine } from './fake-engine.js';
import { WorkerProcess } from './worker-process.js';

export interface ConformanceOptions {
  /** The shell command that starts the worker. It gets `NATS_URL`, `NATS_CREDS` and `BATUTA_POOL`. */
  readonly command: string;
  /** The pool that the worker serves. Default `conformance`. */
  readonly pool?: string;
  /** Additional environment variables of the worker. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called after each check. */
  readonly onCheck?: (result: CheckResult) => void;
}

export interface CheckResult {
  readonly name: string;
  readonly says: string;
  readonly outcome: 'passed' | 'failed' | 'absent';
  /** The reason of the failure. */
  readonly reason?: string;
}

export interface Conformance {
  readonly passed: boolean;
  readonly results: readonly CheckResult[];
  /** The latest output of the worker. */
  readonly output: string;
}

const DAY_MS = 86_400_000;

/**
 * Runs a worker against its own engine and its own nats-server with users, and checks the worker's behaviour. Throws
 * when there is no nats-server.
 */
export async function runConformance(options: ConformanceOptions): Promise<Conformance> {
  const { command, pool = 'conformance', env = {}, onCheck = () => undefined } = options;
  const home = await mkdtemp(path.join(tmpdir(), 'batuta-conformance-'));
  const ends: (() => unknown)[] = [() => rm(home, { recursive: true, force: true })];
  try {
    const nats = await startNats({ home, ephemeral: true, users: { pools: [pool] } });
    ends.push(() => nats.stop());
    if (nats.keysFile === undefined) throw new Error('the nats-server has no users');
    const accounts = await accountsIn(nats.keysFile);
    const engineFile = path.join(home, 'engine.creds');
    const { text } = await accounts.issue('engine', { publish: ['>'], subscribe: ['>'], answers: true });
    await writeFile(engineFile, text, { mode: 0o600 });
    const engine = await FakeEngine.start(nats.url, [], engineFile);
    ends.push(() => engine.close());
    const worker = new WorkerProcess(command, {
      ...process.env,
      ...env,
      NATS_URL: nats.url,
      NATS_CREDS: await writePoolCredentials(accounts, home, pool, DAY_MS),
      BATUTA_POOL: pool,
    });
    ends.push(() => worker.kill());
    const loseEverything = async (): Promise<void> => {
      await nats.kill();
      await nats.deleteStore();
      await nats.start();
    };
    const lab: Lab = { engine, pool, worker, loseEverything };
    const results: CheckResult[] = [];
    for (const check of CHECKS) {
      const { name, says } = check;
      const result = await check.run(lab).then(
        (done): CheckResult => ({ name, says, outcome: done === false ? 'absent' : 'passed' }),
        (error: unknown): CheckResult => ({ name, says, outcome: 'failed', reason: (error as Error).message }),
      );
      results.push(result);
      onCheck(result);
      // A program that has ended cannot be checked further.
      if (worker.exitCode !== undefined && check !== CHECKS.at(-1)) break;
    }
    const passed = results.length === CHECKS.length && results.every(({ outcome }) => outcome !== 'failed');
    return { passed, results, output: worker.output };
  } finally {
    for (const end of ends.toReversed()) await end();
  }
}
