import type { RunnerBeat } from '@batuta/contracts';
import { newCounters } from '../../src/partitions/ports/counters.js';
import { DirectDispatch } from '../../src/partitions/dispatch/direct-dispatch.js';
import type { RunnerAnswer } from '../../src/partitions/dispatch/task-sender.js';
import type { TenantTerms } from '../../src/partitions/dispatch/pool-queue.js';
import type { Clock, EngineLog, OutgoingTask, PublishOutcome } from '../../src/partitions/ports/ports.js';
import type { SeededRandom } from './random.js';
import type { SimulatedProcess } from './simulated-process.js';
import type { World } from './world.js';

/** A runner from the server's point of view: the subscriber to an incarnation's subject. */
export interface RunnerEnd {
  readonly incarnation: string;
  /** Tasks have arrived. `respond` sends the receipt. */
  receive(text: string, respond: (receipt: string) => void): void;
  /** An owner has started and asks for beats. */
  called(): void;
}

export interface OwnerDirectParts {
  readonly clock: Clock;
  readonly log: EngineLog;
  readonly enqueue: (task: OutgoingTask, done: (outcome: PublishOutcome) => void) => void;
  readonly taken: () => Promise<number>;
}

/**
 * Messages from one process to another, in the order of sending, because they share one connection at both ends. They
 * may be lost, repeated, and delayed together with all later ones.
 */
class Link {
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #trouble: number;
  readonly #deliver: (callback: () => void) => void;
  #last = 0;
  readonly #arrived: (() => void)[] = [];

  constructor(world: World, random: SeededRandom, trouble: number, deliver: (callback: () => void) => void) {
    this.#world = world;
    this.#random = random;
    this.#trouble = trouble;
    this.#deliver = deliver;
  }

  send(arrive: () => void): void {
    for (const delay of this.#delays()) {
      const { now } = this.#world;
      this.#last = Math.max(this.#last, now + delay);
      this.#world.after(this.#last - now, () => {
        this.#arrived.push(arrive);
        // The oldest one, for whichever message this call was, because a stalled process reads its socket in order.
        this.#deliver(() => this.#arrived.shift()?.());
      });
    }
  }

  #delays(): number[] {
    const random = this.#random;
    const world = this.#world;
    const trouble = this.#trouble;
    const usual = random.between(0, 3);
    if (!random.chance(trouble) || !world.faults) return [usual];
    switch (random.int(4)) {
      case 0:
        return [];
      case 1:
        return [usual, random.between(0, 400)];
      default:
        return [random.between(0, random.chance(0.15) ? 6_000 : 400)];
    }
  }
}

/** Small, so that tasks are shelved, and the audit must find the tasks beyond the limits. */
const SIZES = { tasks: 8, length: Infinity, least: 1, mark: 2, shelved: 6 };
/** So that a tenant's attempts wait for each other although there are free slots. */
const TERMS: Readonly<Record<string, TenantTerms>> = {
  a: { weight: 1, running: 3 },
  b: { weight: 2, running: 5 },
  c: { weight: 1, running: Infinity },
};

/** Assigns the task to one of three tenants, which only this function knows. */
export function ofATenant(task: OutgoingTask): OutgoingTask {
  const place = parseInt(task.attemptKey.slice(0, 8), 16) % 3;
  const tenantId = 'abc'.charAt(Number.isNaN(place) ? 0 : place);
  const { pool, attemptKey, again, lostRunners, priority, subject, messageId, length } = task;
  return {
    pool,
    attemptKey,
    again,
    lostRunners,
    priority,
    subject,
    messageId,
    length,
    task: { ...task.task, tenantId },
    isWanted: () => task.isWanted?.() ?? true,
  };
}

/** An owner process's direct dispatch: the real one, with its messages to and from each runner. */
export class OwnerDirect {
  readonly #network: DirectNetwork;
  readonly dispatch: DirectDispatch;
  readonly #links = new Map<string, { readonly to: Link; readonly from: Link }>();
  readonly #asked = new Set<(answer: RunnerAnswer) => void>();

  constructor(
    readonly process: SimulatedProcess,
    network: DirectNetwork,
    parts: OwnerDirectParts,
  ) {
    this.#network = network;
    this.dispatch = new DirectDispatch({
      clock: parts.clock,
      log: parts.log,
      counters: newCounters(),
      ask: (subject, tasks, timeoutMs, settle) => this.#ask(subject, tasks.text(), timeoutMs, settle),
      enqueue: parts.enqueue,
      sizes: SIZES,
      terms: (tenantId) => TERMS[tenantId] ?? { weight: 1, running: Infinity },
      taken: parts.taken,
    });
  }

