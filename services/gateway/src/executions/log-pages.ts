import type { ListEventsReply } from '@batuta/contracts';
import { accepted } from '../http/problem.js';
import { ServedEvent } from './served-event.js';

export interface LogPage {
  readonly events: readonly ServedEvent[];
  /** Whether the log has no more events after these. */
  readonly last: boolean;
}

/** Pages of one execution's log. Requests for the same page at the same time share one read. */
export class LogPages {
  readonly #read: (fromVersion: number) => Promise<ListEventsReply>;
  // Created only when needed: nobody reads the events of most executions.
  #reads: Map<number, Promise<LogPage>> | undefined;

  constructor(read: (fromVersion: number) => Promise<ListEventsReply>) {
    this.#read = read;
  }

  /** The page from a version on. Rejects with the problem when the log cannot be read. */
  from(version: number): Promise<LogPage> {
    const reads = (this.#reads ??= new Map<number, Promise<LogPage>>());
    let page = reads.get(version);
    if (page === undefined) {
      page = this.#read(version)
        .then((reply) => {
          const { events, nextVersion } = accepted(reply);
          return { events: events.map((event) => new ServedEvent(event)), last: (nextVersion ?? 0) === 0 };
        })
        .finally(() => reads.delete(version));
      reads.set(version, page);
    }
    return page;
  }
}
