import { describe, expect, it } from '@jest/globals';
import type { OutputPublished, ReadStreamReply, ReadStreamRequest } from '@batuta/contracts';
import { eventually } from '@batuta/testing';
import type { ExecutionHub } from '../executions/execution-hub.js';
import type { Follower } from '../executions/follower.js';
import { Problem } from '../http/problem.js';
import { parseQuery } from '../http/query.js';
import type { OutputHub, OutputListener } from './output-hub.js';
import { StreamFollow } from './stream-follow.js';
import { QUERY } from './stream-route.js';

/** What it says is read in so many pages as it has parts. */
const LONG = 'q19';
const named = (count: number): string[] => Array.from({ length: count }, (_, place) => `q${place}`);

/** An execution with a follower; each read takes until the test answers it, or a turn of the event loop. */
class Followed {
  readonly asked: string[] = [];
  readonly given: string[] = [];
  atOnce = 0;
  most = 0;
  finished = false;
  /** Steps that have said something. */
  said: string[] = [];
  over = false;
  /** Reads wait for it. */
  held: Promise<void> | undefined;
  events: Follower | undefined;
  listener: OutputListener | undefined;
  readonly follow: StreamFollow;

  constructor(steps: readonly string[] | undefined) {
    this.follow = new StreamFollow({
      backend: { ask: (_subject, request) => this.#answer(request as unknown as ReadStreamRequest) as never },
      hub: {
        follow: (_tenant: string, _execution: string, events: Follower) => {
          this.events = events;
          return Promise.resolve();
        },
        unfollow: () => undefined,
      } as unknown as ExecutionHub,
      outputs: {
        listen: (_execution: string, listener: OutputListener) => {
          this.listener = listener;
          return () => undefined;
        },
      } as unknown as OutputHub,
      tenantId: 't',
      executionId: 'e',
      steps,
      places: new Map(),
      sink: {
        closed: false,
        send: (items) =>
          this.given.push(...items.map(({ shown }) => `${shown['step_id'] as string} ${shown.text ?? ''}`)),
        drained: () => Promise.resolve(),
        finished: () => {
          this.finished = true;
        },
        failed: (error) => {
          throw error;
        },
      },
    });
  }

  async #answer({ stepId = '', attempt = 0, after = 0, limit }: ReadStreamRequest): Promise<ReadStreamReply> {
    if (stepId === '') return { parts: [], ends: [], steps: this.said, over: this.over, version: 1 };
    if (limit !== 1) this.asked.push(stepId);
    this.atOnce += 1;
    this.most = Math.max(this.most, this.atOnce);
    await new Promise(setImmediate);
    if (limit !== 1) await this.held;
    this.atOnce -= 1;
    const seq = (attempt === 0 ? 0 : after) + 1;
    const last = !this.said.includes(stepId) ? 0 : stepId === LONG ? 9 : 1;
    const parts = seq <= last ? [{ kind: 'text', text: `${seq}`, attempt: 1, seq, at: 1 }] : [];
    if (seq < last) return { parts, ends: [], more: true, version: 1 };
    return { parts, ends: [], over: this.over, version: 1 };
  }
}

describe('a follower of the output of steps', () => {
  it('reads few steps at a time, at first and whenever it looks again', async () => {
    const followed = new Followed(named(20));
    await followed.follow.start();
    expect([followed.asked.length, followed.most]).toEqual([20, 4]);
    followed.listener?.missed();
    await eventually(() => followed.asked.length >= 40 && followed.atOnce === 0, { describe: 'all are read again' });
    followed.follow.stop();
    expect(followed.most).toBe(4);
  });

  it('reads only the steps that have output when it follows all steps', async () => {
    const followed = new Followed(undefined);
    followed.said = ['q7'];
    await followed.follow.start();
    followed.listener?.heard({
      stepId: 'q9',
      attempt: 1,
      from: 1,
      parts: [{ kind: 'text', text: 'x' }],
      at: 1,
    } satisfies OutputPublished);
    followed.listener?.missed();
    await eventually(() => followed.asked.length >= 3, { describe: 'both are read' });
    followed.follow.stop();
    expect(new Set(followed.asked)).toEqual(new Set(['q7', 'q9']));
  });

  it('does not read steps that wait for their turn when the client is gone', async () => {
    const followed = new Followed(named(20));
    let release = (): void => undefined;
    followed.held = new Promise((resolve) => {
      release = resolve;
    });
    const started = followed.follow.start();
    await eventually(() => followed.asked.length >= 4, { describe: 'it reads' });
    followed.follow.stop();
    release();
    await started;
    expect(followed.asked).toHaveLength(4);
  });

  it('delivers all output of the steps before it finishes, also when one step was read earlier', async () => {
    const steps = named(20);
    const followed = new Followed(steps);
    await followed.follow.start();
    followed.said = [...steps];
    followed.over = true;
    followed.events?.deliver([], true);
    followed.events?.deliver(
      [{ version: 2, event: { type: 'StepCompleted', data: { stepId: 'q0' } } }] as never,
      false,
    );
    await eventually(() => followed.finished, { describe: 'it finishes' });
    const all = steps.flatMap((step) => Array.from({ length: step === LONG ? 9 : 1 }, (_, at) => `${step} ${at + 1}`));
    expect(followed.given.toSorted()).toEqual(all.toSorted());
  });
});

describe('the query of a follower', () => {
  it('names at most 20 steps', () => {
    expect(parseQuery(QUERY, { step: named(20) }).step).toHaveLength(20);
    expect(() => parseQuery(QUERY, { step: named(21) })).toThrow(Problem);
  });
});
