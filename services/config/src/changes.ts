import { subjects } from '@batuta/contracts';
import type { ConfigChanged } from '@batuta/contracts';
import { Inject, Injectable } from '@nestjs/common';

/** The part of a NATS connection that publishing needs. */
export interface Publisher {
  publish(subject: string, payload: string): void;
}
export const PUBLISHER = Symbol('publisher');

/** Tells caches about changes, after the commit. A notice may be lost, because caches also expire by themselves. */
@Injectable()
export class Changes {
  readonly #publisher: Publisher;

  constructor(@Inject(PUBLISHER) publisher: Publisher) {
    this.#publisher = publisher;
  }

  announce(change: ConfigChanged): void {
    this.#publisher.publish(subjects.configChanged, JSON.stringify(change));
  }
}
