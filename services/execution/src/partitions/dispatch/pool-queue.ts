import { Fifo } from '@batuta/collections';
import { PRIORITIES } from '@batuta/contracts';
import type { Priority } from '@batuta/contracts';
import type { OutgoingTask, PublishOutcome } from '../ports/ports.js';

/** The share and limit of a tenant. */
export interface TenantTerms {
  /** When two tenants' tasks wait, a tenant with twice the weight gets twice the slots. */
  readonly weight: number;
  /** How many attempts may run at once in all pools: this process's part. */
  readonly running: number;
}

/** A task that waits for its turn. */
export interface WaitingTask {
  readonly task: OutgoingTask;
  /**
   * Undefined after its dispatch counts as done. From then on only this process's memory and the audit know that it
   * waits.
   */
  done: ((outcome: PublishOutcome) => void) | undefined;
  /** Running time. */
  readonly since: number;
}

/** The rest of a task while its tenant has too many. It is rebuilt when its turn comes near. */
interface ShelvedTask {
  readonly attemptKey: string;
  readonly lostRunners: number;
}

/** The shares of the priorities while tasks of all priorities wait, as in the work queue. */
const WEIGHTS: Readonly<Record<Priority, number>> = { high: 6, normal: 3, low: 1 };
/** The share of a pool's slots that is kept free for tenants that used it recently. */
const KEPT_SHARE = 0.25;

/** A tenant's use in this process, over all pools. */
export class TenantUse {
  /** Attempts that were handed out and have no result yet. */
  running = 0;
  /** How many pools it has a share of. */
  shares = 0;

  constructor(
    readonly id: string,
    public terms: TenantTerms,
  ) {}

  get capped(): boolean {
    return this.running >= this.terms.running;
  }
}

/** The tasks of one priority. */
interface PriorityTasks {
  readonly priority: Priority;
  readonly tasks: Fifo<WaitingTask>;
  readonly shelved: Fifo<ShelvedTask>;
  /** The counter of the smooth weighted round robin. */
  credit: number;
}

/** One tenant's part of one pool. */
export class Share {
  /** Attempts that were handed out and have no result yet. */
  running = 0;
  /** The most that ran at once, in this period and in the previous one. */
  peak = 0;
  peakBefore = 0;
  /** Tasks in memory, and their characters. */
  waiting = 0;
  length = 0;
  shelved = 0;
  /** Taken from the shelf, but not dispatched again yet. */
  called = 0;
  /** The number of the turn in which it was last served. Among equals, the one that has waited longest is next. */
  served = 0;
  readonly #priorities: readonly PriorityTasks[] = PRIORITIES.map((priority) => ({
    priority,
    tasks: new Fifo(),
    shelved: new Fifo(),
    credit: 0,
  }));
  /** The priority whose turn it is, until its task has left. */
  #turn: PriorityTasks | undefined;

  constructor(
    readonly tenant: TenantUse,
    /** The paused agent whose tasks these are. Empty: of all other agents. */
    readonly agent = '',
  ) {}

  get recentPeak(): number {
    return Math.max(this.peak, this.peakBefore);
  }

  get idle(): boolean {
    return this.running + this.waiting + this.shelved + this.called + this.recentPeak === 0;
  }

  push(waiting: WaitingTask): void {
    this.#of(waiting.task.priority).tasks.push(waiting);
    this.waiting += 1;
    this.length += waiting.task.length;
  }

  shelve(priority: Priority, shelved: ShelvedTask): void {
    this.#of(priority).shelved.push(shelved);
    this.shelved += 1;
  }

  /** The next task. It stays the same until `shift`. */
  peek(): WaitingTask | undefined {
    if (this.waiting === 0) return undefined;
    this.#turn ??= this.#nextPriority();
    return this.#turn.tasks.peek();
  }

  shift(): WaitingTask | undefined {
    if (this.peek() === undefined) return undefined;
    const waiting = this.#turn?.tasks.shift();
    this.#turn = undefined;
    if (waiting === undefined) return undefined;
    this.waiting -= 1;
    this.length -= waiting.task.length;
    return waiting;
  }

  /** The oldest shelved task of the priority with the fewest tasks in memory. */
  unshelve(): ShelvedTask | undefined {
    let best: PriorityTasks | undefined;
    for (const one of this.#priorities) {
      if (one.shelved.size > 0 && (best === undefined || one.tasks.size < best.tasks.size)) best = one;
    }
    const shelved = best?.shelved.shift();
    if (shelved !== undefined) this.shelved -= 1;
    return shelved;
  }

  /** Tasks that have waited since before this time and whose dispatch is not done. */
  *waitingSince(before: number): IterableIterator<WaitingTask> {
    for (const { tasks } of this.#priorities) {
      for (const waiting of tasks) {
        if (waiting.since >= before) break;
        if (waiting.done !== undefined) yield waiting;
      }
    }
  }

  *all(): IterableIterator<WaitingTask> {
    for (const { tasks } of this.#priorities) yield* tasks;
  }

  #of(priority: Priority): PriorityTasks {
    return this.#priorities.find((one) => one.priority === priority) as PriorityTasks;
  }

  #nextPriority(): PriorityTasks {
    let best: PriorityTasks | undefined;
    let total = 0;
    for (const one of this.#priorities) {
      if (one.tasks.size === 0) continue;
      const weight = WEIGHTS[one.priority];
      one.credit += weight;
      total += weight;
      if (best === undefined || one.credit > best.credit) best = one;
    }
    const next = best as PriorityTasks;
    next.credit -= total;
    return next;
  }
}

