import { isProblem } from '@batuta/client';
import type { BatutaClient, StreamItem } from '@batuta/client';

interface Following {
  /** What these steps say, and the executions that they are. Default: all steps. */
  readonly steps?: readonly string[] | undefined;
  readonly show: (item: StreamItem) => void;
  /** Called when the connection broke, before it is made again. */
  readonly onBreak: () => void;
  readonly signal: AbortSignal;
}

/** Executions that are followed at once below one execution. What others say comes later, whole. */
const MOST_CHILDREN = 10;

/**
 * Shows what the steps of an execution say until it has ended, and what is said in the executions that steps are: agents
 * made of a model, and configs. There, the id of a step begins with that of the step above: `ask > reply`.
 */
export async function followSaid(client: BatutaClient, id: string, following: Following): Promise<void> {
  const { steps, show, onBreak, signal } = following;
  const own = async (): Promise<void> => {
    for await (const item of client.executions.followOutput(id, { steps, signal, onBreak })) show(item);
  };
  await Promise.all([own(), followChildren(client, id, following)]);
}

async function followChildren(client: BatutaClient, id: string, following: Following): Promise<void> {
  const { steps, show, signal } = following;
  const seen = new Set<string>();
  const running = new Set<Promise<void>>();
  for await (const { type, data } of client.executions.follow(id, { signal })) {
    if (type !== 'ChildStarted' || seen.has(data.child_id)) continue;
    const { step_id: step, child_id: child } = data;
    // The calls of tools of a step have its id before a colon.
    if (steps !== undefined && !steps.includes(step.split(':', 1)[0] ?? step)) continue;
    seen.add(child);
    const below = (item: StreamItem): void => show({ ...item, step_id: `${step} > ${item.step_id}` });
    const one = followSaid(client, child, { ...following, steps: undefined, show: below })
      .catch((error: unknown) => {
        if (!isHidden(error)) throw error;
      })
      .finally(() => running.delete(one));
    // Its failure is reported below.
    one.catch(() => undefined);
    running.add(one);
    if (running.size >= MOST_CHILDREN) await Promise.race(running);
  }
  await Promise.all(running);
}

/** Whether a child says nothing to followers: its config keeps it out of live feeds, or it was deleted. */
const isHidden = (error: unknown): boolean =>
  isProblem(error, 'not_monitored') || isProblem(error, 'not_found') || isProblem(error, 'execution_deleted');
