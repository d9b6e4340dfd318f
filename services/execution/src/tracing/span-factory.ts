import type { Event, Failure } from '@batuta/contracts';
import { spanIds } from '@batuta/observability';
import type { FinishedSpan, SpanLink } from '@batuta/observability';
import type { Attributes } from './span-attributes.js';

/** A span that has begun. */
export interface OpenSpan {
  readonly spanId: string;
  readonly startAt: number;
  readonly name: string;
  readonly attributes: Attributes;
  readonly links: readonly SpanLink[];
}

/**
 * Milliseconds. Events have whole milliseconds, so those of one millisecond are put one after the other, `EVENT_MS` apart. What an
 * event begins starts at its time, and what it ends ends `END_MS` later. So each span has a length, and is inside its parent.
 */
export const EVENT_MS = 0.008;
const END_MS = 0.006;
/** More events of one execution than this have never been seen in a millisecond. */
const EVENTS_OF_A_MS = 100;
/** A time after that of each event of the same millisecond. The version tells how many there may be. */
export const afterEvents = (at: number, version: number): number => at + EVENT_MS * Math.min(version, EVENTS_OF_A_MS);
/** The shortest part of a span. */
export const PART_MS = 0.002;

/** Makes the spans of one execution. */
export class SpanFactory {
  constructor(
    readonly executionId: string,
    readonly traceId: string,
  ) {}

  commandLink(event: Event): SpanLink {
    return { traceId: this.traceId, spanId: spanIds.command(this.traceId, event.commandId, event.at) };
  }

  /** The end of what ends at this time. */
  endOf(at: number): number {
    return at + END_MS;
  }

  /** `endAt`: the time of the event that ends it, or with `exact` its end itself. */
  span(
    name: string,
    spanId: string,
    parentSpanId: string | undefined,
    startAt: number,
    endAt: number,
    attributes: Attributes = {},
    extra: Pick<FinishedSpan, 'kind' | 'links'> & {
      readonly failure?: Failure | undefined;
      readonly exact?: boolean;
    } = {},
  ): FinishedSpan {
    const { failure, exact = false, ...rest } = extra;
    return {
      traceId: this.traceId,
      spanId,
      ...(parentSpanId === undefined ? {} : { parentSpanId }),
      name,
      startAt,
      endAt: exact ? Math.max(startAt, endAt) : this.endOf(Math.max(startAt, endAt)),
      attributes: {
        'batuta.execution.id': this.executionId,
        ...attributes,
        // Messages of failures may quote the agent's data, so only the code leaves the platform.
        ...(failure === undefined ? {} : { 'error.type': failure.code }),
      },
      ...(failure === undefined ? {} : { error: failure.code }),
      ...rest,
    };
  }
}
