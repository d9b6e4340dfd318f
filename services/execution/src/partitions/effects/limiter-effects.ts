import type { LimiterStreamEvent, StreamMessage } from '@batuta/contracts';
import { isLimiterEffectWanted, limiterEffectsOf, wantedLimiterEffects } from '../../domain/index.js';
import type { LimiterEffect, LimiterState } from '../../domain/index.js';
import type { StreamChanges } from '../lane/batch.js';
import type { Input } from '../lane/inputs.js';
import type { EffectTicket, HotStream, Partition } from '../lane/partition.js';
import { recordOutcome } from '../lane/recorded-outcome.js';
import type { Clock } from '../ports/ports.js';
import type { StreamSender } from './stream-sender.js';

export interface LimiterEffectParts {
  readonly clock: Clock;
  readonly sender: Pick<StreamSender, 'tell'>;
  readonly submit: (partition: Partition, input: Input) => void;
}

type HotLimiter = HotStream<LimiterState>;

/** Performs the effects of limiters: tells executions about their places, on any owner. */
export class LimiterEffects {
  readonly #parts: LimiterEffectParts;

  constructor(parts: LimiterEffectParts) {
    this.#parts = parts;
  }

  /** Performs the effects of one limiter's events in a commit. */
  committed(changes: StreamChanges<LimiterState>, ticket: EffectTicket): void {
    const { execution: stream, state, events } = changes;
    for (const { event, stored, position, partition } of events) {
      const full = { ...stored, type: event.type, data: event.data, position, partition: partition.id };
      for (const effect of limiterEffectsOf(full as unknown as LimiterStreamEvent, state)) {
        void this.#tell(stream, effect, ticket);
      }
    }
  }

  /** Performs every effect again that a limiter still wants, after a takeover. */
  redo(stream: HotLimiter, ticket: EffectTicket): void {
    const state = stream.committed;
    if (state === undefined) return;
    ticket.open += 1;
    for (const effect of wantedLimiterEffects(state)) void this.#tell(stream, effect, ticket);
    stream.partition.close(ticket);
  }

  #wanted({ committed, partition }: HotLimiter, effect: LimiterEffect): boolean {
    return partition.owned && committed !== undefined && isLimiterEffectWanted(committed, effect);
  }

  /** Tells an execution about its place. If the execution does not need it, that becomes an event. */
  async #tell(stream: HotLimiter, effect: LimiterEffect, ticket: EffectTicket): Promise<void> {
    ticket.open += 1;
    stream.pendingEffects += 1;
    const { partition } = stream;
    const { holder, place } = effect;
    const message: StreamMessage = {
      streamId: holder,
      messageId: `${stream.id}/${place.order}`,
      from: stream.id,
      place,
    };
    const reply = await this.#parts.sender.tell(message, () => this.#wanted(stream, effect));
    const done = (): void => {
      stream.pendingEffects -= 1;
      partition.close(ticket);
    };
    if (reply === undefined || reply.outcome === 'recorded') return done();
    recordOutcome(this.#parts, partition, {
      wanted: () => this.#wanted(stream, effect),
      inputOf: (settled) => ({ kind: 'place_lost', executionId: stream.id, holder, order: place.order, settled }),
      done,
    });
  }
}
