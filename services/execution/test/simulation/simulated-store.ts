import { LANE_STATEMENTS } from '@batuta/event-store';
import type { CommitOutcome, FencedPartition } from '@batuta/event-store';
import { MemoryExecutionStore } from '../../src/store/memory/memory-execution-store.js';
import type { ExecutionLane, ExecutionCommit, ExecutionStore } from '../../src/store/port.js';
import type { SimulatedProcess } from './simulated-process.js';
import type { World } from './world.js';

/** Who is told when a commit was applied. */
export interface CommitObserver {
  /** `held`: partitions whose part was written. */
  applied(
    process: SimulatedProcess,
    request: ExecutionCommit,
    epochs: ReadonlyMap<number, number>,
    held: ReadonlyMap<number, number>,
  ): Promise<void>;
  /** The effects of everything up to this position are said to be done. */
  effectsDone(partition: number, position: number): void;
}

/** A statement of a connection, for the one that is sent behind it. */
interface Sent {
  /** Resolves when the server goes on to the next: false when the connection was gone with this one. */
  readonly executed: Promise<boolean>;
  /** Resolves with its outcome: false when the connection was lost. */
  readonly answered: Promise<boolean>;
}

const NONE_BEFORE: Sent = { executed: Promise.resolve(true), answered: Promise.resolve(true) };

interface OwnSent extends Sent {
  readonly execute: (goesOn: boolean) => void;
  readonly answer: (open: boolean) => void;
}

function newSent(): OwnSent {
  let execute!: (goesOn: boolean) => void;
  let answer!: (open: boolean) => void;
  const executed = new Promise<boolean>((resolve) => (execute = resolve));
  const answered = new Promise<boolean>((resolve) => (answer = resolve));
  return { executed, answered, execute, answer };
}

const UNKNOWN: CommitOutcome = { kind: 'unknown', message: 'the connection was lost' };

/** What happens to one commit. */
type CommitFate =
  | 'fine'
  | 'slow'
  | 'refused'
  | 'refused_together'
  | 'unknown_applied'
  | 'unknown_later'
  | 'unknown_never'
  | 'crash_before'
  | 'crash_sent'
  | 'crash_after';

const FATES: Readonly<Record<CommitFate, number>> = {
  fine: 0,
  slow: 3,
  refused: 2,
  refused_together: 2,
  unknown_applied: 3,
  unknown_later: 4,
  unknown_never: 2,
  crash_before: 2,
  crash_sent: 2,
  crash_after: 3,
};

/** Calls that write published positions without a commit. */
const PUBLISHING: ReadonlySet<string> = new Set(['publish', 'release']);

/** Calls that decide who owns what: a timeline tells them. */
const LEASING: ReadonlySet<string> = new Set(['register', 'renew', 'resign', 'claim', 'release']);

/** The database server that all processes share. What reaches it happens there, whatever becomes of the sender. */
export class SimulatedDatabase {
  readonly memory: MemoryExecutionStore;

  constructor(
    readonly world: World,
    /** Probability that something happens to a commit. */
    readonly trouble: number,
    readonly observer: CommitObserver,
  ) {
    this.memory = new MemoryExecutionStore(() => world.now);
  }

  /** The event store as one process sees it. */
  storeOf(process: SimulatedProcess): ExecutionStore {
    const lane = (): ExecutionLane => this.#lane(process);
    const close = (): Promise<void> => Promise.resolve();
    return new Proxy<ExecutionStore>(this.memory, {
      get: (memory, property) => {
        if (property === 'openLane') return lane;
        if (property === 'close') return close;
        const member = Reflect.get(memory, property) as unknown;
        if (typeof member !== 'function') return member;
        // It comes with the events that were read before, and nothing happens between the two but what is checked for.
        if (property === 'readChainEnds') return member.bind(memory) as unknown;
        return (...values: unknown[]): Promise<unknown> =>
          this.#call(process, String(property), () => member.apply(memory, values) as Promise<unknown>);
      },
    });
  }

