import { subjects } from '@batuta/contracts';
import { serveLocally, textOf } from '@batuta/messaging';
import type { Logger } from '@batuta/observability';
import { nuid } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import type { DirectDispatch } from '../dispatch/direct-dispatch.js';
import { WaitingElsewhere } from '../dispatch/waiting-elsewhere.js';
import { WorkerSightings } from '../dispatch/worker-sightings.js';
import type { EngineCounters } from '../ports/counters.js';
import { systemClock } from '../ports/system-ports.js';
import { FollowedExecutions } from './followed-executions.js';
import { beatOf } from './runner-beat.js';

interface AnnouncementsParts {
  readonly connection: NatsConnection;
  readonly logger: Logger;
  readonly counters: Pick<EngineCounters, 'natsIn' | 'natsOut'>;
  readonly direct: DirectDispatch;
}

/**
 * What processes tell all owners, without an answer: gateways which executions they follow, owners how many tasks wait
 * with them, and runners in their beats what they hold.
 */
export class Announcements {
  readonly #parts: AnnouncementsParts;
  readonly followed = new FollowedExecutions(systemClock);
  readonly sightings = new WorkerSightings(systemClock);
  readonly elsewhere = new WaitingElsewhere(systemClock, nuid.next());
  readonly #endLocalFollow: () => void;

  constructor(parts: AnnouncementsParts) {
    this.#parts = parts;
    const { connection } = parts;
    this.#hear(subjects.waiting, 'what waits elsewhere cannot be heard', (text) => this.#heardWaiting(text));
    this.#hear(subjects.follow, 'followers cannot be heard', (text) => this.#heardFollower(text));
    this.#endLocalFollow = serveLocally(connection, subjects.follow, ({ payload }) =>
      this.#heardFollower(textOf(payload)),
    );
    this.#hear(subjects.runnerBeat('*'), 'beats of runners cannot be received', (text, subject) =>
      this.#heardBeat(text, subject),
    );
    connection.publish(subjects.runnerCall, '');
  }

  /** Tells other owners how many tasks wait here, if it is time, and forgets what was not heard again. */
  sweep(): void {
    const { connection, counters, direct } = this.#parts;
    this.followed.sweep();
    const text = this.elsewhere.notice(direct.waitingByPool(), direct.runningByTenant());
    if (text === undefined || connection.isClosed()) return;
    counters.natsOut += 1;
    connection.publish(subjects.waiting, text);
  }

  close(): void {
    this.#endLocalFollow();
  }

  #hear(subject: string, problem: string, heard: (text: string, subject: string) => void): void {
    const { connection, counters, logger } = this.#parts;
    connection.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) return logger.error({ err: error }, problem);
        counters.natsIn += 1;
        heard(message.string(), message.subject);
      },
    });
  }

  #heardBeat(text: string, subject: string): void {
    const beat = beatOf(text, subject.split('.')[2] ?? '');
    if (beat === undefined) return this.#parts.logger.warn({}, 'a beat of a runner cannot be read');
    this.#parts.direct.heard(beat);
    this.sightings.heard(beat);
  }

  #heardFollower(text: string): void {
    try {
      this.followed.heard(text);
    } catch (error) {
      this.#parts.logger.warn({ err: error }, 'what a follower wants cannot be read');
    }
  }

  #heardWaiting(text: string): void {
    try {
      this.elsewhere.heard(text);
    } catch (error) {
      this.#parts.logger.warn({ err: error }, 'what waits elsewhere cannot be read');
    }
  }
}
