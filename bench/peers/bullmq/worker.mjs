import { Worker } from 'bullmq';
import { stepRunner } from '../harness/ledger.mjs';
import { answerCommands, listening, settings } from '../harness/processes.mjs';
import { stepOutput } from '../harness/workload.mjs';
import { LAST_STEPS, redisConnection, STEPS } from './queues.mjs';

const given = settings();
const runStep = stepRunner(given.ledger);

/** One job of a flow is one step. @param {import('bullmq').Job} job */
async function flowStep(job) {
  const { execution, step, step_ms: ms, join } = job.data;
  if (join) {
    const outputs = Object.values(await job.getChildrenValues());
    return { ...stepOutput(step), joined: outputs.length };
  }
  return runStep(execution, step, ms);
}

/**
 * One job is the whole execution, and saves each step's output before it continues. @param {import('bullmq').Job} job
 */
async function allSteps(job) {
  const { execution, steps, step_ms: ms } = job.data;
  const outputs = [...job.data.outputs];
  while (outputs.length < steps) {
    outputs.push(await runStep(execution, outputs.length, ms));
    await job.updateData({ ...job.data, outputs });
  }
  return outputs.at(-1);
}

await listening(given.entry_port);
const options = { connection: redisConnection(given.entry_port), concurrency: given.concurrency };
const workers =
  given.mode === 'single'
    ? [new Worker(LAST_STEPS, allSteps, options)]
    : [new Worker(STEPS, flowStep, options), new Worker(LAST_STEPS, flowStep, options)];
for (const worker of workers) worker.on('error', (error) => console.error(error.message));
answerCommands({
  ready: async () => {
    await Promise.all(workers.map((worker) => worker.waitUntilReady()));
  },
});
