import { subjects, operations } from '@batuta/contracts';
import type { AckInboxReply, InboxNotice, InboxNotification, ListInboxReply, Principal } from '@batuta/contracts';
import type { Logger } from '@batuta/observability';
import type { Subscription } from '@nats-io/nats-core';
import type { Backend } from '../backend/backend.js';
import { accepted } from '../http/problem.js';

/** One client that follows a user's inbox. */
export interface InboxFollower {
  /** A new notification, or undefined when the inbox must be listed. */
  arrived(notification: InboxNotification | undefined): void;
}

interface InboxHubOptions {
  readonly backend: Backend;
  readonly logger: Logger;
  /** How often a followed inbox is listed without a notice, in milliseconds, because a notice may be lost. */
  readonly listEveryMs?: number;
}

interface Watch {
  readonly followers: Set<InboxFollower>;
  readonly subscription: Subscription;
  readonly timer: NodeJS.Timeout;
}

/** Follows the inboxes of the connected users, with one subscription for each user. */
export class InboxHub {
  readonly #options: InboxHubOptions;
  readonly #watches = new Map<string, Watch>();

  constructor(options: InboxHubOptions) {
    this.#options = options;
  }

  follow({ tenantId, userId }: Principal, follower: InboxFollower): void {
    const subject = subjects.inbox(tenantId, userId);
    let watch = this.#watches.get(subject);
    if (watch === undefined) {
      const followers = new Set<InboxFollower>();
      const tell = (notification: InboxNotification | undefined): void => {
        for (const one of followers) one.arrived(notification);
      };
      const { backend, listEveryMs = 15_000 } = this.#options;
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

  /** The user's open notifications after an id. @throws Problem. */
  async list(principal: Principal, limit: number, afterId: string | undefined): Promise<ListInboxReply> {
    return accepted(
      await this.#options.backend.ask<ListInboxReply>(operations.notifications.list.subject, {
        principal,
        limit,
        afterId,
      }),
    );
  }

  /** Acknowledges ids and returns those that belong to the user. @throws Problem. */
  async acknowledge(principal: Principal, ids: readonly string[]): Promise<string[]> {
    const reply = accepted(
      await this.#options.backend.ask<AckInboxReply>(operations.notifications.acknowledge.subject, { principal, ids }),
    );
    return reply.ids ?? [];
  }

  /** Waits until the server knows all subscriptions so far. */
  async flush(): Promise<void> {
    await this.#options.backend.nats.flush();
  }
}

/** Undefined when it is not a notice. Then the inbox is listed. */
function noticeOf(data: Uint8Array): InboxNotice | undefined {
  try {
    return JSON.parse(Buffer.from(data).toString('utf8')) as InboxNotice;
  } catch {
    return undefined;
  }
}
