import { EVENT_SCHEMAS, SCHEDULE_EVENT_SCHEMAS } from '@batuta/contracts';
import type { ConsensusFailed, ConsensusReached, Event, EventType } from '@batuta/contracts';
import type { ChainedEvent } from './chain.js';

/** An event in the form in which some version of Batuta stored it. */
export interface StoredEvent {
  readonly type: string;
  readonly data: unknown;
}

/**
 * An event that this version cannot read, because a newer version wrote it or because it is not an event at all. Its
 * execution must not be folded.
 */
export class UnreadableEventError extends Error {
  override readonly name = 'UnreadableEventError';

  constructor(
    readonly executionId: string,
    version: number,
    cause: unknown,
  ) {
    super(`event ${executionId}/${version} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Converts an event of one stored type to the next newer form, and returns an event that has this form already
 * unchanged. It may change the type; the upcasters of the new type then follow. Pure: the same stored event always
 * gives the same event.
 */
export type Upcaster = (event: StoredEvent) => StoredEvent;

/**
 * Until 2026-11-21, candidates of `best` and `judge` with the same text of a vote shared an option. Their votes are not
 * compared, so each candidate gets an option of its own.
 */
function ownOptions(event: StoredEvent): StoredEvent {
  const data = event.data as ConsensusReached | ConsensusFailed;
  if (data.mode !== 'best' && data.mode !== 'judge') return event;
  let next = 0;
  const votes = data.votes?.map((vote) => (vote.option < 0 ? vote : { ...vote, option: next++ }));
  return { ...event, data: { ...data, votes } };
}

/**
 * Oldest first, by the type under which the log holds the event. Never remove one, because logs are kept without limit.
 */
const UPCASTERS: Readonly<Record<string, readonly Upcaster[]>> = {
  ConsensusReached: [ownOptions],
  ConsensusFailed: [ownOptions],
};

/**
 * Converts a stored event to the present form. Most events have it already and are returned unchanged. Throws for a
 * type that this version does not know, because this version must neither fold nor run its execution.
 */
export function upcast(
  stored: StoredEvent,
  upcasters: Readonly<Record<string, readonly Upcaster[]>> = UPCASTERS,
): { readonly type: EventType; readonly data: unknown } {
  let event = stored;
  for (let steps: readonly Upcaster[] | undefined = own(upcasters, event.type); steps !== undefined;) {
    const { type } = event;
    event = steps.reduce((before, step) => step(before), event);
    // A renamed event continues with the upcasters of its new type.
    steps = event.type === type ? undefined : own(upcasters, event.type);
  }
  if (!Object.hasOwn(EVENT_SCHEMAS, event.type) && !Object.hasOwn(SCHEDULE_EVENT_SCHEMAS, event.type)) {
    throw new Error(`event type ${event.type} is not one that this version of Batuta knows`);
  }
  return event as { readonly type: EventType; readonly data: unknown };
}

function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

/** Whether an event belongs to an execution, and not to a stream of another kind. */
export function isExecutionEvent({ type }: { readonly type: string }): boolean {
  return Object.hasOwn(EVENT_SCHEMAS, type);
}

/** An event of a chain in the present form. @throws UnreadableEventError when this version does not know it. */
export function readableEvent(
  executionId: string,
  { version, type, at, commandId, partition, position, data }: ChainedEvent,
): Event {
  try {
    return { executionId, version, at, commandId, partition, position, ...upcast({ type, data }) } as unknown as Event;
  } catch (error) {
    throw new UnreadableEventError(executionId, version, error);
  }
}
