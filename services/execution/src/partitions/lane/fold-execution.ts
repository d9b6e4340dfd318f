import type { Event, LimiterStreamEvent, ScheduleStreamEvent } from '@batuta/contracts';
import type { Snapshot, SnapshotStore } from '@batuta/event-store';
import { isExecutionEvent, isLimiterEvent } from '../../store/kinds.js';
import type { ExecutionReader } from '../../store/port.js';
import {
  NO_LIMITER,
  NO_SCHEDULE,
  REDUCER_VERSION,
  compile,
  decodeLimiterSnapshot,
  decodeScheduleSnapshot,
  decodeSnapshot,
  evolve,
  evolveLimiter,
  evolveSchedule,
  initialState,
  isLimiterSnapshot,
  isScheduleSnapshot,
} from '../../domain/index.js';
import type { CompiledConfig, LimiterState, ScheduleState, State } from '../../domain/index.js';
import type { ConfigRegistry } from '../ports/config-registry.js';
import { estimateBytes, estimateSnapshotBytes } from './partition.js';
import { isExecution } from './stream-state.js';
import type { StreamState } from './stream-state.js';

export interface FoldedStream {
  readonly state: StreamState;
  /** Estimate of its memory. */
  readonly bytes: number;
}

/** The sources for reading executions. Without snapshots each is computed from its first event. */
export interface ExecutionSource {
  readonly reader: ExecutionReader;
  readonly configs: ConfigRegistry;
  readonly snapshots?: SnapshotStore | undefined;
}

/** The config for a deleted execution, whose earlier events are removed. Nothing of it is used. */
export const TOMBSTONE = compile({
  name: 'deleted',
  strategy: 'sequential',
  steps: [{ id: 'deleted', name: '', agent: '' }],
});

/** Events per query when the tail of an execution is read. */
const TAIL_PAGE = 5_000;

async function configOf(configs: ConfigRegistry, configId: string, version: number): Promise<CompiledConfig> {
  const found = await configs.find(configId, version);
  if (found.kind !== 'found') {
    throw new Error(`config ${configId} version ${version} is ${found.kind}: its execution cannot be read`);
  }
  return found.config;
}

function foldTail<S extends StreamState>(state: S, events: readonly Event[], fold: (state: S, event: Event) => S): S {
  let folded = state;
  for (const event of events) {
    if (event.version !== folded.version + 1) {
      throw new Error(`execution ${event.executionId} has version ${event.version} after ${folded.version}`);
    }
    folded = fold(folded, event);
  }
  return folded;
}

/** Computes one execution from its events. Throws when its config version is not available or the log has a gap. */
export async function foldExecution(configs: ConfigRegistry, events: readonly Event[]): Promise<State> {
  const [first] = events;
  // The earlier events are removed, and its config may be too.
  if (first?.type === 'ExecutionDeleted') return events.reduce(evolve, initialState(TOMBSTONE));
  if (first?.type !== 'ExecutionStarted') throw new Error(`execution ${first?.executionId ?? ''} has no start`);
  const { configId, configVersion } = first.data;
  return foldTail(initialState(await configOf(configs, configId, configVersion)), events, evolve);
}

const evolveScheduleBy = (state: ScheduleState, event: Event): ScheduleState =>
  evolveSchedule(state, event as unknown as ScheduleStreamEvent);

const evolveLimiterBy = (state: LimiterState, event: Event): LimiterState =>
  evolveLimiter(state, event as unknown as LimiterStreamEvent);

/** Computes a stream of any kind from its events. Its first event shows the kind. Throws like `foldExecution`. */
export async function foldStream(configs: ConfigRegistry, events: readonly Event[]): Promise<StreamState> {
  const [first] = events;
  if (first === undefined || isExecutionEvent(first)) return foldExecution(configs, events);
  if (isLimiterEvent(first)) return foldTail(NO_LIMITER, events, evolveLimiterBy);
  return foldTail(NO_SCHEDULE, events, evolveScheduleBy);
}

/** Events from a version on, up to `last`. */
async function readTail(reader: ExecutionReader, id: string, from: number, last: number): Promise<Event[]> {
  const events: Event[] = [];
  for (let next = from; next <= last;) {
    const limit = Math.min(TAIL_PAGE, last - next + 1);
    const page = await reader.readEvents(id, next, limit);
    events.push(...page);
    if (page.length < limit) break;
    next += page.length;
  }
  return events;
}

/** Undefined when the snapshot cannot be used: another reducer version made it, or the log ends before it. */
async function foldFromSnapshot(
  { reader, configs }: ExecutionSource,
  snapshot: Snapshot,
  last: number,
): Promise<FoldedStream | undefined> {
  const state = isLimiterSnapshot(snapshot.state)
    ? decodeLimiterSnapshot(snapshot.state)
    : isScheduleSnapshot(snapshot.state)
      ? decodeScheduleSnapshot(snapshot.state)
      : decodeSnapshot(await configOf(configs, snapshot.configId, snapshot.configVersion), snapshot.state);
  if (state === undefined || state.version !== snapshot.version) return undefined;
  // The snapshot's last event is read again: if the log was reset to an earlier point, its new events must not be added
  // to the snapshot.
  const [known, ...tail] = await readTail(reader, snapshot.executionId, snapshot.version, last);
  if (known?.version !== snapshot.version) return undefined;
  return { state: foldMore(state, tail), bytes: estimateSnapshotBytes(snapshot.state) + estimateBytes(tail) };
}

function foldMore(state: StreamState, tail: readonly Event[]): StreamState {
  if (isExecution(state)) return foldTail(state, tail, evolve);
  return state.kind === 'limiter' ? foldTail(state, tail, evolveLimiterBy) : foldTail(state, tail, evolveScheduleBy);
}

/** Streams computed from their newest snapshots, by id. Streams without a usable snapshot are missing. */
export async function foldFromSnapshots(
  source: ExecutionSource,
  ids: readonly string[],
  last = Number.MAX_SAFE_INTEGER,
): Promise<Map<string, FoldedStream>> {
  const loaded = new Map<string, FoldedStream>();
  const { snapshots } = source;
  if (snapshots === undefined) return loaded;
  for (const [id, snapshot] of await snapshots.readSnapshots(ids, REDUCER_VERSION)) {
    if (snapshot.version > last) continue;
    const found = await foldFromSnapshot(source, snapshot, last);
    if (found !== undefined) loaded.set(id, found);
  }
  return loaded;
}

/**
 * One execution after its event `atVersion`, or its current state. Undefined when it has no events or is another kind
 * of stream.
 */
export async function readExecution(
  source: ExecutionSource,
  id: string,
  atVersion = Number.MAX_SAFE_INTEGER,
): Promise<State | undefined> {
  const found = (await foldFromSnapshots(source, [id], atVersion)).get(id);
  if (found !== undefined) return isExecution(found.state) ? found.state : undefined;
  const events = await readTail(source.reader, id, 1, atVersion);
  const [first] = events;
  return first === undefined || !isExecutionEvent(first) ? undefined : foldExecution(source.configs, events);
}
