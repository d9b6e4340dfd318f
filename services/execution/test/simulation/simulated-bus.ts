import { partitionOf } from '@batuta/contracts';
import type {
  Bus,
  Clock,
  EngineLog,
  OutgoingTask,
  PartitionRequest,
  PublishOutcome,
  RequestKind,
} from '../../src/partitions/ports/ports.js';
import { ofATenant } from './direct-network.js';
import type { DirectNetwork } from './direct-network.js';
import type { SimulatedProcess } from './simulated-process.js';
import type { TaskQueue } from './task-queue.js';
import type { World } from './world.js';

/** Observes all messages of processes. */
export interface BusObserver {
  /** A request has reached a process. Call the result when the process answers it. */
  asked(process: SimulatedProcess, kind: RequestKind, body: object): (reply: unknown) => void;
  dispatched(process: SimulatedProcess, task: OutgoingTask): void;
  published(process: SimulatedProcess, text: string): void;
  stopped(process: SimulatedProcess, text: string): void;
  /** A runner ended while it had the attempt. */
  ended(attemptKey: string): void;
  notified(process: SimulatedProcess, text: string): void;
}

interface Server {
  readonly process: SimulatedProcess;
  readonly handler: (request: PartitionRequest) => void;
}

const PUBLISH_TIMEOUT_MS = 2_000;
const ASK_TIMEOUT_MS = 2_000;
const encoder = new TextEncoder();

/** NATS: requests to the owners of partitions, the work queue, and publications. All of it may be lost. */
export class SimulatedBus {
  readonly #world: World;
  readonly #queue: TaskQueue;
  readonly #partitions: number;
  readonly #trouble: number;
  readonly #observer: BusObserver;
  readonly #direct: DirectNetwork | undefined;
  readonly #servers = new Map<number, Set<Server>>();
  readonly #releaseListeners = new Set<{ readonly process: SimulatedProcess; readonly listener: () => void }>();
  readonly #reconnectListeners = new Set<{ readonly process: SimulatedProcess; readonly listener: () => void }>();
  /** Runners that receive stops. */
  readonly stopListeners: ((text: string) => void)[] = [];

  constructor(
    world: World,
    queue: TaskQueue,
    partitions: number,
    /** Probability that a message is lost, repeated or late. */
    trouble: number,
    observer: BusObserver,
    /** Undefined: every task goes through the work queue. */
    direct: DirectNetwork | undefined,
  ) {
    this.#world = world;
    this.#queue = queue;
    this.#partitions = partitions;
    this.#trouble = trouble;
    this.#observer = observer;
    this.#direct = direct;
  }

  /** An answer to a request that reaches nobody. Undefined for usual ones. */
  answerInstead: ((kind: RequestKind, body: object) => string | undefined) | undefined;

