import { EVENT_SCHEMAS, LIMITER_EVENT_SCHEMAS, SCHEDULE_EVENT_SCHEMAS } from '@batuta/contracts';
import type { ConsensusFailed, ConsensusReached, Event } from '@batuta/contracts';
import { StreamKinds, UnreadableEventError } from '@batuta/event-store';
import type { ChainedEvent, LogFilter, LogSelection, StoredEvent, StreamKind } from '@batuta/event-store';

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
const UPCASTERS: NonNullable<StreamKind['upcasters']> = {
  ConsensusReached: [ownOptions],
  ConsensusFailed: [ownOptions],
};

const EXECUTION = 'execution';

/** Every kind of streams in the log. */
export const STREAM_KINDS: readonly StreamKind[] = [
  { name: EXECUTION, types: Object.keys(EVENT_SCHEMAS), upcasters: UPCASTERS },
  { name: 'schedule', types: Object.keys(SCHEDULE_EVENT_SCHEMAS) },
  { name: 'limiter', types: Object.keys(LIMITER_EVENT_SCHEMAS) },
];

/** Whether an event belongs to an execution, and not to a stream of another kind. */
export function isExecutionEvent({ type }: { readonly type: string }): boolean {
  return Object.hasOwn(EVENT_SCHEMAS, type);
}

/** Whether an event belongs to a limiter. */
export function isLimiterEvent({ type }: { readonly type: string }): boolean {
  return Object.hasOwn(LIMITER_EVENT_SCHEMAS, type);
}

/** Selects the events of executions. */
export const OF_EXECUTIONS = { kind: EXECUTION } as const satisfies LogSelection;

/** Leaves out the starts of executions that name no callback_url. */
export const ONLY_CALLED_BACK_STARTS: LogFilter = {
  name: 'called-back-starts',
  sql: `type <> 'ExecutionStarted' OR data->>'callbackUrl' <> ''`,
  keeps: ({ type, data }) => type !== 'ExecutionStarted' || Boolean((data as { callbackUrl?: string }).callbackUrl),
};

const KINDS = new StreamKinds(STREAM_KINDS);

/** An event of a chain in the present form. @throws UnreadableEventError when this version does not know it. */
export function readableEvent(
  executionId: string,
  { version, type, at, commandId, partition, position, data }: ChainedEvent,
): Event {
  try {
    return {
      executionId,
      version,
      at,
      commandId,
      partition,
      position,
      ...KINDS.upcast({ type, data }),
    } as unknown as Event;
  } catch (error) {
    throw new UnreadableEventError(executionId, version, error);
  }
}
