import { partitionOf } from '@batuta/contracts';
import type { StreamMessage, StreamMessageReply } from '@batuta/contracts';
import type { Bus, Clock, PartitionRequest } from '../ports/ports.js';

export interface StreamSenderParts {
  readonly clock: Clock;
  readonly bus: Pick<Bus, 'askOwner'>;
  readonly partitionCount: () => number;
  /** Passes a request to the partition if this process owns it. Returns false if it does not. */
  readonly own: (partition: number, request: PartitionRequest) => boolean;
}

const RETRY_FIRST_MS = 50;
const RETRY_LONGEST_MS = 2_000;
/** A dropped request within this process gets no answer. */
const ANSWER_MS = 5_000;

/**
 * Delivers a message of one stream to another, until the other's owner has answered, which it does after its commit.
 * The message may arrive more than once. So its id is derived from its event, and a repeat is answered from the log.
 */
export class StreamSender {
  readonly #parts: StreamSenderParts;

  constructor(parts: StreamSenderParts) {
    this.#parts = parts;
  }

  /** The answer. Undefined when it was not `wanted` any more before an answer came. Never rejects. */
  async deliver(
    kind: 'command' | 'message',
    streamId: string,
    body: object,
    wanted: () => boolean,
  ): Promise<string | undefined> {
    const partition = partitionOf(streamId, this.#parts.partitionCount());
    const text = JSON.stringify(body);
    for (let attempt = 0; wanted(); attempt++) {
      const answer = await this.#once(kind, partition, text);
      if (answer !== undefined) return answer;
      await this.pause(Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt, 10)));
    }
    return undefined;
  }

  /** Sends a message to another stream, and repeats it when the stream cannot answer yet. Undefined as above. */
  async tell(message: StreamMessage, wanted: () => boolean): Promise<StreamMessageReply | undefined> {
    for (let attempt = 0; ; attempt++) {
      const text = await this.deliver('message', message.streamId, message, wanted);
      const reply = text === undefined ? undefined : (JSON.parse(text) as StreamMessageReply);
      if (reply?.outcome !== 'later') return reply;
      await this.pause(Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt, 10)));
    }
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.clock.after(ms, resolve);
    });
  }

  #once(kind: 'command' | 'message', partition: number, text: string): Promise<string | undefined> {
    const { bus, clock, own } = this.#parts;
    return new Promise((resolve) => {
      const cancel = clock.after(ANSWER_MS, () => resolve(undefined));
      const answered = (answer: string | undefined): void => {
        cancel();
        resolve(answer);
      };
      // Not at once, because the caller may be in the middle of handling a commit.
      clock.soon(() => {
        const here = own(partition, {
          kind,
          payload: text,
          reply: (answer, problem) => {
            answered(
              problem === undefined ? answer : JSON.stringify({ rejected: { code: 'internal', message: problem } }),
            );
          },
        });
        if (!here) void bus.askOwner(partition, kind, text).then(answered);
      });
    });
  }
}
