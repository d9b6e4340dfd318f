import { operations } from '@batuta/contracts';
import type { OutputPlace, OutputPublished, ReadStreamReply, ReadStreamRequest } from '@batuta/contracts';
import type { Backend } from '../backend/backend.js';
import { Turns } from '../backend/turns.js';
import type { ExecutionHub } from '../executions/execution-hub.js';
import type { Follower } from '../executions/follower.js';
import type { ServedEvent } from '../executions/served-event.js';
import { accepted } from '../http/problem.js';
import type { OutputHub, OutputListener } from './output-hub.js';
import { StepStream } from './step-stream.js';
import type { StreamItem } from './stream-items.js';

/** Last number of a part that a request can name. */
const LAST = 2_147_483_647;
/** The owner learns of a new follower a moment later. So output from before that is looked for after these times, and then regularly. */
const LOOK_AGAIN_MS = [100, 1_000, 5_000];
const MOST_STEPS = 1_000;
/** Reads at a time for one client, because each read makes work for an engine. */
const MOST_READS = 4;

/** The receiver of the output of steps. */
interface StreamSink {
  readonly closed: boolean;
  send(items: readonly StreamItem[]): void;
  drained(): Promise<void>;
  /** Nothing more comes. */
  finished(): void;
  failed(error: unknown): void;
}

interface StreamFollowOptions {
  readonly backend: Pick<Backend, 'ask'>;
  readonly hub: ExecutionHub;
  readonly outputs: OutputHub;
  readonly tenantId: string;
  readonly executionId: string;
  /** Undefined means all steps, also those that have output only later. */
  readonly steps: readonly string[] | undefined;
  /** How far each was read before. */
  readonly places: ReadonlyMap<string, OutputPlace>;
  readonly sink: StreamSink;
}

/** Reads a step's stream behind a place. @throws Problem. */
export async function readStream(
  backend: Pick<Backend, 'ask'>,
  request: Omit<ReadStreamRequest, 'attempt' | 'after'>,
  { attempt, seq }: OutputPlace,
): Promise<ReadStreamReply> {
  const place = { attempt, after: seq === Infinity ? LAST : seq };
  const reply = await backend.ask<ReadStreamReply>(operations.executions.stream.subject, { ...request, ...place });
  return accepted({ ...reply, parts: reply.parts ?? [], ends: reply.ends ?? [] });
}

/** Gives one client the output of an execution's steps, from the place where the client was, until the steps are over. */
export class StreamFollow implements OutputListener {
  readonly #options: StreamFollowOptions;
  readonly #streams = new Map<string, StepStream>();
  readonly #events: Follower;
  #unlisten: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #reads = new Turns(MOST_READS);
  #looks = 0;
  /** No events come any more. */
  #ended = false;
  /** Everything was read since then. */
  #over = false;
  #stopped = false;

  constructor(options: StreamFollowOptions) {
    this.#options = options;
    this.#events = eventsFollower(options.sink, (events, ended) => this.#happened(events, ended));
  }

