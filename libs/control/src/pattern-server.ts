import type { NatsConnection, Subscription } from '@nats-io/nats-core';
import { ServerNats } from '@nestjs/microservices';
import type { NatsOptions } from '@nestjs/microservices';

/** Nest's server of message patterns over NATS. It also exposes its subscriptions. */
export class PatternServer extends ServerNats {
  readonly #bound: Subscription[] = [];

  constructor(options: NonNullable<NatsOptions['options']>) {
    super(options as Required<NatsOptions>['options']);
  }

  /** Its subscriptions, one per pattern. Empty before it listens. */
  get bound(): readonly Subscription[] {
    return this.#bound;
  }

  override bindEvents(client: NatsConnection): void {
    super.bindEvents({
      subscribe: (...subscribed: Parameters<NatsConnection['subscribe']>) => {
        const subscription = client.subscribe(...subscribed);
        this.#bound.push(subscription);
        return subscription;
      },
    });
  }
}
