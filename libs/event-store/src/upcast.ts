import { EVENT_SCHEMAS, SCHEDULE_EVENT_SCHEMAS } from '@batuta/contracts';
import type { ConsensusFailed, ConsensusReached, EventType } from '@batuta/contracts';

/** An event as some version of Batuta stored it. */
export interface StoredEvent {
  readonly type: string;
  readonly data: unknown;
}

/** An event that this version of Batuta cannot read: a newer one, or none at all, wrote it. Its execution must not be folded. */
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
 * Brings an event of one stored type one form further, and leaves alone what has that form already. May give it another
 * type, under which the upcasters of that type follow. Pure: the same stored event always becomes the same event.
 */
export type Upcaster = (event: StoredEvent) => StoredEvent;

/**
 * Until 2026-11-21 candidates of `best` and `judge` shared an option when their votes had the same text, although they are
 * not compared by their votes: each stands for itself.
 */
function ownOptions(event: StoredEvent): StoredEvent {
  const data = event.data as ConsensusReached | ConsensusFailed;
  if (data.mode !== 'best' && data.mode !== 'judge') return event;
  let next = 0;
  const votes = data.votes?.map((vote) => (vote.option < 0 ? vote : { ...vote, option: next++ }));
  return { ...event, data: { ...data, votes } };
}

/** Oldest first, by the type under which the log holds the event. Never remove one: logs are for ever. */
const UPCASTERS: Readonly<Record<string, readonly Upcaster[]>> = {
  ConsensusReached: [ownOptions],
  ConsensusFailed: [ownOptions],
};

/**
 * A stored event in today's form. Most have it already and come back as they are.
 * Throws for a type that this version does not know: it must not be folded, and so not be run, by this version.
 */
export function upcast(
  stored: StoredEvent,
  upcasters: Readonly<Record<string, readonly Upcaster[]>> = UPCASTERS,
): { readonly type: EventType; readonly data: unknown } {
  let event = stored;
  for (let steps: readonly Upcaster[] | undefined = own(upcasters, event.type); steps !== undefined;) {
    const { type } = event;
    event = steps.reduce((before, step) => step(before), event);
    // A renamed event goes on with the upcasters of its new name.
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

/** Whether an event is one of an execution, and not of a stream of another kind. */
export function isExecutionEvent({ type }: { readonly type: string }): boolean {
  return Object.hasOwn(EVENT_SCHEMAS, type);
}
