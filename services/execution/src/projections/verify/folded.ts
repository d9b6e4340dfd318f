import type { Event } from '@batuta/contracts';
import { StreamKinds } from '@batuta/event-store';
import { evolve, initialState } from '../../domain/index.js';
import type { State } from '../../domain/index.js';
import { TOMBSTONE } from '../../partitions/lane/fold-execution.js';
import type { ConfigRegistry } from '../../partitions/ports/config-registry.js';
import { STREAM_KINDS } from '../../store/kinds.js';
import type { EventRow } from './stored.js';

const KINDS = new StreamKinds(STREAM_KINDS);

export interface Folded {
  readonly newest: State;
  readonly partition: number;
  readonly position: number;
  /** Only the event of the deletion is left. */
  readonly removed?: true;
  /** The states after the versions that stored data refer to. */
  readonly at: ReadonlyMap<number, State>;
}

/** The states of an execution that its events give, or the first mistake in them. */
export async function foldStored(
  configs: ConfigRegistry,
  id: string,
  rows: readonly EventRow[],
  versions: ReadonlySet<number>,
): Promise<Folded | string> {
  const [first] = rows;
  const last = rows.at(-1);
  if (first === undefined || last === undefined) return 'there are no events of this execution';
  const data = first.data as { configId?: string; configVersion?: number } | null;
  if (isTombstone(first)) return tombstoneOf(rows);
  if (first.type !== 'ExecutionStarted') return `its first event is ${first.type}, not ExecutionStarted`;
  const found = await configs.find(data?.configId ?? '', data?.configVersion ?? 0);
  if (found.kind !== 'found') {
    return `the copy of its config ${data?.configId ?? ''} version ${data?.configVersion ?? 0} is ${found.kind}`;
  }
  let state = initialState(found.config);
  let position = 0;
  const at = new Map<number, State>();
  for (const row of rows) {
    if (row.version !== state.version + 1) return `version ${row.version} comes after version ${state.version}`;
    if (row.partition !== first.partition) return `version ${row.version} lies in partition ${row.partition}`;
    if (Number(row.position) <= position) return `version ${row.version} has position ${row.position}`;
    position = Number(row.position);
    try {
      state = evolve(state, eventOf(row));
    } catch (error) {
      return `version ${row.version} cannot be folded: ${(error as Error).message}`;
    }
    if (versions.has(row.version)) at.set(row.version, state);
  }
  if (state.executionId !== id) return `its events are those of ${state.executionId}`;
  return { newest: state, partition: first.partition, position, at };
}

/** Whether it is the rest of a deleted execution. */
export function isTombstone({ type, version }: EventRow): boolean {
  return type === 'ExecutionDeleted' && version > 1;
}

/** A deletion by a policy or a user is not a fault, as long as it states the number of events. */
function tombstoneOf(rows: readonly EventRow[]): Folded | string {
  const state = rows.map(eventOf).reduce(evolve, initialState(TOMBSTONE));
  const [first] = rows;
  const events = state.deleted?.facts.events;
  if (first === undefined || rows.length > 1) {
    return `${rows.length - 1} events come after the one that says that it is deleted`;
  }
  if (events !== first.version - 1) return `${events} events are said to be deleted, version ${first.version} says it`;
  return { newest: state, partition: first.partition, position: Number(first.position), at: new Map(), removed: true };
}

function eventOf(row: EventRow): Event {
  const { type, data } = KINDS.upcast(row);
  return {
    executionId: row.execution_id,
    version: row.version,
    type,
    at: Number(row.at),
    commandId: row.command_id,
    position: Number(row.position),
    partition: row.partition,
    data,
  } as Event;
}
