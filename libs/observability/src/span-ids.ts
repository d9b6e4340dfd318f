import { isOutsideCommand } from '@batuta/contracts';
import { spanIdOf } from './tracing.js';

const FNV_PRIME = 0x01000193;
const FNV_BASIS = 0x811c9dc5;

function fnv32(text: string, basis: number): number {
  let hash = basis;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), FNV_PRIME);
  return hash >>> 0;
}

const hex32 = (value: number): string => value.toString(16).padStart(8, '0');

/** Cache of ids. Executions of the same config have the same attempts. */
const runs = new Map<string, string>();
const MOST_RUNS = 4_096;

/**
 * Ids of the spans to which more than one service refers. All of them are computed from names in the execution's
 * events.
 */
export const spanIds = {
  /** The root of an execution's trace. */
  execution: (traceId: string): string => spanIdOf(traceId, 'execution'),
  /**
   * The request that started an execution, by the id of its command. It may belong to another trace, that of its
   * caller.
   */
  request: (traceId: string, commandId: string): string => spanIdOf(traceId, 'request', commandId),
  /**
   * The command that caused an event. The engine's own command ids repeat, so the time of the event distinguishes them. Within
   * one millisecond they share a span.
   */
  command: (traceId: string, commandId: string, at: number): string =>
    isOutsideCommand(commandId)
      ? spanIds.commandFromOutside(traceId, commandId)
      : spanIdOf(traceId, 'command', commandId, at),
  commandFromOutside: (traceId: string, commandId: string): string => spanIdOf(traceId, 'command', commandId),
  /**
   * The run of an attempt's agent, which a task's `traceparent` names. It is needed for every dispatch, traced or not,
   * so it uses the cheapest hash (FNV-1a, twice) of the names that are unique within the trace.
   */
  run: (stepId: string, attempt: number): string => {
    const name = `${stepId}/${attempt}`;
    let id = runs.get(name);
    if (id === undefined) {
      if (runs.size === MOST_RUNS) runs.clear();
      id = hex32(fnv32(name, FNV_BASIS)) + hex32(fnv32(name, FNV_PRIME));
      runs.set(name, id);
    }
    return id;
  },
} as const;
