import { setTimeout as delay } from 'node:timers/promises';
import { isNoResponders, RemoteError, UnavailableError, requestUntilAnswered } from '@batuta/messaging';
import type { ControlClient } from '@batuta/messaging';
import { headers as headerNames, partitionOf, subjects, ALL_OPERATIONS, operations } from '@batuta/contracts';
import type { CommandReply, CommandRequest, TopologyReply } from '@batuta/contracts';
import type { Logger } from '@batuta/observability';
import { headers } from '@nats-io/nats-core';
import type { MsgHdrs, NatsConnection } from '@nats-io/nats-core';
import { Problem } from '../http/problem.js';
import type { RequestTracing } from '../http/request-tracing.js';

/** Subjects of operations that only read, which may be asked twice. */
const READS: ReadonlySet<string> = new Set(ALL_OPERATIONS.filter(({ again }) => again).map(({ subject }) => subject));
const READ_AGAIN_MS = 750;
const READS_AT_MOST = 5;

interface BackendOptions {
  readonly nats: NatsConnection;
  readonly control: ControlClient;
  readonly logger: Logger;
  readonly queryTimeoutMs: number;
  readonly commandDeadlineMs: number;
  /** Undefined when tracing is off. */
  readonly requestTracing?: RequestTracing | undefined;
}

/** The services behind the gateway: queries to config and execution, commands to the engine. */
export class Backend {
  readonly #options: BackendOptions;
  readonly nats: NatsConnection;
  #partitions: number | undefined;
  #partitionsAsked: Promise<number> | undefined;
  /**
   * The headers of a command that only say where to report its end. They are the same for all commands of one gateway,
   * so they are kept.
   */
  #toldTo: { readonly endSubject: string; readonly headers: MsgHdrs } | undefined;

  constructor(options: BackendOptions) {
    this.#options = options;
    this.nats = options.nats;
  }

  /**
   * Asks a Nest message pattern. Repeats the request while no service is subscribed, because nothing can have happened
   * then. @throws Problem unavailable when no answer comes in time, internal when the other service failed.
   */
  async ask<Reply>(pattern: string, data: unknown, timeoutMs = this.#options.queryTimeoutMs): Promise<Reply> {
    try {
      return await this.probe<Reply>(pattern, data, timeoutMs);
    } catch (error) {
      throw this.#problem(pattern, error);
    }
  }

  /** Like `ask`, but throws the original error and does not log it. For health checks. */
  async probe<Reply>(pattern: string, data: unknown, timeoutMs: number): Promise<Reply> {
    const deadline = performance.now() + timeoutMs;
    for (let pause = 20; ; pause = Math.min(pause * 2, 250)) {
      const left = Math.max(1, deadline - performance.now());
      try {
        return await (READS.has(pattern)
          ? this.#read<Reply>(pattern, data, left)
          : this.#options.control.request<Reply>(pattern, data, { timeoutMs: left }));
      } catch (error) {
        const unserved = error instanceof UnavailableError && isNoResponders(error.cause);
        if (!unserved || performance.now() + pause >= deadline) throw error;
      }
      await delay(pause);
    }
  }

  /**
   * Repeats a read at intervals until an answer comes, because the replica that got it may be frozen. Takes the first
   * answer.
   */
  #read<Reply>(pattern: string, data: unknown, timeoutMs: number): Promise<Reply> {
    return new Promise((resolve, reject) => {
      let open = 0;
      let sent = 0;
      let timer: NodeJS.Timeout | undefined;
      const send = (): void => {
        const left = timeoutMs - sent * READ_AGAIN_MS;
        sent += 1;
        open += 1;
        timer = sent < READS_AT_MOST && left > READ_AGAIN_MS ? setTimeout(send, READ_AGAIN_MS) : undefined;
        this.#options.control.request<Reply>(pattern, data, { timeoutMs: left }).then(
          (reply) => {
            clearTimeout(timer);
            resolve(reply);
          },
          (error: unknown) => {
            open -= 1;
            const silent = error instanceof UnavailableError && !isNoResponders(error.cause);
            if (silent && (open > 0 || timer !== undefined)) return;
            clearTimeout(timer);
            reject(error);
          },
        );
      };
      send();
    });
  }

  /**
   * Sends a command to the owner of the execution's partition until it answers, which it does after the commit. For a
   * start, the owner also reports the execution's end to `endSubject`. @throws Problem unavailable when the engine does
   * not answer within the command deadline. The command may still take effect then; a repeat with the same id is safe.
   */
  async command(request: CommandRequest, endSubject?: string): Promise<CommandReply> {
    const partitions = this.#partitions ?? (await this.partitions());
    const subject = subjects.command(partitionOf(request.executionId, partitions));
    const traced = this.#options.requestTracing?.command(request);
    const meta = this.#headers(traced?.headers, endSubject);
    try {
      const reply = await requestUntilAnswered(this.nats, subject, JSON.stringify(request), {
        deadlineMs: this.#options.commandDeadlineMs,
        ...(meta === undefined ? {} : { headers: meta }),
      });
      const answer = reply.json<CommandReply>();
      traced?.answered(answer);
      return answer;
    } catch (error) {
      throw this.#problem(subject, error);
    }
  }

  #headers(traced: MsgHdrs | undefined, endSubject: string | undefined): MsgHdrs | undefined {
    if (endSubject === undefined) return traced;
    if (traced !== undefined) {
      traced.set(headerNames.end, endSubject);
      return traced;
    }
    if (this.#toldTo?.endSubject !== endSubject) {
      this.#toldTo = { endSubject, headers: headers() };
      this.#toldTo.headers.set(headerNames.end, endSubject);
    }
    return this.#toldTo.headers;
  }

  /** The number of partitions, which never changes after the first start of the platform. */
  async partitions(): Promise<number> {
    if (this.#partitions !== undefined) return this.#partitions;
    this.#partitionsAsked ??= this.ask<TopologyReply>(operations.engine.topology.subject, {})
      .then(({ partitions }) => {
        if (!Number.isInteger(partitions) || partitions < 1) throw new Error('the topology names no partitions');
        this.#partitions = partitions;
        return partitions;
      })
      .finally(() => {
        this.#partitionsAsked = undefined;
      });
    return this.#partitionsAsked;
  }

  #problem(target: string, error: unknown): unknown {
    if (error instanceof UnavailableError) {
      this.#options.logger.warn({ reason: error.message, target }, 'no answer from a service behind the gateway');
      const [, service = 'execution'] = target.split('.');
      return new Problem('unavailable', `The ${service} service does not answer right now; try again.`);
    }
    if (error instanceof RemoteError) {
      this.#options.logger.error({ err: error, target }, 'a service behind failed');
      return new Problem('internal', 'A service behind the gateway failed.');
    }
    return error;
  }
}
