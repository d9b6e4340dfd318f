import { PRIORITIES, STEPS_STREAM, subjects } from '@batuta/contracts';

/** Tasks of a pool: `waiting` for a runner, and `running` (delivered and not acknowledged). */
export interface Backlog {
  readonly pool: string;
  readonly priority: string;
  readonly waiting: number;
  readonly running: number;
}

interface ConsumerInfo {
  readonly name: string;
  readonly num_pending: number;
  readonly num_ack_pending: number;
}

/** Reads the backlog of every pool from JetStream's list of consumers. Empty when JetStream does not answer. */
export async function readBacklog(
  request: (subject: string, body: string) => Promise<{ consumers?: ConsumerInfo[] | null; total?: number }>,
): Promise<Backlog[]> {
  const backlog: Backlog[] = [];
  try {
    for (let offset = 0; ;) {
      const page = await request(`$JS.API.CONSUMER.LIST.${STEPS_STREAM}`, JSON.stringify({ offset }));
      const consumers = page.consumers ?? [];
      for (const { name, num_pending: waiting, num_ack_pending: inWork } of consumers) {
        const priority = PRIORITIES.find((each) => name.endsWith(`-${each}`));
        const pool = priority === undefined ? '' : name.slice(0, -priority.length - 1);
        if (priority === undefined || name !== subjects.stepConsumer(pool, priority)) continue;
        backlog.push({ pool, priority, waiting, running: inWork });
      }
      offset += consumers.length;
      if (consumers.length === 0 || offset >= (page.total ?? 0)) return backlog;
    }
  } catch {
    // The readiness check reports an outage, and a scrape must not fail because of it.
    return [];
  }
}
