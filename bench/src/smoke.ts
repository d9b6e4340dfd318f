import pg from 'pg';
import { Deployment } from './deployment.js';
import { rounded } from './measure.js';
import { columns } from './table.js';
import { WORKLOADS, stepOutput } from './workload.js';

/** Upper limits for one step of W2 at 64 in flight, as counts that noise cannot change. They must never be raised. */
const BUDGETS = [
  { name: 'commits', perStep: 0.15 },
  { name: 'append statements', perStep: 0.15 },
  { name: 'NATS messages', perStep: 2 },
  { name: 'bytes of log beyond its output', perStep: 300 },
] as const;

const EXECUTIONS = 1_000;
const IN_FLIGHT = 64;

interface Counts {
  readonly commits: number;
  readonly appends: number;
  readonly messages: number;
  readonly logBytes: number;
  readonly steps: number;
}

/** The engine's own counters, from its /metrics. */
async function engineCounter(url: string): Promise<(name: string) => number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return (name) => {
    const found = new RegExp(`^batuta_engine_${name}_total(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text);
    if (found === null) throw new Error(`the engine's /metrics does not count ${name}`);
    return Number(found[1]);
  };
}

async function countsOf(deployment: Deployment, database: pg.Client): Promise<Counts> {
  const { services, stack } = deployment.platform;
  const counter = await engineCounter(services.execution ?? '');
  const varz = (await (await fetch(`http://127.0.0.1:${stack.nats?.monitorPort ?? 0}/varz`)).json()) as {
    in_msgs: number;
    out_msgs: number;
  };
  const { rows } = await database.query<{ bytes: string; steps: string }>(
    `SELECT coalesce(sum(length(data::text)), 0) AS bytes, count(*) FILTER (WHERE type = 'StepCompleted') AS steps
       FROM execution.events`,
  );
  return {
    commits: counter('commits'),
    appends: counter('append_statements'),
    messages: varz.in_msgs + varz.out_msgs,
    logBytes: Number(rows[0]?.bytes),
    steps: Number(rows[0]?.steps),
  };
}

/** Counts the cost of a step of W2, and prints each count with its limit. Returns whether all limits are met. */
export async function runSmoke(layout: string): Promise<boolean> {
  const deployment = await Deployment.start({ layout });
  try {
    const database = new pg.Client({ connectionString: deployment.platform.stack.databaseUrl });
    await database.connect();
    try {
      const { shape } = WORKLOADS.W2;
      await deployment.load({ shape, executions: IN_FLIGHT * 4, inFlight: IN_FLIGHT });
      const before = await countsOf(deployment, database);
      await deployment.load({ shape, executions: EXECUTIONS, inFlight: IN_FLIGHT });
      const after = await countsOf(deployment, database);
      const steps = after.steps - before.steps;
      if (steps !== EXECUTIONS * shape.steps) {
        throw new Error(`${steps} steps were completed, not ${EXECUTIONS * shape.steps}`);
      }
      const output = JSON.stringify(stepOutput(0)).length;
      const measured = [
        (after.commits - before.commits) / steps,
        (after.appends - before.appends) / steps,
        (after.messages - before.messages) / steps,
        (after.logBytes - before.logBytes) / steps - output,
      ];
      const rows = BUDGETS.map(({ name, perStep }, index) => {
        const value = measured[index] ?? Number.NaN;
        return [name, String(rounded(value, 3)), String(perStep), value <= perStep ? 'kept' : 'EXCEEDED'];
      });
      console.log(
        `a step of W2 at ${IN_FLIGHT} in flight (${steps} steps; NATS messages are nats-server's in and out):`,
      );
      console.log(columns(['', 'counted', 'budget', ''], rows));
      return measured.every((value, index) => value <= (BUDGETS[index]?.perStep ?? Number.NaN));
    } finally {
      await database.end();
    }
  } finally {
    await deployment.remove();
  }
}
