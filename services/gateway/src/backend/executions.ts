import { subjects } from '@batuta/contracts';
import type { Accepted, ExecutionView, GetExecutionReply, JsonObject } from '@batuta/contracts';
import { onAbort } from '@batuta/messaging';
import { accepted, Problem } from '../http/problem.js';
import { isFinished, resultOfEnding, resultOfView } from '../http/result.js';
import type { ExecutionHub } from '../realtime/execution-hub.js';
import type { Leaving } from '../http/leaving.js';
import type { Backend } from './backend.js';
import type { ExecutionStarter, StartRequest } from './execution-starter.js';

export interface WaitOptions {
  /** Milliseconds; 0 does not wait. */
  readonly waitMs: number;
  /** The client, who may leave before the end. */
  readonly client?: Leaving;
}

/** A started execution, with its result when it ended within the wait. */
export interface Started {
  readonly executionId: string;
  readonly accepted: Accepted;
  readonly result: JsonObject | undefined;
}

/** Starts executions, waits for their end and asks what became of them. */
export class Executions {
  /** Lets everybody go who waits. */
  readonly #stop = new AbortController();

  constructor(
    private readonly backend: Backend,
    private readonly starter: ExecutionStarter,
    private readonly hub: ExecutionHub,
  ) {}

  get stopping(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Answers everybody who waits at once, and from now on nobody waits. */
  stopWaiting(): void {
    this.#stop.abort();
  }

  /** @throws Problem as `ExecutionStarter.start` does. */
  async start(request: StartRequest, wait: WaitOptions): Promise<Started> {
    const executionId = this.starter.executionId(request);
    if (wait.waitMs === 0) {
      return { executionId, accepted: await this.starter.start(executionId, request), result: undefined };
    }
    const { tenantId } = request.principal;
    // Listened to before the start, so that the end cannot come unheard.
    const end = this.hub.awaitEnd(tenantId, executionId, { told: true });
    try {
      const started = performance.now();
      const accepted = await this.starter.start(executionId, request, this.hub.endSubject);
      if (accepted.repeated === true) {
        if (isFinished(accepted.status)) {
          return { executionId, accepted, result: resultOfView(await this.view(tenantId, { executionId })) };
        }
        end.repeated();
      }
      const left = Math.max(1, wait.waitMs - (performance.now() - started));
      const ending = await this.#within(end.ended, left, wait.client);
      if (ending === undefined) return { executionId, accepted, result: undefined };
      const result =
        resultOfEnding(executionId, accepted.traceId, ending) ??
        resultOfView(await this.view(tenantId, { executionId }));
      return { executionId, accepted, result };
    } finally {
      end.release();
    }
  }

  /** The result of an execution, waiting up to `waitMs` for its end; the state it is in when that does not come. */
  async result(
    tenantId: string,
    executionId: string,
    wait: WaitOptions,
  ): Promise<{ finished: boolean; body: JsonObject }> {
    const end = wait.waitMs > 0 ? this.hub.awaitEnd(tenantId, executionId) : undefined;
    try {
      let view = await this.view(tenantId, { executionId });
      if (end !== undefined && !isFinished(view.status)) {
        const ending = await this.#within(end.ended, wait.waitMs, wait.client);
        if (ending !== undefined) {
          const body = resultOfEnding(executionId, view.traceId, ending);
          if (body !== undefined) return { finished: true, body };
        }
        if (wait.client?.gone !== true) view = await this.view(tenantId, { executionId });
      }
      return { finished: isFinished(view.status), body: resultOfView(view) };
    } finally {
      end?.release();
    }
  }

  /** One execution of the tenant, folded from its events (up to a version). @throws Problem not_found. */
  async view(
    tenantId: string,
    by: { executionId: string } | { traceId: string },
    atVersion?: number,
  ): Promise<ExecutionView> {
    const request = { tenantId, ...by, ...(atVersion === undefined ? {} : { atVersion }) };
    const reply = accepted(await this.backend.ask<GetExecutionReply>(subjects.query.get, request));
    if (reply.execution === undefined) throw new Problem('not_found', 'There is no such execution.');
    return reply.execution;
  }

  /** The value of a promise (that never rejects) when it comes within `ms` milliseconds, while the client is there. */
  #within<T>(promise: Promise<T>, ms: number, client: Leaving | undefined): Promise<T | undefined> {
    if (this.stopping || client?.gone === true) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const finish = (value: T | undefined): void => {
        clearTimeout(timer);
        forgetStop();
        client?.onGone(undefined);
        resolve(value);
      };
      const letGo = (): void => finish(undefined);
      const timer = setTimeout(letGo, ms);
      const forgetStop = onAbort(this.#stop.signal, letGo);
      client?.onGone(letGo);
      void promise.then(finish);
    });
  }
}
