import { subjects, operations } from '@batuta/contracts';
import type { AckInboxReply, InboxNotice, InboxNotification, ListInboxReply, Principal } from '@batuta/contracts';
import type { Logger } from '@batuta/observability';
import type { Subscription } from '@nats-io/nats-core';
import type { Backend } from '../backend/backend.js';
import { accepted } from '../http/problem.js';

/** One client that follows a user's inbox. */
export interface InboxFollower {
  /** A notification that just came, or nothing when the inbox is to be listed. */
  arrived(notification: InboxNotification | undefined): void;
}

export interface InboxHubOptions {
  readonly backend: Backend;
  readonly logger: Logger;
  /** How often a followed inbox is listed without a notice, milliseconds: a notice may be lost. */
  readonly listEveryMs?: number;
}

interface Watch {
  readonly followers: Set<InboxFollower>;
  readonly subscription: Subscription;
  readonly timer: NodeJS.Timeout;
}

/** Follows the inboxes of the users who are connected, with one subscription a user. */
export class InboxHub {
  readonly #watches = new Map<string, Watch>();

  constructor(private readonly options: InboxHubOptions) {}

  follow({ tenantId, userId }: Principal, follower: InboxFollower): void {
    const subject = subjects.inbox(tenantId, userId);
    let watch = this.#watches.get(subject);
    if (watch === undefined) {
      const followers = new Set<InboxFollower>();
      const tell = (notification: InboxNotification | undefined): void => {
        for (const one of followers) one.arrived(notification);
      };
      const { backend, listEveryMs = 15_000 } = this.options;
      const subscription = backend.nats.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) tell(noticeOf(message.data)?.notification);
        },
      });
      const timer = setInterval(() => tell(undefined), listEveryMs);
      timer.unref();
      watch = { followers, subscription, timer };
      this.#watches.set(subject, watch);
    }
    watch.followers.add(follower);
  }

  unfollow({ tenantId, userId }: Principal, follower: InboxFollower): void {
    const subject = subjects.inbox(tenantId, userId);
    const watch = this.#watches.get(subject);
    if (watch === undefined) return;
    watch.followers.delete(follower);
    if (watch.followers.size > 0) return;
    clearInterval(watch.timer);
    watch.subscription.unsubscribe();
    this.#watches.delete(subject);
  }

  /** What the user has not acknowledged, after an id. @throws Problem. */
  async list(principal: Principal, limit: number, afterId: string | undefined): Promise<ListInboxReply> {
    return accepted(
      await this.options.backend.ask<ListInboxReply>(operations.notifications.list.subject, {
        principal,
        limit,
        afterId,
      }),
    );
  }

  /** Gives the ids that are the user's. @throws Problem. */
  async acknowledge(principal: Principal, ids: readonly string[]): Promise<string[]> {
    const reply = accepted(
      await this.options.backend.ask<AckInboxReply>(operations.notifications.acknowledge.subject, { principal, ids }),
    );
    return reply.ids ?? [];
  }

  /** Makes sure that the server knows the subscriptions made so far. */
  async flush(): Promise<void> {
    await this.options.backend.nats.flush();
  }
}

/** Undefined for what is no notice: then the inbox is listed. */
function noticeOf(data: Uint8Array): InboxNotice | undefined {
  try {
    return JSON.parse(Buffer.from(data).toString('utf8')) as InboxNotice;
  } catch {
    return undefined;
  }
}
