import type { CallToolResult } from '@modelcontextprotocol/server';
import type { Event, JsonObject } from '@batuta/contracts';
import type { ExecutionHub } from '../executions/execution-hub.js';
import type { Executions } from '../executions/executions.js';
import type { Follower } from '../executions/follower.js';
import { isFinished } from '../executions/result.js';
import type { RestAnswer, RestCaller, RestCalls } from './rest-calls.js';
import type { Runnable } from './run-tools.js';
import { executionLink, refusedResult } from './tool-results.js';

const EXECUTIONS = '/api/v1/orchestrations/executions';
/** One wait for a result. The key is checked again with each. */
const WAIT_MS = 10_000;
/** Most progress notifications are of no use to a human, and a slow client must not pile them up. */
const PROGRESS_EVERY_MS = 200;

export interface RunOptions {
  readonly rest: RestCalls;
  readonly hub: ExecutionHub;
  readonly executions: Pick<Executions, 'stopping'>;
  /** After this time the call is answered while the execution runs on. */
  readonly waitMs: number;
  /** Whether a cancelled call cancels the execution that it started. */
  readonly cancels: boolean;
}

/** A call of a tool that runs a config or an agent. */
export interface RunCall {
  readonly caller: RestCaller;
  readonly tenantId: string;
  /** `http://host:port`, for links. */
  readonly base: string;
  readonly runnable: Runnable;
  readonly args: JsonObject;
  readonly key: string | undefined;
  /** Aborted when the client wants no answer any more. */
  readonly gone: AbortSignal;
  /** Whether a client that is gone has cancelled the call. */
  readonly goneCancels: boolean;
  /** Undefined when the client wants no progress. */
  readonly progress: ((version: number, message: string) => Promise<void>) | undefined;
  readonly started: (executionId: string) => void;
}

/** Starts what the tool runs, reports its progress and waits for its result. */
export async function runTool(options: RunOptions, call: RunCall): Promise<CallToolResult> {
  const { rest, hub, waitMs } = options;
  const { caller, runnable, args, key, tenantId } = call;
  const until = performance.now() + waitMs;
  const started = await rest.call(caller, runnable.start(args, key));
  const executionId = started.body?.['execution_id'];
  if (!started.ok || typeof executionId !== 'string') return refusedResult(started);
  call.started(executionId);
  const progress = call.progress === undefined ? undefined : new ProgressFollower(call.progress);
  const followed = progress === undefined ? undefined : hub.follow(tenantId, executionId, progress);
  // The result says what went wrong. Progress is only shown.
  followed?.catch(() => undefined);
  try {
    const answer = await resultOf(options, call, executionId, until);
    await progress?.flush();
    if (call.gone.aborted && call.goneCancels) await cancelRun(options, caller, executionId);
    return shownResult(answer, executionId, call.base);
  } finally {
    progress?.close();
    if (progress !== undefined) hub.unfollow(tenantId, executionId, progress);
  }
}

async function resultOf(
  { rest, executions }: RunOptions,
  { caller, gone }: RunCall,
  executionId: string,
  until: number,
): Promise<RestAnswer> {
  for (;;) {
    const left = Math.ceil(until - performance.now());
    const goesOn = left > 0 && !gone.aborted && !executions.stopping;
    const wait = goesOn ? `?wait=${Math.min(left, WAIT_MS)}ms` : '';
    const asked = { method: 'GET', url: `${EXECUTIONS}/${executionId}/result${wait}` } as const;
    const answer = await unlessGone(gone, rest.call(caller, asked));
    // When the client is gone, one more read without a wait finds whether the execution has ended.
    if (answer === undefined) continue;
    if (!goesOn || !answer.ok || isFinished(statusOf(answer))) return answer;
  }
}

/** The value, or undefined as soon as the client is gone. A client that was gone before waits for the value. */
async function unlessGone<T>(gone: AbortSignal, value: Promise<T>): Promise<T | undefined> {
  if (gone.aborted) return value;
  let leave: (() => void) | undefined;
  const left = new Promise<undefined>((resolve) => {
    leave = () => resolve(undefined);
    gone.addEventListener('abort', leave, { once: true });
  });
  // The answer to nobody must not become an unhandled rejection.
  value.catch(() => undefined);
  try {
    return await Promise.race([value, left]);
  } finally {
    if (leave !== undefined) gone.removeEventListener('abort', leave);
  }
}

