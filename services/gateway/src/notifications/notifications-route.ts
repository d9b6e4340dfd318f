import type { InboxNotification, JsonObject, JsonValue } from '@batuta/contracts';
import type { Logger } from '@batuta/observability';
import { check } from '../dto/checked.js';
import { AckMessage, MAX_ACKS } from '../dto/ack.dto.js';
import { parseJsonText } from '../http/json-text.js';
import { Problem } from '../http/problem.js';
import { parseQuery } from '../http/query.js';
import { shownNotification } from '../callbacks/shown-callback.js';
import type { ClientSocket } from '../realtime/client-socket.js';
import { CLOSE, closeCodeOf } from '../realtime/close-codes.js';
import type { InboxFollower, InboxHub } from './inbox-hub.js';
import { queryObject } from '../executions/monitor-route.js';
import type { SocketRoute } from '../realtime/socket-server.js';

const MAX_MESSAGE_BYTES = 64 * 1024;
const PAGE = 100;
/** How many unacknowledged notifications one client may have. More follow when it acknowledges. */
const WINDOW = 1_000;
/** How many acknowledgements may wait to be stored. */
const MAX_WAITING = 10 * MAX_ACKS;

/**
 * `/ws/notifications`: the caller's inbox as `{"type":"notification", …}`, the oldest first, then live. The client
 * acknowledges with `{"type":"ack","ids":[…]}` and gets the confirmation `{"type":"acked","ids":[…]}`. Notifications
 * that are not acknowledged come again at the next connect.
 */
export function notificationsRoute(hub: InboxHub, logger: Logger): SocketRoute {
  return {
    action: 'notifications.follow',
    pattern: /^\/ws\/notifications$/,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    prepare({ query }) {
      parseQuery({}, queryObject(query));
      return Promise.resolve((socket) => new InboxClient(hub, logger, socket).run());
    },
  };
}

class InboxClient implements InboxFollower {
  readonly #hub: InboxHub;
  readonly #logger: Logger;
  readonly #socket: ClientSocket;
  /** Sent and not acknowledged yet. */
  readonly #sent = new Set<string>();
  #toRecord: string[] = [];
  #recording = false;
  #listing = false;
  #listAgain = false;
  /** The window was full, so there are more notifications. */
  #more = false;

  constructor(hub: InboxHub, logger: Logger, socket: ClientSocket) {
    this.#hub = hub;
    this.#logger = logger;
    this.#socket = socket;
  }

  run(): void {
    const hub = this.#hub;
    const socket = this.#socket;
    const { principal } = socket.identity;
    hub.follow(principal, this);
    socket.signal.addEventListener('abort', () => hub.unfollow(principal, this), { once: true });
    socket.ws.on('message', (data: Buffer) => this.#received(data));
    this.#list();
  }

  arrived(notification: InboxNotification | undefined): void {
    // While the inbox is listed, a newer notification must not overtake older ones.
    if (notification === undefined || this.#listing || this.#more) this.#list();
    else this.#send([notification]);
  }

  #list(): void {
    if (this.#listing) {
      this.#listAgain = true;
      return;
    }
    this.#listing = true;
    this.#listAll()
      .catch((error: unknown) => {
        // The next periodic listing catches up.
        if (!(error instanceof Problem && error.code === 'unavailable')) this.#fail(error);
      })
      .finally(() => {
        this.#listing = false;
        if (this.#listAgain && !this.#socket.closed) {
          this.#listAgain = false;
          this.#list();
        }
      });
  }

  async #listAll(): Promise<void> {
    const hub = this.#hub;
    const socket = this.#socket;
    // Otherwise a notification could be missed between the listing and the subscription.
    await hub.flush();
    let after: string | undefined;
    this.#more = false;
    while (!socket.closed) {
      const { notifications, more = false } = await hub.list(socket.identity.principal, PAGE, after);
      this.#send(notifications);
      after = notifications.at(-1)?.id;
      if (!more || after === undefined || this.#more) return;
      await socket.drained();
    }
  }

  #send(notifications: readonly InboxNotification[]): void {
    const fresh = notifications.filter(({ id }) => !this.#sent.has(id));
    const fitting = fresh.slice(0, WINDOW - this.#sent.size);
    if (fitting.length < fresh.length) this.#more = true;
    if (fitting.length === 0) return;
    for (const { id } of fitting) this.#sent.add(id);
    this.#socket.send(
      fitting.map((one) => Buffer.from(JSON.stringify({ type: 'notification', ...shownNotification(one) }))),
    );
  }

  #received(data: Buffer): void {
    try {
      const { ids } = check(AckMessage, parseJsonText(data));
      if (this.#toRecord.length + ids.length > MAX_WAITING) {
        this.#socket.close(CLOSE.tooSlow, 'too many acknowledgements at once');
        return;
      }
      this.#toRecord.push(...ids);
      this.#record();
    } catch (error) {
      this.#fail(error);
    }
  }

  #record(): void {
    if (this.#recording || this.#toRecord.length === 0 || this.#socket.closed) return;
    this.#recording = true;
    const ids = this.#toRecord.slice(0, MAX_ACKS);
    this.#toRecord = this.#toRecord.slice(MAX_ACKS);
    this.#hub
      .acknowledge(this.#socket.identity.principal, ids)
      .then((acked) => {
        for (const id of acked) this.#sent.delete(id);
        this.#sendJson({ type: 'acked', ids: acked });
        if (this.#more) this.#list();
      })
      // The client gets no confirmation, and gets the notifications again when it reconnects.
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#recording = false;
        this.#record();
      });
  }

  #fail(error: unknown): void {
    const problem = error instanceof Problem ? error : new Problem('internal', 'Something went wrong on our side.');
    if (problem !== error) this.#logger.error({ err: error }, 'notifications socket failed');
    this.#sendJson({ type: 'error', problem: problem.body() as unknown as JsonValue });
    this.#socket.close(closeCodeOf(problem.getStatus()), `${problem.code}: ${problem.detail}`);
  }

  #sendJson(value: JsonObject): void {
    this.#socket.send([Buffer.from(JSON.stringify(value))]);
  }
}
