import type { Event, Failure } from '@batuta/contracts';
import { spanIdOf, spanIds } from '@batuta/observability';
import type { FinishedSpan, SpanLink } from '@batuta/observability';
import { isOutsideCommand } from '../domain/index.js';
import type { Attributes } from './span-attributes.js';

/** A span that has begun. */
export interface OpenSpan {
  readonly spanId: string;
  readonly startAt: number;
  readonly name: string;
  readonly attributes: Attributes;
  readonly links: readonly SpanLink[];
}

/** The span of the command that caused an event. */
export function commandSpanId(traceId: string, commandId: string, at: number): string {
  // The engine's own command ids repeat, so the time distinguishes them. Within one millisecond they share a span.
  return isOutsideCommand(commandId)
    ? spanIds.command(traceId, commandId)
    : spanIdOf(traceId, 'command', commandId, at);
}

/** Makes the spans of one execution. */
export class SpanFactory {
  constructor(
    readonly executionId: string,
    readonly traceId: string,
  ) {}

  commandLink(event: Event): SpanLink {
    return { traceId: this.traceId, spanId: commandSpanId(this.traceId, event.commandId, event.at) };
  }

  span(
    name: string,
    spanId: string,
    parentSpanId: string | undefined,
    startAt: number,
    endAt: number,
    attributes: Attributes = {},
    extra: Pick<FinishedSpan, 'kind' | 'links'> & { readonly failure?: Failure | undefined } = {},
  ): FinishedSpan {
    const { failure, ...rest } = extra;
    return {
      traceId: this.traceId,
      spanId,
      ...(parentSpanId === undefined ? {} : { parentSpanId }),
      name,
      startAt,
      endAt: Math.max(startAt, endAt),
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