  /** How long one message is in transit. Undefined: for ever. */
  #delays(): number[] {
    const world = this.#world;
    const trouble = this.#trouble;
    const usual = world.random.between(0, 3);
    if (!world.strikes(trouble)) return [usual];
    switch (world.random.int(4)) {
      case 0:
        return [];
      case 1:
        return [usual, world.random.between(0, 6_000)];
      default:
        return [world.random.between(0, world.random.chance(0.3) ? 9_000 : 400)];
    }
  }

  /** A message to somebody: it comes never, once or twice, and may overtake others. */
  travel(arrive: () => void): void {
    for (const delay of this.#delays()) this.#world.after(delay, arrive);
  }

  /** One request to the owner of a stream; `answered` is called for each answer that comes back. */
  ask(kind: RequestKind, streamId: string, body: object, answered: (reply: unknown) => void): void {
    const partition = partitionOf(streamId, this.#partitions);
    this.#askOwners(partition, kind, JSON.stringify(body), (text) => answered(JSON.parse(text) as unknown));
  }

  #askOwners(partition: number, kind: RequestKind, text: string, answered: (text: string) => void): void {
    const payload = encoder.encode(text);
    const body = JSON.parse(text) as object;
    const instead = this.answerInstead?.(kind, body);
    if (instead !== undefined) return this.travel(() => answered(instead));
    this.travel(() => {
      for (const { process, handler } of this.#servers.get(partition) ?? []) {
        process.deliver(() => {
          const replied = this.#observer.asked(process, kind, body);
          handler({
            kind,
            payload,
            reply: (reply) => {
              if (!process.alive) return;
              replied(JSON.parse(reply) as unknown);
              this.travel(() => answered(reply));
            },
          });
        });
      }
    });
  }

  /** A runner ended while it had the attempt. */
  endedWith(attemptKey: string): void {
    this.#observer.ended(attemptKey);
  }

  wipe(remake: boolean): void {
    this.#queue.wipe(remake);
    this.#direct?.restarted();
    // The server was restarted for it: every client notices, unless it is slow.
    for (const { process, listener } of this.#reconnectListeners) {
      if (this.#world.random.chance(0.7)) {
        this.#world.after(this.#world.random.between(10, 500), () => process.deliver(listener));
      }
    }
  }

  portOf(process: SimulatedProcess, clock: Clock, log: EngineLog): Bus {
    const world = this.#world;
    const queue = this.#queue;
    const observer = this.#observer;
    const enqueue = (task: OutgoingTask, done: (outcome: PublishOutcome) => void): void =>
      this.#publishTask(process, task, (outcome) => {
        if (outcome === 'stored') this.#direct?.sure.add(task.attemptKey);
        done(outcome);
      });
    const api = <R>(work: () => R): Promise<R> =>
      new Promise((resolve, reject) => {
        if (!process.alive) return;
        const lost = world.strikes(this.#trouble / 2);
        world.after(world.random.between(1, 4), () => {
          const value = work();
          world.after(lost ? 2_000 : world.random.between(1, 4), () =>
            process.deliver(() => (lost ? reject(new Error('JetStream does not answer')) : resolve(value))),
          );
        });
      });
    // As NatsBus uses it.
    const taken = (): Promise<number> => api(() => queue.taken);
    const own = this.#direct?.open(process, { clock, log, enqueue, taken });
    const direct = own?.dispatch;
    const listen = (
      listeners: Set<{ readonly process: SimulatedProcess; readonly listener: () => void }>,
      listener: () => void,
    ): (() => void) => {
      const entry = { process, listener };
      listeners.add(entry);
      return () => listeners.delete(entry);
    };
    return {
      serve: (partition, handler) => {
        const server = { process, handler };
        const servers = this.#servers.get(partition) ?? new Set();
        this.#servers.set(partition, servers);
        // A subscription takes a moment to reach the server.
        world.after(1, () => {
          if (process.alive && !stopped) servers.add(server);
        });
        let stopped = false;
        return () => {
          stopped = true;
          servers.delete(server);
        };
      },
      askOwner: (partition, kind, text) =>
        new Promise((resolve) => {
          if (!process.alive) return;
          let open = true;
          const answer = (reply: string | undefined): void =>
            process.deliver(() => {
              if (!open) return;
              open = false;
              resolve(reply);
            });
          this.#askOwners(partition, kind, text, answer);
          world.after(ASK_TIMEOUT_MS, () => answer(undefined));
        }),
      publishTask: (task, done) => {
        if (!process.alive) return;
        world.note(process.name, () => `dispatches ${task.messageId.slice(32)}`);
        observer.dispatched(process, task);
        const once = this.#once(task, done);
        if (direct !== undefined) {
          if (task.again && direct.holds(task.attemptKey, task.pool)) return queueMicrotask(() => once('stored'));
          return direct.dispatch(ofATenant(task), (outcome) => {
            if (outcome === 'stored') this.#direct?.check(process, task);
            once(outcome);
          });
        }
        enqueue(task, once);
      },
      taskReported: (attemptKey) => direct?.reported(attemptKey),
      taskAnswered: (attemptKey) => {
        this.#direct?.sure.add(attemptKey);
        direct?.answered(attemptKey);
      },
      taskBegins: (beginning) => direct?.begins(beginning) ?? { held: false, lostRunners: 0 },
      onTasksLost: (listener) =>
        direct?.onLost((lost) => {
          world.note(process.name, () => `hears of lost tasks: ${JSON.stringify(lost)}`);
          listener(lost);
        }),
      onTasksDoubted: (isWanted) => direct?.onDoubted(isWanted),
      owns: (part) => direct?.owns(part),
      publishEvents: (_tenantId, _executionId, text) => {
        if (process.alive) observer.published(process, text);
      },
      publishStop: (text) => {
        if (!process.alive) return;
        observer.stopped(process, text);
        this.travel(() => {
          for (const listener of this.stopListeners) listener(text);
        });
      },
      publishLifecycle: (notice) => {
        if (process.alive) observer.notified(process, JSON.stringify(notice));
      },
      streamIdentity: () => api(() => queue.identity),
      ensureStreams: () => api(() => queue.ensure()),
      holdsTask: (subject, attemptKey) =>
        direct?.holds(attemptKey) === true || direct?.waits(attemptKey) === true
          ? Promise.resolve(true)
          : api(() => queue.holds(subject)),
      announceRelease: () => {
        if (!process.alive) return;
        for (const { process: other, listener } of this.#releaseListeners) {
          this.travel(() => other.deliver(listener));
        }
      },
      onRelease: (listener) => listen(this.#releaseListeners, listener),
      onReconnect: (listener) =>
        listen(this.#reconnectListeners, () => {
          own?.reconnected();
          listener();
        }),
      flush: () => Promise.resolve(),
    };
  }

  /** What became of a task is said once, however it went. */
  #once(task: OutgoingTask, done: (outcome: PublishOutcome) => void): (outcome: PublishOutcome) => void {
    let said: PublishOutcome | undefined;
    return (outcome) => {
      if (said !== undefined) {
        this.#world.violated('one answer a dispatch', `${task.messageId} is ${said} and then ${outcome}`);
      }
      said = outcome;
      done(outcome);
    };
  }

  #publishTask(process: SimulatedProcess, task: OutgoingTask, done: (outcome: PublishOutcome) => void): void {
    const world = this.#world;
    const queue = this.#queue;
    let open = true;
    const answer = (outcome: PublishOutcome): void =>
      process.deliver(() => {
        if (!open) return;
        open = false;
        done(outcome);
      });
    this.travel(() => {
      // Acknowledged and lost: what JetStream may do before it fsyncs.
      if (world.strikes(this.#trouble / 8)) {
        world.note('queue', () => `acknowledges ${task.messageId} and loses it`);
        queue.lastSequence += 1;
        answer('stored');
        return;
      }
      const outcome = world.strikes(this.#trouble / 8) ? 'retry' : queue.publish(task);
      this.travel(() => answer(outcome));
    });
    world.after(PUBLISH_TIMEOUT_MS, () => answer('retry'));
  }
}
