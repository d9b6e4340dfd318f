import { OUTPUT_START, placeText } from '@batuta/contracts';
import type { JsonObject, OutputPart, ReadStreamReply, StreamEnd, StreamPart } from '@batuta/contracts';

/** An item of a step's stream, and the place of a reader who has got it. */
export interface StreamItem {
  readonly attempt: number;
  /** Infinity means the end of the attempt. */
  readonly seq: number;
  readonly shown: JsonObject & { readonly type: string; readonly place: string; readonly text?: string };
}

/** A part as users see it. `start` means that earlier output of the same attempt is void. */
export function partItem(stepId: string, { attempt, seq, at, ...part }: StreamPart): StreamItem {
  const place = { attempt, seq };
  const base = { step_id: stepId, attempt, place: placeText(place), at: new Date(at).toISOString() };
  const { kind, text, id = '', name = '' } = part satisfies OutputPart;
  if (kind === OUTPUT_START) return { ...place, shown: { type: 'start', ...base } };
  const which = { ...(id === '' ? {} : { id }), ...(name === '' ? {} : { name }) };
  return { ...place, shown: { type: 'part', ...base, kind, text, ...which } };
}

/** The end of an attempt as users see it. `void` means that its output does not count. */
function endItem(stepId: string, { attempt, outcome, version = 0, failure }: StreamEnd): StreamItem {
  const place = { attempt, seq: Infinity };
  const isVoid = outcome === 'failed' || outcome === 'stopped';
  return {
    ...place,
    shown: {
      type: 'end',
      step_id: stepId,
      attempt,
      place: placeText(place),
      outcome,
      void: isVoid,
      ...(version === 0 ? {} : { version }),
      ...(failure === undefined ? {} : { code: failure.code, message: failure.message }),
    },
  };
}

/** Parts and ends of a reply in their order. The end of an attempt comes after its parts. */
export function itemsOf(stepId: string, { parts, ends }: Pick<ReadStreamReply, 'parts' | 'ends'>): StreamItem[] {
  const items = [...parts.map((part) => partItem(stepId, part)), ...ends.map((end) => endItem(stepId, end))];
  return items.sort((one, other) => one.attempt - other.attempt || (one.seq < other.seq ? -1 : 1));
}
