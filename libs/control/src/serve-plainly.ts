import { serveLocally, textOf } from '@batuta/messaging';
import type { Log } from '@batuta/messaging';
import type { AnyOperation, Principal, ReplyOf, RequestOf } from '@batuta/contracts';
import type { NatsConnection } from '@nats-io/nats-core';
import { answerOperation } from './serve-operations.js';

export interface PlainServer {
  readonly nats: NatsConnection;
  /** Replicas share it, so that each request is answered once. */
  readonly queue: string;
  readonly logger: Pick<Log, 'error'>;
}

/**
 * Answers an operation over NATS without a Nest microservice, for a service that answers few of them. Call the returned
 * function to stop.
 */
export function serveOperation<O extends AnyOperation>(
  { nats, queue, logger }: PlainServer,
  operation: O,
  answer: (request: RequestOf<O>) => Promise<ReplyOf<O>>,
): () => void {
  const handle = async (text: string): Promise<string> => {
    const { data, id } = JSON.parse(text) as { data: RequestOf<O> & { principal?: Principal }; id: string };
    try {
      const response = await answerOperation(operation, data, () => answer(data));
      return JSON.stringify({ response, isDisposed: true, id });
    } catch (error) {
      logger.error({ err: error, subject: operation.subject }, 'a request could not be answered');
      return JSON.stringify({ err: 'failed', isDisposed: true, id });
    }
  };
  const subscription = nats.subscribe(operation.subject, {
    queue,
    callback: (error, message) => {
      if (error === null) void handle(message.string()).then((text) => message.respond(text));
    },
  });
  const end = serveLocally(nats, operation.subject, ({ payload, reply }) => {
    void handle(textOf(payload)).then((text) => reply?.(text));
  });
  return () => {
    end();
    if (!nats.isClosed()) subscription.unsubscribe();
  };
}