  /** A beat is in transit to this owner. */
  heard(incarnation: string, text: string): void {
    this.#linksOf(incarnation).from.send(() => this.dispatch.heard(JSON.parse(text) as RunnerBeat));
  }

  reconnected(): void {
    // Lost requests may be repeated at once.
    const asked = [...this.#asked];
    for (const settle of asked) settle('lost');
    this.dispatch.reconnected();
  }

  #linksOf(incarnation: string): { readonly to: Link; readonly from: Link } {
    let links = this.#links.get(incarnation);
    if (links === undefined) {
      links = {
        to: this.#network.link((callback) => callback()),
        from: this.#network.link((callback) => this.process.deliver(callback)),
      };
      this.#links.set(incarnation, links);
    }
    return links;
  }

  #ask(subject: string, text: string, timeoutMs: number, settle: (answer: RunnerAnswer) => void): void {
    if (!this.process.alive) return;
    const once = (answer: RunnerAnswer): void => {
      if (!this.#asked.delete(once)) return;
      settle(answer);
    };
    this.#asked.add(once);
    // batuta.runner.<pool>.<incarnation>.tasks
    const incarnation = subject.split('.')[3] ?? '';
    const { to, from } = this.#linksOf(incarnation);
    to.send(() => {
      const end = this.#network.end(incarnation);
      if (end === undefined) return from.send(() => once('no_responders'));
      end.receive(text, (receipt) => from.send(() => once({ text: receipt })));
    });
    this.#network.world.after(timeoutMs, () => this.process.deliver(() => once('timeout')));
  }
}

/** NATS for direct dispatch: the subjects of runners, their beats, and their connections. */
export class DirectNetwork {
  readonly #trouble: number;
  readonly #owners = new Set<OwnerDirect>();
  readonly #ends = new Map<string, RunnerEnd>();
  /** Attempts that a runner has taken, that the queue has acknowledged, or whose result was answered. */
  readonly sure = new Set<string>();
  /** Attempts whose agents have begun. Undefined when a second run may be correct. */
  #ran: Set<string> | undefined;

  constructor(
    readonly world: World,
    /** A separate generator, so that seeds without direct dispatch give the same run as before it existed. */
    readonly random: SeededRandom,
    trouble: number,
  ) {
    this.#trouble = trouble;
  }

  /** An owner counts a direct task as stored, so some runner must have it. */
  check(process: SimulatedProcess, { attemptKey, messageId }: OutgoingTask): void {
    if (this.sure.has(attemptKey)) return;
    this.world.violated('stored is certain', `${process.name} counts on ${messageId}, which nobody has`);
  }

  /** No process crashes or stalls in this seed. */
  planNothing(): void {
    if (this.#trouble === 0) this.#ran = new Set();
  }

  /** The agent of a direct attempt begins. It may begin a second time only after a fault. */
  began(attemptKey: string): void {
    if (this.#ran?.has(attemptKey) === true) {
      this.world.violated('nothing runs twice where nothing goes wrong', attemptKey);
    }
    this.#ran?.add(attemptKey);
  }

  link(deliver: (callback: () => void) => void): Link {
    return new Link(this.world, this.random, this.#trouble, deliver);
  }

  end(incarnation: string): RunnerEnd | undefined {
    return this.#ends.get(incarnation);
  }

  /** An owner process connects. */
  open(process: SimulatedProcess, parts: OwnerDirectParts): OwnerDirect {
    const owner = new OwnerDirect(process, this, parts);
    this.#owners.add(owner);
    for (const end of this.#ends.values()) this.link((callback) => callback()).send(() => end.called());
    return owner;
  }

  join(end: RunnerEnd): void {
    this.#ends.set(end.incarnation, end);
  }

  /** A runner's connection ends. The server may notice it late when the process did not close it. */
  leave(incarnation: string, crashed: boolean): void {
    const unseen = crashed && this.world.faults && this.random.chance(0.3) ? this.random.between(1, 4_000) : 0;
    if (unseen === 0) this.#ends.delete(incarnation);
    else this.world.after(unseen, () => this.#ends.delete(incarnation));
  }

  beat(incarnation: string, text: string): void {
    for (const owner of this.#owners) {
      if (owner.process.alive) {
        owner.heard(incarnation, text);
        continue;
      }
      owner.dispatch.close();
      this.#owners.delete(owner);
    }
  }

  /** The server restarted, and the runners connected again. */
  restarted(): void {
    for (const end of this.#ends.values()) this.world.after(this.random.between(10, 500), () => end.called());
  }
}
