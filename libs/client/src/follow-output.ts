import type { Caller } from './caller.js';
import { listen } from './follow.js';
import type { FollowOptions, WebSocketConstructor } from './follow.js';
import type { StreamItem } from './generated/schemas.js';

export interface FollowOutputOptions extends Pick<FollowOptions, 'signal' | 'maxReconnects' | 'onBreak'> {
  /** The steps to follow, at most 20. Default: all steps, also those that begin later. */
  readonly steps?: readonly string[] | undefined;
  /** Where to continue: the `place` of the last item that was read of each step. */
  readonly after?: Readonly<Record<string, string>> | undefined;
}

/** Length of a connection's URL. Steps whose place does not fit are sent again, and their repeats are left out here. */
const LONGEST_QUERY = 6_000;

const order = (place: string): [attempt: number, part: number] => {
  const [attempt, part] = place.split('.');
  return [Number(attempt), part === 'end' ? Infinity : Number(part)];
};

function isBehind(place: string, before: string | undefined): boolean {
  if (before === undefined) return true;
  const [attempt, part] = order(place);
  const [lastAttempt, lastPart] = order(before);
  return attempt > lastAttempt || (attempt === lastAttempt && part > lastPart);
}

/**
 * Follows the output of steps while they run. Each item comes once, and those of a step in order, until the steps or the execution are
 * over. When the connection breaks, a new one continues after the last item.
 * @throws ProblemError when the platform refuses it; ConnectionError after `maxReconnects` breaks in a row.
 */
export function followOutput(
  caller: Caller,
  WebSocket: WebSocketConstructor,
  id: string,
  { steps = [], after = {}, ...options }: FollowOutputOptions,
): AsyncGenerator<StreamItem, void, undefined> {
  const places = new Map(Object.entries(after));
  return listen<StreamItem>(
    caller,
    WebSocket,
    {
      path: `/ws/executions/${encodeURIComponent(id)}/output`,
      query() {
        const query = new URLSearchParams();
        for (const step of steps) query.append('step', step);
        for (const [step, place] of [...places].toReversed()) {
          query.append('after', `${step}:${place}`);
          if (String(query).length > LONGEST_QUERY) break;
        }
        return query.size === 0 ? '' : `?${String(query)}`;
      },
      read({ step_id: step, place }) {
        if (!isBehind(place, places.get(step))) return false;
        // The newest last.
        places.delete(step);
        places.set(step, place);
        return true;
      },
      executionId: id,
    },
    options,
  );
}
