import { LIMITS } from '@batuta/contracts';
import { isPlainResult, isTerminal } from '../../domain/index.js';
import type { ExecutionChanges } from '../lane/batch.js';
import type { Bus } from '../ports/ports.js';

/** Publishes the events of one execution in a commit: to those who follow it, and to who waits for its end. */
export function publishEvents(bus: Bus, { execution, state, events }: ExecutionChanges): void {
  const followed = bus.followed?.(execution.id) !== false && state.config.monitored;
  const endSubject = isTerminal(state.status) ? execution.endSubject : undefined;
  // Most commits are of an execution that nobody follows and that goes on.
  if (!followed && endSubject === undefined) return;
  const tenantId = state.started?.tenantId ?? '';
  const id = JSON.stringify(execution.id);
  const plain = isPlainResult(state) ? ',"plainResult":true' : '';
  const envelope = (some: typeof events, without: boolean): string => {
    const items = some.map(
      ({ stored, position }) =>
        `{"executionId":${id},"version":${stored.version},"type":"${stored.type}","at":${stored.at},"commandId":${JSON.stringify(stored.commandId)},"position":${position},"partition":${stored.partition},"data":${without ? '{}' : stored.data}}`,
    );
    return `{"executionId":${id},"tenantId":${JSON.stringify(tenantId)},"events":[${items.join(',')}]${without ? ',"withoutPayload":true' : ''}${plain}}`;
  };
  if (followed) bus.publishEvents(tenantId, execution.id, fitting(envelope, events));
  if (endSubject !== undefined) {
    execution.endSubject = undefined;
    bus.publishEnd?.(endSubject, fitting(envelope, events.slice(-1)));
  }
}

/** The message with its payloads, or without them when it would exceed the limit of such messages. */
function fitting<T>(envelope: (events: T, without: boolean) => string, events: T): string {
  const text = envelope(events, false);
  // A character has at most three bytes, so counting is needed only above a third of the limit.
  const large = text.length * 3 > LIMITS.publishedEventBytes && Buffer.byteLength(text) > LIMITS.publishedEventBytes;
  return large ? envelope(events, true) : text;
}
