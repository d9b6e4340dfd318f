import { subjects } from '@batuta/contracts';
import type { LifecycleNotice } from '@batuta/contracts';

/**
 * Notices within these milliseconds are sent as one message per tenant and type. A receiver reads the log for the rest.
 */
const WAKE_UP_MS = 5;
/** Most notices in one message. */
const WAKE_UP_NOTICES = 500;
/** Gathers the notices that services are woken with. */
export class LifecycleNotices {
  readonly #publish: (subject: string, text: string) => void;
  /** Notices to send soon, by subject. */
  readonly #waiting = new Map<string, LifecycleNotice[]>();

  constructor(publish: (subject: string, text: string) => void) {
    this.#publish = publish;
  }

  add(notice: LifecycleNotice): void {
    const subject = subjects.lifecycle(notice.tenantId, notice.type);
    if (this.#waiting.size === 0) setTimeout(() => this.flush(), WAKE_UP_MS);
    const waiting = this.#waiting.get(subject);
    if (waiting === undefined) this.#waiting.set(subject, [notice]);
    else waiting.push(notice);
  }

  flush(): void {
    const wakeUps = [...this.#waiting];
    this.#waiting.clear();
    for (const [subject, notices] of wakeUps) {
      for (let sent = 0; sent < notices.length; sent += WAKE_UP_NOTICES) {
        const [first, ...others] = notices.slice(sent, sent + WAKE_UP_NOTICES);
        this.#publish(subject, JSON.stringify(others.length === 0 ? first : { ...first, others }));
      }
    }
  }
}
