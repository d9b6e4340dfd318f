import type { Event, ScheduleStreamEvent } from '@batuta/contracts';
import { isExecutionEvent } from '@batuta/event-store';
import type { LogReader, Snapshot, SnapshotStore } from '@batuta/event-store';
import {
  NO_SCHEDULE,
  REDUCER_VERSION,
  compile,
  decodeScheduleSnapshot,
  decodeSnapshot,
  evolve,
  evolveSchedule,
  initialState,
  isScheduleSnapshot,
} from '../domain/index.js';
import type { CompiledConfig, ScheduleState, State } from '../domain/index.js';
import type { ConfigRegistry } from './config-registry.js';
import { estimateBytes, estimateSnapshotBytes } from './partition.js';
import { isExecution } from './stream-state.js';
import type { StreamState } from './stream-state.js';

export interface FoldedStream {
  readonly state: StreamState;
  /** Estimate of its memory. */
  readonly bytes: number;
}

/** Where executions are read from. Without snapshots every one is folded from its first event. */
export interface ExecutionSource {
  readonly reader: LogReader;
  readonly configs: ConfigRegistry;
  readonly snapshots?: SnapshotStore | undefined;
}

/** What a deleted execution is folded with whose events before are removed: nothing of a config is asked any more. */
export const TOMBSTONE = compile({
  name: 'deleted',
  strategy: 'sequential',
  steps: [{ id: 'deleted', name: '', agent: '' }],
});

/** Events of one query when an execution's tail is read. */
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

/** Folds one execution's events. Throws when its config version cannot be had or the log is not contiguous. */
export async function foldExecution(configs: ConfigRegistry, events: readonly Event[]): Promise<State> {
  const [first] = events;
  // What came before it is removed, and so may its config be.
  if (first?.type === 'ExecutionDeleted') return events.reduce(evolve, initialState(TOMBSTONE));
  if (first?.type !== 'ExecutionStarted') throw new Error(`execution ${first?.executionId ?? ''} has no start`);
  const { configId, configVersion } = first.data;
  return foldTail(initialState(await configOf(configs, configId, configVersion)), events, evolve);
}

const evolveScheduleBy = (state: ScheduleState, event: Event): ScheduleState =>
  evolveSchedule(state, event as unknown as ScheduleStreamEvent);

/** Folds the events of a stream of any kind: its first event says which. Throws as `foldExecution`. */
export async function foldStream(configs: ConfigRegistry, events: readonly Event[]): Promise<StreamState> {
  const [first] = events;
  if (first === undefined || isExecutionEvent(first)) return foldExecution(configs, events);
  return foldTail(NO_SCHEDULE, events, evolveScheduleBy);
}

/** Events from a version on, up to `last`. */
async function readTail(reader: LogReader, id: string, from: number, last: number): Promise<Event[]> {
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

/** Undefined when the snapshot does not serve: it is not of this fold, or the log does not go that far. */
async function foldFromSnapshot(
  { reader, configs }: ExecutionSource,
  snapshot: Snapshot,
  last: number,
): Promise<FoldedStream | undefined> {
  const state = isScheduleSnapshot(snapshot.state)
    ? decodeScheduleSnapshot(snapshot.state)
    : decodeSnapshot(await configOf(configs, snapshot.configId, snapshot.configVersion), snapshot.state);
  if (state === undefined || state.version !== snapshot.version) return undefined;
  // Its own last event is read again: a log that was set back to before it must not be folded on top of it.
  const [known, ...tail] = await readTail(reader, snapshot.executionId, snapshot.version, last);
  if (known?.version !== snapshot.version) return undefined;
  const folded = isExecution(state) ? foldTail(state, tail, evolve) : foldTail(state, tail, evolveScheduleBy);
  return { state: folded, bytes: estimateSnapshotBytes(snapshot.state) + estimateBytes(tail) };
}

/** Streams folded from their newest snapshots, by id; those without one that serves are missing. */
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

/** One execution as it was after its event `atVersion`, or as it is; undefined when it has no events or is another stream. */
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
