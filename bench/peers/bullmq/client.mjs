import { FlowProducer, Queue, QueueEvents } from 'bullmq';
import { LAST_STEPS, redisConnection, STEPS } from './queues.mjs';

/** @param {{ mode: 'flow' | 'single', entry_port: number }} given */
export async function connect(given) {
  const options = { connection: redisConnection(given.entry_port) };
  const producer = new FlowProducer(options);
  const queue = new Queue(LAST_STEPS, options);
  // Events are read from the start of the stream, so that none is missed while the connection is being made.
  const events = new QueueEvents(LAST_STEPS, { ...options, lastEventId: '0-0' });
  for (const one of [producer, queue, events]) one.on('error', (error) => console.error(error.message));
  await events.waitUntilReady();

  /** @type {Map<string, { resolve: (result: unknown) => void, reject: (error: Error) => void }>} */
  const waiting = new Map();
  // Cheaper than job.waitUntilFinished, which first reads the state of every job from Redis.
  events.on('completed', ({ jobId, returnvalue }) => {
    waiting.get(jobId)?.resolve(returnvalue);
    waiting.delete(jobId);
  });
  events.on('failed', ({ jobId, failedReason }) => {
    waiting.get(jobId)?.reject(new Error(failedReason));
    waiting.delete(jobId);
  });

  /** @param {string} execution @param {import('../harness/workload.mjs').Shape} shape */
  function start(execution, shape) {
    if (given.mode === 'single') {
      const data = { execution, steps: shape.steps, step_ms: shape.step_ms, outputs: [] };
      return queue.add('execution', data, { jobId: execution });
    }
    return producer.add(flowOf(execution, shape));
  }

  return {
    /** @param {string} execution @param {import('../harness/workload.mjs').Shape} shape */
    async execute(execution, shape) {
      const result = new Promise((resolve, reject) => waiting.set(execution, { resolve, reject }));
      // `result` may be rejected while the start is still awaited. Its own await below reports that.
      result.catch(() => undefined);
      await start(execution, shape);
      return result;
    },
  };
}

/**
 * A sequence is a chain of parents with the last step on top. A fan is a join whose children are the steps.
 *
 * @param {string} execution @param {import('../harness/workload.mjs').Shape} shape
 * @returns {import('bullmq').FlowJob}
 */
function flowOf(execution, { shape, steps, step_ms }) {
  /** @param {number} step */
  const job = (step) => ({
    name: `step_${step}`,
    queueName: STEPS,
    data: { execution, step, step_ms },
    opts: { jobId: `${execution}-${step}` },
  });
  /** @param {import('bullmq').FlowJob} last @param {import('bullmq').FlowJob[]} children */
  const ended = (last, children) => ({ ...last, queueName: LAST_STEPS, opts: { jobId: execution }, children });

  if (shape === 'fan') {
    const join = { ...job(steps), data: { execution, step: steps, join: true } };
    return ended(
      join,
      Array.from({ length: steps }, (_, step) => job(step)),
    );
  }
  /** @type {import('bullmq').FlowJob} */
  let flow = job(0);
  for (let step = 1; step < steps - 1; step++) flow = { ...job(step), children: [flow] };
  return steps === 1 ? ended(flow, []) : ended(job(steps - 1), [flow]);
}
