import { StepAttemptSchema, StepViewSchema, toUserJson, operations } from '@batuta/contracts';
import type {
  Event,
  ExecutionView,
  GetExecutionReply,
  GetExecutionRequest,
  GetStepReply,
  JsonObject,
  JsonValue,
} from '@batuta/contracts';
import { onAbort } from '@batuta/messaging';
import { accepted, Problem } from '../http/problem.js';
import { isFinished, queuedSteps, resultOfEnding, resultOfView } from './result.js';
import type { ExecutionHub } from './execution-hub.js';
import type { Leaving } from '../http/leaving.js';
import type { Backend } from '../backend/backend.js';
import type { AcceptedStart, ExecutionStarter, StartRequest } from './execution-starter.js';
import { linkedView, readPayload } from './payloads.js';

interface WaitOptions {
  /** Milliseconds. 0 means not to wait. */
  readonly waitMs: number;
  /** The client, which may disconnect before the end. */
  readonly client?: Leaving;
}

interface ViewOptions {
  /** The state after the event with this version; the newest when absent. */
  readonly atVersion?: number | undefined;
  /** The wanted payloads; all when absent. */
  readonly payloads?: GetExecutionRequest['payloads'];
}

/** The parts of a view that a result needs. */
const RESULT: ViewOptions = { payloads: 'result' };
/** The same, with the state of the queue, because a client that waited in vain may want the reason. */
const WAITED: ViewOptions = { payloads: 'own' };

/** A started execution, with its result if it ended within the wait. */
interface Started {
  readonly executionId: string;
  readonly accepted: AcceptedStart;
  readonly result: JsonObject | undefined;
  /** After a wait without a result: the steps that no worker has taken. */
  readonly queued?: readonly JsonObject[];
}

/** Starts executions, waits for their end and reads their outcome. */
export class Executions {
  readonly #backend: Backend;
  readonly #starter: ExecutionStarter;
  readonly #hub: ExecutionHub;
  /** Ends every wait. */
  readonly #stop = new AbortController();

  constructor(backend: Backend, starter: ExecutionStarter, hub: ExecutionHub) {
    this.#backend = backend;
    this.#starter = starter;
    this.#hub = hub;
  }

