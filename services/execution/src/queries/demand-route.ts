import { TOKEN } from '@batuta/contracts';
import type { OpsRoute } from '@batuta/observability';
import type { Queues } from './queues.js';

/** `GET /demand?pool=NAME` on the operators' port, for autoscalers. `demand` is a number of runner slots. */
export function demandRoute(queues: Pick<Queues, 'demand'>): OpsRoute {
  return async (query) => {
    const pool = query.get('pool') ?? '';
    if (!TOKEN.test(pool)) return { status: 400, body: { error: 'pool must be the name of a pool' } };
    try {
      const { waiting, running } = await queues.demand(pool);
      return { status: 200, body: { pool, demand: waiting + running, waiting, running } };
    } catch (error) {
      // An autoscaler keeps its size while the demand is unknown.
      const reason = error instanceof Error ? error.message : String(error);
      return { status: 503, body: { error: `the tasks of the pool cannot be counted now: ${reason}` } };
    }
  };
}
