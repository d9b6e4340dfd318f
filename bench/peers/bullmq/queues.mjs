/** The queue of the jobs that end an execution. The client reads its events. */
export const LAST_STEPS = 'last_steps';
/** The queue of all other jobs. */
export const STEPS = 'steps';

/** @param {number} port */
export function redisConnection(port) {
  // BullMQ requires null for workers. For producers, it also makes them wait for a restarted server.
  return { host: '127.0.0.1', port, maxRetriesPerRequest: null };
}