  get stopping(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Answers all waiting requests at once. Later requests do not wait. */
  stopWaiting(): void {
    this.#stop.abort();
  }

  /** @throws Problem as `ExecutionStarter.start` does. */
  async start(request: StartRequest, wait: WaitOptions): Promise<Started> {
    const executionId = this.#starter.executionId(request);
    if (wait.waitMs === 0) {
      return { executionId, accepted: await this.#starter.start(executionId, request), result: undefined };
    }
    const { tenantId } = request.principal;
    // Listens before the start, so that the end cannot be missed.
    const end = this.#hub.awaitEnd(tenantId, executionId, { told: true });
    try {
      const started = performance.now();
      const accepted = await this.#starter.start(executionId, request, this.#hub.endSubject);
      if (accepted.repeated === true) {
        if (isFinished(accepted.status)) {
          return { executionId, accepted, result: resultOfView(await this.view(tenantId, { executionId }, RESULT)) };
        }
        end.repeated();
      }
      const left = Math.max(1, wait.waitMs - (performance.now() - started));
      const ending = await this.#within(end.ended, left, wait.client);
      if (ending === undefined) {
        const queued = wait.client?.gone === true ? [] : await this.#queued(tenantId, executionId);
        return { executionId, accepted, result: undefined, queued };
      }
      const result =
        resultOfEnding(executionId, accepted.traceId, ending) ??
        resultOfView(await this.view(tenantId, { executionId }, RESULT));
      return { executionId, accepted, result };
    } finally {
      end.release();
    }
  }

  /**
   * The result of an execution, after waiting up to `waitMs` for its end. The current state when it does not end in
   * time.
   */
  async result(
    tenantId: string,
    executionId: string,
    wait: WaitOptions,
  ): Promise<{ finished: boolean; body: JsonObject }> {
    const end = wait.waitMs > 0 ? this.#hub.awaitEnd(tenantId, executionId) : undefined;
    try {
      let view = await this.view(tenantId, { executionId }, RESULT);
      if (end !== undefined && !isFinished(view.status)) {
        const ending = await this.#within(end.ended, wait.waitMs, wait.client);
        if (ending !== undefined) {
          const body = resultOfEnding(executionId, view.traceId, ending);
          if (body !== undefined) return { finished: true, body };
        }
        if (wait.client?.gone !== true) view = await this.view(tenantId, { executionId }, WAITED);
      }
      return { finished: isFinished(view.status), body: resultOfView(view) };
    } finally {
      end?.release();
    }
  }

  /**
   * One execution of the tenant, computed from its events (up to a version). Large payloads of its steps are replaced
   * by links. Its own output is always included, except for lists. @throws Problem not_found.
   */
  async view(
    tenantId: string,
    by: { executionId: string } | { traceId: string },
    { atVersion, payloads }: ViewOptions = {},
  ): Promise<ExecutionView> {
    const request: GetExecutionRequest = {
      tenantId,
      ...by,
      ...(atVersion === undefined ? {} : { atVersion }),
      ...(payloads === undefined ? {} : { payloads }),
    };
    const reply = accepted(await this.#backend.ask<GetExecutionReply>(operations.executions.get.subject, request));
    if (reply.execution === undefined) throw new Problem('not_found', 'There is no such execution.');
    const { outputOmitted, ...execution } = reply.execution;
    const view = linkedView(execution);
    if (outputOmitted === undefined) return view;
    if (payloads === 'listed') return { ...view, outputOmitted };
    const { id: executionId, version } = view;
    const output = await readPayload(this.#backend, { tenantId, executionId, atVersion: version, payload: 'output' });
    return { ...view, output };
  }

  /** One step with its input, output and attempts, whatever their size. @throws Problem not_found, step_not_found. */
  async step(tenantId: string, executionId: string, stepId: string): Promise<JsonObject> {
    const reply = accepted(
      await this.#backend.ask<GetStepReply>(operations.executions.step.subject, { tenantId, executionId, stepId }),
    );
    const { version = 0, step, input, inputOmitted, attempts = [] } = reply;
    if (step === undefined) throw new Problem('step_not_found', `The execution has no step "${stepId}".`);
    const whole =
      inputOmitted === undefined
        ? input
        : await readPayload(this.#backend, { tenantId, executionId, atVersion: version, stepId, payload: 'input' });
    return {
      execution_id: executionId,
      version,
      ...toUserJson(StepViewSchema, step),
      ...(whole === undefined ? {} : { input: whole }),
      attempts: attempts.map((attempt) => toUserJson(StepAttemptSchema, attempt)),
    };
  }

  /**
   * The output of a step or consensus group, or null when there is none yet. @throws Problem not_found, step_not_found.
   */
  output(tenantId: string, executionId: string, stepId: string): Promise<JsonValue> {
    return readPayload(this.#backend, { tenantId, executionId, stepId, payload: 'output' });
  }

  /** One event with all of its data. @throws Problem not_found. */
  async event(tenantId: string, executionId: string, version: number): Promise<Event> {
    const request = { tenantId, executionId, atVersion: version, payload: 'event' } as const;
    return (await readPayload(this.#backend, request)) as unknown as Event;
  }

  /** The steps that wait for a worker. Empty when this cannot be read, because the execution has started anyway. */
  async #queued(tenantId: string, executionId: string): Promise<readonly JsonObject[]> {
    try {
      return queuedSteps(await this.view(tenantId, { executionId }, WAITED));
    } catch (error) {
      if (error instanceof Problem) return [];
      throw error;
    }
  }

  /**
   * The value of a promise (that never rejects) if it comes within `ms` milliseconds and the client is still connected.
   */
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
