import { Fifo } from '@batuta/collections';
import { PRIORITIES } from '@batuta/contracts';
import type { Priority } from '@batuta/contracts';
import type { OutgoingTask, PublishOutcome } from './ports.js';

/** What a tenant may have of the runners. */
export interface TenantTerms {
  /** Of two tenants whose tasks wait, one with twice the weight has twice the slots. */
  readonly weight: number;
  /** Attempts that run at once, of all pools; this process's part of it. */
  readonly running: number;
}

/** A task that waits for its turn. */
export interface WaitingTask {
  readonly task: OutgoingTask;
  /** Undefined once its dispatch counts as done: from then on only this process's memory and the audit know that it waits. */
  done: ((outcome: PublishOutcome) => void) | undefined;
  /** Running time. */
  readonly since: number;
}

/** What is left of a task while its tenant has too many: it is made anew when its turn comes near. */
export interface ShelvedTask {
  readonly attemptKey: string;
  readonly lostRunners: number;
}

/** Shares of what a tenant runs while it waits with all priorities, as in the work queue. */
const WEIGHTS: Readonly<Record<Priority, number>> = { high: 6, normal: 3, low: 1 };
/** Of the slots of a pool, what is kept free for those who used it lately. */
const KEPT_SHARE = 0.25;

/** A tenant in this process, over all pools. */
export class TenantUse {
  /** Attempts handed out whose results have not come in. */
  running = 0;
  /** Pools that it has a share of. */
  shares = 0;

  constructor(
    readonly id: string,
    public terms: TenantTerms,
  ) {}

  get capped(): boolean {
    return this.running >= this.terms.running;
  }
}

interface Lane {
  readonly priority: Priority;
  readonly tasks: Fifo<WaitingTask>;
  readonly shelved: Fifo<ShelvedTask>;
  /** Of the smooth weighted round robin. */
  credit: number;
}

/** What one tenant has of one pool. */
export class Share {
  /** Attempts handed out whose results have not come in. */
  running = 0;
  /** The most that ran at once, in this period and in the one before. */
  peak = 0;
  peakBefore = 0;
  /** Tasks in memory, and their characters. */
  waiting = 0;
  length = 0;
  shelved = 0;
  /** Taken from the shelf, and not dispatched again yet. */
  called = 0;
  /** When it was served last, as a number of turns: of equals, the one that has waited longest is next. */
  served = 0;
  readonly #lanes: readonly Lane[] = PRIORITIES.map((priority) => ({
    priority,
    tasks: new Fifo(),
    shelved: new Fifo(),
    credit: 0,
  }));
  /** The lane whose turn it is, until its task has left. */
  #turn: Lane | undefined;

  constructor(readonly tenant: TenantUse) {}

  get recentPeak(): number {
    return Math.max(this.peak, this.peakBefore);
  }

  get idle(): boolean {
    return this.running + this.waiting + this.shelved + this.called + this.recentPeak === 0;
  }

  push(waiting: WaitingTask): void {
    this.#lane(waiting.task.priority).tasks.push(waiting);
    this.waiting += 1;
    this.length += waiting.task.length;
  }

  shelve(priority: Priority, shelved: ShelvedTask): void {
    this.#lane(priority).shelved.push(shelved);
    this.shelved += 1;
  }

  /** The task that is next; the same until `shift`. */
  peek(): WaitingTask | undefined {
    if (this.waiting === 0) return undefined;
    this.#turn ??= this.#nextLane();
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

  /** The oldest that is shelved, of the priority that has the fewest tasks in memory. */
  unshelve(): ShelvedTask | undefined {
    let best: Lane | undefined;
    for (const lane of this.#lanes) {
      if (lane.shelved.size > 0 && (best === undefined || lane.tasks.size < best.tasks.size)) best = lane;
    }
    const shelved = best?.shelved.shift();
    if (shelved !== undefined) this.shelved -= 1;
    return shelved;
  }

  /** Tasks that wait since before then, and whose dispatch is not done. */
  *waitingSince(before: number): IterableIterator<WaitingTask> {
    for (const { tasks } of this.#lanes) {
      for (const waiting of tasks) {
        if (waiting.since >= before) break;
        if (waiting.done !== undefined) yield waiting;
      }
    }
  }

  *all(): IterableIterator<WaitingTask> {
    for (const { tasks } of this.#lanes) yield* tasks;
  }

  #lane(priority: Priority): Lane {
    return this.#lanes.find((lane) => lane.priority === priority) as Lane;
  }

  #nextLane(): Lane {
    let best: Lane | undefined;
    let total = 0;
    for (const lane of this.#lanes) {
      if (lane.tasks.size === 0) continue;
      const weight = WEIGHTS[lane.priority];
      lane.credit += weight;
      total += weight;
      if (best === undefined || lane.credit > best.credit) best = lane;
    }
    const next = best as Lane;
    next.credit -= total;
    return next;
  }
}

/**
 * The tasks of one pool in this process: who has how many slots, and who waits. A tenant alone may have all slots. With
 * others whoever has the fewest slots for its weight is next, and some slots are kept free for those who used them
 * lately, so that they need not wait until somebody else's long attempt ends.
 */
export class PoolQueue {
  readonly #shares = new Map<string, Share>();
  #last: Share | undefined;
  #turns = 0;
  /** Tasks that were put in the work queue and whose results have not come in. */
  queued = 0;
  /** Handed out in any way. */
  running = 0;
  /** Running time since which no runner that is open has had a slot. */
  fullSince: number | undefined;
  /** Tasks that wait in memory. */
  #inMemory = 0;

  constructor(
    readonly name: string,
    private readonly tenant: (tenantId: string) => TenantUse,
  ) {}

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

  /** Takes the task that `peek` of the share shows. */
  shift(share: Share): WaitingTask | undefined {
    const waiting = share.shift();
    if (waiting !== undefined) this.#inMemory -= 1;
    return waiting;
  }

  /** Tasks that wait here, those on the shelf included. */
  get waiting(): number {
    let waiting = 0;
    for (const share of this.#shares.values()) waiting += share.waiting + share.shelved + share.called;
    return waiting;
  }

  shareOf(tenantId: string): Share {
    // Most tasks are of the tenant of the one before.
    if (this.#last?.tenant.id === tenantId) return this.#last;
    let share = this.#shares.get(tenantId);
    if (share === undefined) {
      const tenant = this.tenant(tenantId);
      tenant.shares += 1;
      share = new Share(tenant);
      this.#shares.set(tenantId, share);
    }
    this.#last = share;
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

  /** Its result has come in, or nobody has it any more. */
  end(share: Share): void {
    this.running -= 1;
    share.running -= 1;
    share.tenant.running -= 1;
  }

  /** Whether the share may take one more of `free` places of `slots`. */
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

  /** Who is next of those that wait and are not in `passed`; undefined when there is nobody. */
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

  /** A period is over: what was used in the one before the last counts no more. Who is not here any more is forgotten. */
  rotate(): void {
    for (const [tenantId, share] of this.#shares) {
      share.peakBefore = share.peak;
      share.peak = share.running;
      if (!share.idle) continue;
      share.tenant.shares -= 1;
      this.#shares.delete(tenantId);
      if (this.#last === share) this.#last = undefined;
    }
  }
}
