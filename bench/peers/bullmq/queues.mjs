/** The queue of the jobs that end an execution; its events tell the client. */
export const LAST_STEPS = 'last_steps';
/** The queue of all other jobs. */
export const STEPS = 'steps';

/** @param {number} port */
export function redisConnection(port) {
  // BullMQ demands null for workers; for producers it makes them wait for a restarted server too.
  return { host: '127.0.0.1', port, maxRetriesPerRequest: null };
}