  #latency(): number {
    const { world } = this;
    if (world.strikes(this.trouble / 4)) return world.random.between(100, 4_000);
    return world.random.between(1, 4);
  }

  /** One statement: it travels, is executed at one moment, and its answer travels back. */
  #call<R>(process: SimulatedProcess, name: string, work: () => Promise<R>): Promise<R> {
    const { world } = this;
    return new Promise<R>((resolve, reject) => {
      if (!process.alive) return;
      const lost = world.strikes(this.trouble / 3) ? world.random.pick(['before', 'after'] as const) : undefined;
      const fail = (): void => {
        world.note(process.name, () => `${name}: connection lost ${lost ?? ''} it was executed`);
        world.after(this.#latency(), () => process.deliver(() => reject(new Error(`connection lost (${name})`))));
      };
      world.after(this.#latency(), () => {
        if (lost === 'before') return fail();
        work().then(
          (value) => {
            if (PUBLISHING.has(name)) void this.#checkPublished();
            if (LEASING.has(name)) world.note(process.name, () => `${name}: ${JSON.stringify(value)}`);
            if (lost === 'after') return fail();
            world.after(this.#latency(), () => process.deliver(() => resolve(value)));
          },
          (error: unknown) => process.deliver(() => reject(error instanceof Error ? error : new Error(String(error)))),
        );
      });
    });
  }

  async #checkPublished(): Promise<void> {
    const { partitions } = await this.memory.view();
    for (const { partition, publishedPosition } of partitions) {
      this.observer.effectsDone(partition, publishedPosition);
    }
  }

  #lane(process: SimulatedProcess): ExecutionLane {
    let inFlight = 0;
    let last = NONE_BEFORE;
    /** Statements of a connection take effect and are answered in turn; when it is lost, so are those behind. */
    const inTurn = async <R>(send: (before: Sent, own: OwnSent) => Promise<R>): Promise<R> => {
      inFlight += 1;
      if (inFlight > LANE_STATEMENTS) {
        this.world.violated('two statements in flight', `${process.name} sent a third statement on one lane`);
      }
      const before = last;
      const own = newSent();
      last = own;
      try {
        return await send(before, own);
      } finally {
        inFlight -= 1;
        if (inFlight === 0) last = NONE_BEFORE;
      }
    };
    return {
      commit: (request) => inTurn((before, own) => this.#commit(process, request, before, own)),
      heldEpochs: (partitions) => inTurn((before, own) => this.#heldEpochs(process, partitions, before, own)),
      close: () => Promise.resolve(),
    };
  }

  async #heldEpochs(
    process: SimulatedProcess,
    partitions: readonly FencedPartition[],
    before: Sent,
    own: OwnSent,
  ): Promise<ReadonlySet<number>> {
    const reached = (await before.executed) && (await before.answered);
    own.execute(reached);
    try {
      if (!reached) throw new Error('the statement before has lost the connection');
      const held = await this.#call(process, 'heldEpochs', () => this.memory.openLane().heldEpochs(partitions));
      own.answer(true);
      return held;
    } catch (error) {
      own.answer(false);
      throw error;
    }
  }

  async #commit(
    process: SimulatedProcess,
    request: ExecutionCommit,
    before: Sent,
    own: OwnSent,
  ): Promise<CommitOutcome> {
    const outcome = await this.#fateOf(process, request, before, own);
    // Whoever waits for the answer of the one before has it by now.
    const open = await before.answered;
    const known = open ? outcome : UNKNOWN;
    own.answer(known.kind !== 'unknown');
    return known;
  }

  /** What becomes of a commit whose connection lasts. */
  #fateOf(process: SimulatedProcess, request: ExecutionCommit, before: Sent, own: OwnSent): Promise<CommitOutcome> {
    const { world } = this;
    const { random } = world;
    const fate = world.strikes(this.trouble) ? random.weighted(FATES) : 'fine';
    world.note(
      process.name,
      () =>
        `commits ${request.events.map((event) => `${short(event.executionId)}/${event.version} ${event.type}`).join(', ') || 'no events'}${fate === 'fine' ? '' : ` (${fate})`}`,
    );
    return new Promise((resolve) => {
      const answer = (ms: number, outcome: CommitOutcome): void => {
        world.after(ms, () => process.deliver(() => resolve(outcome)));
      };
      const apply = (ms: number, then: (outcome: CommitOutcome) => void): void => {
        world.after(ms, () => {
          void before.executed.then(async (reached) => {
            // Lost with the one before, which it cannot have overtaken.
            const outcome = reached ? await this.#apply(process, request) : UNKNOWN;
            own.execute(reached);
            then(outcome);
          });
        });
      };
      /** The server is done with it, or will never see it. */
      const skip = (goesOn: boolean): void => {
        void before.executed.then((reached) => own.execute(reached && goesOn));
      };
      const nothing = (): void => undefined;
      switch (fate) {
        case 'fine':
          return apply(this.#latency(), (outcome) => answer(this.#latency(), outcome));
        case 'slow':
          return apply(random.between(200, 9_000), (outcome) => answer(random.between(1, 2_000), outcome));
        case 'refused':
          skip(true);
          return answer(random.between(2, 50), {
            kind: 'rejected',
            code: '53300',
            message: 'too many connections',
            transient: true,
          });
        case 'refused_together': {
          // As when one input's events make the server refuse the statement of all: alone, the others pass.
          const together = new Set(request.events.map((event) => event.executionId)).size > 1;
          if (together) skip(true);
          return together
            ? answer(random.between(2, 50), { kind: 'rejected', code: '22P05', message: 'refused', transient: false })
            : apply(this.#latency(), (outcome) => answer(this.#latency(), outcome));
        }
        case 'unknown_applied':
          return apply(this.#latency(), () => answer(random.between(1, 3_000), UNKNOWN));
        case 'unknown_later':
          answer(random.between(1, 500), UNKNOWN);
          return apply(random.between(1, 12_000), nothing);
        case 'unknown_never':
          skip(false);
          return answer(random.between(1, 3_000), UNKNOWN);
        case 'crash_before':
          skip(false);
          return process.crash('before its commit was sent');
        case 'crash_sent':
          if (random.chance(0.7)) apply(random.between(1, 6_000), nothing);
          else skip(false);
          return process.crash('when its commit was sent');
        case 'crash_after':
          return apply(this.#latency(), () => process.crash('after its commit, before the answer'));
      }
    });
  }

  /** The statement runs on the server. */
  async #apply(process: SimulatedProcess, request: ExecutionCommit): Promise<CommitOutcome> {
    const view = await this.memory.view();
    const epochs = new Map(view.partitions.map(({ partition, epoch }) => [partition, epoch]));
    const outcome = await this.memory.openLane().commit(request);
    if (outcome.kind === 'committed') {
      const fenced = request.partitions.filter(({ partition }) => !outcome.held.has(partition));
      if (fenced.length > 0) this.world.note('database', () => `fences ${process.name}`);
      await this.observer.applied(process, request, epochs, outcome.held);
    } else {
      this.world.note('database', () => `refuses: ${outcome.message}`);
    }
    return outcome;
  }
}

/** The end of an id, enough to tell executions apart. */
export function short(id: string): string {
  return id.slice(-4);
}
