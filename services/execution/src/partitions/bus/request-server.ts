import { TOKEN, headers as headerNames, subjects } from '@batuta/contracts';
import { serveLocally } from '@batuta/messaging';
import type { Logger } from '@batuta/observability';
import { headers, nuid } from '@nats-io/transport-node';
import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import type { EngineCounters } from '../ports/counters.js';
import type { PartitionRequest, RequestKind } from '../ports/ports.js';

const KINDS: ReadonlySet<string> = new Set<RequestKind>([
  'command',
  'message',
  'result',
  'check',
  'heartbeat',
  'output',
]);
const END = subjects.end('');

function endSubjectOf(meta: MsgHdrs | undefined): string | undefined {
  const subject = meta?.get(headerNames.end) ?? '';
  return subject.startsWith(END) && TOKEN.test(subject.slice(END.length)) ? subject : undefined;
}

interface RequestServerParts {
  readonly connection: NatsConnection;
  readonly logger: Logger;
  readonly counters: Pick<EngineCounters, 'natsIn' | 'natsOut'>;
}

/** Receives the requests to partitions of this process, from other processes and from this one. */
export class RequestServer {
  readonly #parts: RequestServerParts;

  constructor(parts: RequestServerParts) {
    this.#parts = parts;
  }

  /** Answers the requests to one partition. The result ends it. */
  partition(partition: number, handler: (request: PartitionRequest) => void): () => void {
    const { connection, counters, logger } = this.#parts;
    const subscription = connection.subscribe(`batuta.execution.${partition}.*`, {
      callback: (error, message) => {
        if (error !== null) return logger.error({ err: error, partition }, 'a request cannot be received');
        counters.natsIn += 1;
        const kind = message.subject.slice(message.subject.lastIndexOf('.') + 1);
        if (!KINDS.has(kind)) return;
        const endSubject = kind === 'command' ? endSubjectOf(message.headers) : undefined;
        handler({ kind: kind as RequestKind, payload: message.data, reply: this.#replyTo(message), endSubject });
      },
    });
    const ends = [...KINDS].map((kind) =>
      serveLocally(connection, `batuta.execution.${partition}.${kind}`, ({ payload, headers: meta, reply }) => {
        handler({ kind: kind as RequestKind, payload, reply, endSubject: endSubjectOf(meta) });
      }),
    );
    return () => {
      subscription.unsubscribe();
      for (const end of ends) end();
    };
  }

  /** Answers the results that runners send to this process, whatever their partitions. */
  owner(handler: (request: PartitionRequest) => void): { subject: string; stop: () => void } {
    const { connection, counters, logger } = this.#parts;
    const subject = subjects.ownerResult(nuid.next());
    const subscription = connection.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) return logger.error({ err: error, subject }, 'a request cannot be received');
        counters.natsIn += 1;
        handler({ kind: 'result', payload: message.data, reply: this.#replyTo(message) });
      },
    });
    const end = serveLocally(connection, subject, ({ payload, reply }) => {
      handler({ kind: 'result', payload, reply });
    });
    return {
      subject,
      stop: () => {
        subscription.unsubscribe();
        end();
      },
    };
  }

  #replyTo(message: Msg): PartitionRequest['reply'] {
    const { reply } = message;
    if (reply === undefined || reply === '') return undefined;
    const { connection, counters } = this.#parts;
    return (text, problem) => {
      if (connection.isClosed()) return;
      counters.natsOut += 1;
      if (problem === undefined) {
        connection.publish(reply, text);
        return;
      }
      // Error headers according to NATS ADR-32 (services).
      const meta = headers();
      meta.set('Nats-Service-Error-Code', '400');
      meta.set('Nats-Service-Error', problem.replaceAll(/[\r\n]+/g, ' ').slice(0, 500));
      connection.publish(reply, text, { headers: meta });
    };
  }
}