/**
 * The tasks of one pool in this process: the slots of each tenant and the waiting tasks. A single tenant may have all
 * slots. Otherwise the tenant with the fewest slots for its weight is next. Some slots are kept free for tenants that
 * used them recently, so that these do not have to wait for the end of another tenant's long attempt.
 */
export class PoolQueue {
  readonly #tenant: (tenantId: string) => TenantUse;
  readonly #shares = new Map<string, Share>();
  #last: Share | undefined;
  #turns = 0;
  /** Tasks that were put into the work queue and have no result yet. */
  queued = 0;
  /** All attempts that were handed out. */
  running = 0;
  /** Elapsed time since which no open runner has had a free slot. */
  fullSince: number | undefined;
  /** Tasks that wait in memory. */
  #inMemory = 0;

  constructor(
    readonly name: string,
    tenant: (tenantId: string) => TenantUse,
  ) {
    this.#tenant = tenant;
  }

  get shares(): Iterable<Share> {
    return this.#shares.values();
  }

  get tenants(): number {
    return this.#shares.size;
  }

  get inMemory(): number {
    return this.#inMemory;
  }

  push(share: Share, waiting: WaitingTask): void {
    share.push(waiting);
    this.#inMemory += 1;
  }

  /** Removes the task that the share's `peek` returns. */
  shift(share: Share): WaitingTask | undefined {
    const waiting = share.shift();
    if (waiting !== undefined) this.#inMemory -= 1;
    return waiting;
  }

  /** How many tasks wait here, including shelved ones. */
  get waiting(): number {
    let waiting = 0;
    for (const share of this.#shares.values()) waiting += share.waiting + share.shelved + share.called;
    return waiting;
  }

  /** `agent`: the share of one agent that is paused, so that the tenant's other tasks do not wait behind its tasks. */
  shareOf(tenantId: string, agent = ''): Share {
    // Most tasks belong to the same tenant as the previous one.
    if (agent === '' && this.#last?.tenant.id === tenantId) return this.#last;
    const key = agent === '' ? tenantId : `${tenantId}\n${agent}`;
    let share = this.#shares.get(key);
    if (share === undefined) {
      const tenant = this.#tenant(tenantId);
      tenant.shares += 1;
      share = new Share(tenant, agent);
      this.#shares.set(key, share);
    }
    if (agent === '') this.#last = share;
    return share;
  }

  /** An attempt of the share was handed out. */
  begin(share: Share): void {
    this.running += 1;
    share.running += 1;
    share.tenant.running += 1;
    if (share.running > share.peak) share.peak = share.running;
    this.#turns += 1;
    share.served = this.#turns;
  }

  /** Its result has come, or no runner has it any more. */
  end(share: Share): void {
    this.running -= 1;
    share.running -= 1;
    share.tenant.running -= 1;
  }

  /** Whether the share may take one more of `free` places, with `slots` in all. */
  mayTake(share: Share, free: number, slots: number): boolean {
    if (share.tenant.capped) return false;
    if (this.#shares.size === 1) return true;
    const most = Math.floor(slots * KEPT_SHARE);
    if (most === 0) return true;
    let weights = 0;
    for (const { tenant, recentPeak, waiting } of this.#shares.values()) {
      if (recentPeak > 0 || waiting > 0) weights += tenant.terms.weight;
    }
    const partOf = ({ tenant }: Share): number =>
      (slots * tenant.terms.weight) / Math.max(weights, tenant.terms.weight);
    if (share.running + 1 <= partOf(share)) return true;
    let kept = 0;
    for (const other of this.#shares.values()) {
      if (other === share) continue;
      kept += Math.max(0, Math.min(other.recentPeak, Math.floor(partOf(other))) - other.running);
    }
    return free > Math.min(kept, most);
  }

  /** The next waiting share that is not in `passed`, or undefined. */
  next(passed: ReadonlySet<Share> | undefined): Share | undefined {
    let best: Share | undefined;
    let least = Infinity;
    for (const share of this.#shares.values()) {
      if (share.waiting === 0 || passed?.has(share) === true) continue;
      const has = share.running / share.tenant.terms.weight;
      if (has > least || (has === least && best !== undefined && share.served >= best.served)) continue;
      best = share;
      least = has;
    }
    return best;
  }

  /** Ends a period: use before the last period does not count any more, and tenants without tasks are forgotten. */
  rotate(): void {
    for (const [key, share] of this.#shares) {
      share.peakBefore = share.peak;
      share.peak = share.running;
      if (!share.idle) continue;
      share.tenant.shares -= 1;
      this.#shares.delete(key);
      if (this.#last === share) this.#last = undefined;
    }
  }
}