  /** Resolves when it is live, or is over. @throws Problem when the client may not see it. */
  async start(): Promise<void> {
    const { executionId, tenantId, steps, outputs, hub } = this.#options;
    const ask = { tenantId, executionId };
    const first = await readStream(
      this.#options.backend,
      { ...ask, ...(steps?.[0] === undefined ? {} : { stepId: steps[0], limit: 1 }) },
      { attempt: 0, seq: 0 },
    );
    if (this.#stopped) return;
    // Listens before anything is read, so that nothing is left out.
    this.#unlisten = outputs.listen(executionId, this);
    for (const step of steps ?? first.steps ?? []) this.#streamOf(step);
    this.#events.nextVersion = (first.version ?? 0) + 1;
    await Promise.all([...this.#streams.values()].map((stream) => stream.catchUp()));
    if (steps === undefined && first.over === true) this.#over = true;
    if (this.#finishIfOver()) return;
    await hub.follow(tenantId, executionId, this.#events);
    this.#lookAgain();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#unlisten?.();
    const { hub, tenantId, executionId } = this.#options;
    hub.unfollow(tenantId, executionId, this.#events);
  }

  heard(output: OutputPublished): void {
    const known = this.#streams.get(output.stepId);
    if (known !== undefined) known.heard(output);
    else if (this.#options.steps === undefined) this.#streamOf(output.stepId)?.heard(output);
  }

  missed(): void {
    void this.#catchUp();
  }

  #streamOf(stepId: string): StepStream | undefined {
    const known = this.#streams.get(stepId);
    if (known !== undefined || this.#streams.size >= MOST_STEPS) return known;
    const { places, sink, tenantId } = this.#options;
    const isStopped = (): boolean => this.#stopped;
    const stream = new StepStream(stepId, places.get(stepId), {
      read: (place) => this.#reads.take(tenantId, () => this.#read(stepId, place)),
      deliver: (items) => sink.send(items),
      drained: () => sink.drained(),
      get closed() {
        return isStopped() || sink.closed;
      },
      failed: (error) => sink.failed(error),
    });
    this.#streams.set(stepId, stream);
    return stream;
  }

  /** The client is gone, so reads that still wait are not wanted. */
  async #read(stepId: string, place: OutputPlace): Promise<ReadStreamReply> {
    const { backend, tenantId, executionId, sink } = this.#options;
    if (this.#stopped || sink.closed) return { parts: [], ends: [] };
    return readStream(backend, { tenantId, executionId, stepId }, place);
  }

  /** Events say that attempts have ended. Their output is stored by then. */
  #happened(events: readonly ServedEvent[], ended: boolean): void {
    if (ended) {
      this.#ended = true;
      void this.#catchUp();
      return;
    }
    for (const { event } of events) {
      const { stepId = '' } = event.data as { stepId?: string };
      if (event.type !== 'StepScheduled' && event.type !== 'StepProgressed') void this.#catchUpWith(stepId);
    }
  }

  async #catchUpWith(stepId: string): Promise<void> {
    const stream = this.#streams.get(stepId);
    if (stream === undefined) return;
    await stream.catchUp();
    this.#finishIfOver();
  }

  async #catchUp(): Promise<void> {
    const { backend, tenantId, executionId, steps, sink } = this.#options;
    const ended = this.#ended;
    try {
      if (steps === undefined) {
        const listed = await readStream(backend, { tenantId, executionId }, { attempt: 0, seq: 0 });
        for (const step of listed.steps ?? []) this.#streamOf(step);
      }
      await Promise.all([...this.#streams.values()].filter(({ over }) => !over || ended).map((one) => one.catchUp()));
      // Only now, because a step that was read first must not end the stream before the others are read.
      this.#over ||= ended;
      this.#finishIfOver();
    } catch (error) {
      if (!this.#stopped) sink.failed(error);
    }
  }

  #finishIfOver(): boolean {
    const { steps, sink } = this.#options;
    const over = this.#over || (steps !== undefined && [...this.#streams.values()].every((stream) => stream.over));
    if (!over || this.#stopped) return this.#stopped;
    this.stop();
    sink.finished();
    return true;
  }

  #lookAgain(): void {
    if (this.#stopped) return;
    const ms = LOOK_AGAIN_MS[Math.min(this.#looks, LOOK_AGAIN_MS.length - 1)] ?? 0;
    this.#looks += 1;
    this.#timer = setTimeout(() => {
      void this.#catchUp().finally(() => this.#lookAgain());
    }, ms);
    this.#timer.unref();
  }
}

function eventsFollower(
  sink: StreamSink,
  happened: (events: readonly ServedEvent[], ended: boolean) => void,
): Follower {
  return {
    nextVersion: 1,
    deliver(events, ended) {
      const last = events.at(-1);
      if (last !== undefined) this.nextVersion = last.version + 1;
      happened(events, ended);
    },
    nothingMore: () => happened([], true),
    drained: () => Promise.resolve(),
    get closed() {
      return sink.closed;
    },
  };
}