/** Cancels what a cancelled call has started, if the operator wants that. An execution that has ended stays as it is. */
export async function cancelRun(
  { rest, cancels }: Pick<RunOptions, 'rest' | 'cancels'>,
  caller: RestCaller,
  executionId: string,
): Promise<boolean> {
  if (!cancels) return false;
  const answer = await rest.call(caller, {
    method: 'POST',
    url: `${EXECUTIONS}/${executionId}/cancel`,
    body: { reason: 'the MCP client cancelled its call' },
  });
  return answer.ok;
}

/** The status in an answer about an execution. */
function statusOf({ body }: RestAnswer): string {
  const { status } = body ?? {};
  return typeof status === 'string' ? status : 'running';
}

function shownResult(answer: RestAnswer, executionId: string, base: string): CallToolResult {
  const { body } = answer;
  if (!answer.ok || body === undefined) return refusedResult(answer);
  const { output, failure } = body;
  const status = statusOf(answer);
  const link = executionLink(base, executionId);
  const structured: JsonObject = {
    execution_id: executionId,
    status,
    ...(output === undefined ? {} : { output }),
    ...(failure === undefined || failure === null ? {} : { failure }),
  };
  if (status === 'completed') {
    return {
      structuredContent: structured,
      content: [{ type: 'text', text: typeof output === 'string' ? output : JSON.stringify(output ?? null) }, link],
    };
  }
  const ended = isFinished(status);
  const text = ended
    ? `The execution ${executionId} is ${status}. ${JSON.stringify(failure ?? null)}`
    : `The execution ${executionId} is ${status} and goes on. Ask for its result with executions_result, execution id ${executionId} and wait 30s.`;
  return { isError: ended, structuredContent: structured, content: [{ type: 'text', text }, link] };
}

/** What a human wants to know of a step. Other events are no progress. */
const SHOWN: Readonly<Record<string, string>> = {
  StepScheduled: 'is scheduled',
  StepCompleted: 'is completed',
  StepAttemptFailed: 'failed an attempt',
  StepFailed: 'has failed',
  StepSkipped: 'is skipped',
  StepReused: 'is taken over',
  ApprovalRequested: 'waits for an approval',
  ApprovalDecided: 'is decided',
  WaitStarted: 'waits',
  SignalAwaited: 'waits for a signal',
  SignalReceived: 'got its signal',
  ModelAnswered: 'got an answer of its model',
  ToolCalled: 'called a tool',
};

/** Tells the newest event of an execution, at most five times a second. The version of the event grows with each. */
class ProgressFollower implements Follower {
  readonly #tell: (version: number, message: string) => Promise<void>;
  nextVersion = 1;
  closed = false;
  #newest: { readonly version: number; readonly message: string } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(tell: (version: number, message: string) => Promise<void>) {
    this.#tell = tell;
  }

  deliver(events: readonly { readonly event: Event }[]): void {
    for (const { event } of events) {
      this.nextVersion = event.version + 1;
      const { stepId } = event.data as { readonly stepId?: string };
      const what = SHOWN[event.type];
      const message =
        event.type === 'ExecutionStarted'
          ? `execution ${event.executionId} has started`
          : what === undefined || stepId === undefined
            ? undefined
            : `step ${stepId} ${what}`;
      if (message !== undefined) this.#newest = { version: event.version, message };
    }
    if (this.#newest !== undefined) {
      this.#timer ??= setTimeout(() => void this.flush(), PROGRESS_EVERY_MS);
    }
  }

  nothingMore(): void {
    this.closed = true;
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  /** Tells at once what was not told yet. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const newest = this.#newest;
    this.#newest = undefined;
    if (newest === undefined || this.closed) return;
    // A client that is gone needs no progress, and the end of its call is handled elsewhere.
    await this.#tell(newest.version, newest.message).catch(() => undefined);
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.#timer);
  }
}
