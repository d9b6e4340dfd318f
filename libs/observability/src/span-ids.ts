import { spanIdOf } from './tracing.js';

const FNV_PRIME = 0x01000193;
const FNV_BASIS = 0x811c9dc5;

function fnv32(text: string, basis: number): number {
  let hash = basis;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), FNV_PRIME);
  return hash >>> 0;
}

const hex32 = (value: number): string => value.toString(16).padStart(8, '0');

/** Executions of a config have the same attempts. */
const runs = new Map<string, string>();
const MOST_RUNS = 4_096;

/** Ids of the spans that more than one service refers to; all of them follow from what the execution's events name. */
export const spanIds = {
  /** The root of an execution's trace. */
  execution: (traceId: string): string => spanIdOf(traceId, 'execution'),
  /** The request that started an execution, by its command's id. It may be in another trace: that of its caller. */
  request: (traceId: string, commandId: string): string => spanIdOf(traceId, 'request', commandId),
  /** A command from outside, by its id. */
  command: (traceId: string, commandId: string): string => spanIdOf(traceId, 'command', commandId),
  /**
   * The run of an attempt's agent: what a task's `traceparent` names. Made for every dispatch, traced or not, so it is the
   * cheapest hash (FNV-1a, twice) of what is unique within the trace.
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
