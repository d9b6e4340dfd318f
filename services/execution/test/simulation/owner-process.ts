import { Engine } from '../../src/partitions/engine.js';
import type { EngineSettings } from '../../src/partitions/engine-options.js';
import type {
  Clock,
  ConfigService,
  EngineLog,
  Evaluator,
  OwnStarts,
  TaskTokens,
} from '../../src/partitions/ports/ports.js';
import type { SimulatedBus } from './simulated-bus.js';
import type { SimulatedProcess } from './simulated-process.js';
import type { SimulatedDatabase } from './simulated-store.js';
import { BEGIN } from './world.js';
import type { World } from './world.js';

/**
 * Every owner has the same key. A token that only contains its attempt's name shows lost and mixed-up tokens as well as
 * a real one.
 */
const TOKENS: TaskTokens = { of: (key) => `of ${key}`, isOf: (key, token) => token === `of ${key}` };

export interface OwnerParts {
  readonly world: World;
  readonly database: SimulatedDatabase;
  readonly bus: SimulatedBus;
  readonly configs: ConfigService;
  readonly evaluator: Evaluator;
  /** Undefined: the tenant has no limits. */
  readonly starts: OwnStarts | undefined;
  readonly settings: Omit<EngineSettings, 'ownership'>;
  readonly leaseMs: number;
  /** How far this process's wall clock is from the world's. */
  readonly skewMs: number;
  readonly crashed: (process: OwnerProcess) => void;
}

let incarnations = 0;

/**
 * One owner process: a real engine whose every connection to the outside is simulated. Messages to it wait while it
 * stalls, and nothing of it is left after a crash. Messages that it sent before are in transit.
 */
export class OwnerProcess implements SimulatedProcess {
  readonly #parts: OwnerParts;
  alive = true;
  readonly engine: Engine;
  readonly #incarnation: string;
  #held: (() => void)[] | undefined;
  started = false;

  constructor(
    readonly name: string,
    parts: OwnerParts,
  ) {
    this.#parts = parts;
    incarnations += 1;
    this.#incarnation = `${name}#${incarnations}`;
    const { world, settings, leaseMs } = parts;
    const clock = this.#clock();
    const log = this.#log();
    this.engine = new Engine({
      ports: {
        clock,
        random: { seed: () => world.random.uint32() },
        store: parts.database.storeOf(this),
        bus: parts.bus.portOf(this, clock, log),
        tokens: TOKENS,
        configs: this.#configs(),
        evaluator: this.#evaluator(),
        starts: this.#starts(),
        log,
      },
      settings: { ...settings, ownership: { name, leaseMs, renewMs: Math.floor(leaseMs / 3) } },
      incarnation: this.#incarnation,
      onSuperseded: () => this.crash('because another process has its name'),
    });
    void this.#start();
  }

  get stalled(): boolean {
    return this.#held !== undefined;
  }

  deliver(callback: () => void): void {
    if (!this.alive) return;
    if (this.#held === undefined) callback();
    else this.#held.push(callback);
  }

  crash(why: string): void {
    if (!this.alive) return;
    this.#parts.world.note(this.name, () => `crashes ${why}`);
    this.alive = false;
    this.#held = undefined;
    this.#parts.crashed(this);
  }

  stall(): void {
    if (this.#held !== undefined || !this.alive) return;
    this.#parts.world.note(this.name, () => 'stands still');
    this.#held = [];
  }

  wake(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#parts.world.note(this.name, () => 'wakes');
    this.#held = undefined;
    for (const callback of held) this.#parts.world.after(0, () => this.deliver(callback));
  }

  /** Ends the process as SIGTERM does. */
  async stop(): Promise<void> {
    this.#parts.world.note(this.name, () => 'is told to stop');
    try {
      await this.engine.stop();
      this.crash('in peace: it has stopped');
    } catch (error) {
      this.crash(`while stopping: ${String(error)}`);
    }
  }

  async #start(): Promise<void> {
    try {
      await this.engine.start();
      this.started = true;
    } catch (error) {
      // A process that cannot start ends, and is restarted.
      this.crash(`while starting: ${String(error)}`);
    }
  }

  #clock(): Clock {
    const { world, skewMs } = this.#parts;
    const soon = (callback: () => void): void => {
      world.after(0, () => this.deliver(callback));
    };
    return {
      now: () => world.now + skewMs,
      elapsed: () => world.now - BEGIN,
      after: (ms, callback) => {
        let cancelled = false;
        const cancel = world.after(ms, () =>
          this.deliver(() => {
            if (!cancelled) callback();
          }),
        );
        return () => {
          cancelled = true;
          cancel();
        };
      },
      soon,
      next: soon,
    };
  }

  #configs(): ConfigService {
    const { configs, world } = this.#parts;
    const travel = <R>(work: Promise<R>): Promise<R> =>
      new Promise((resolve) => {
        void work.then((value) => world.after(world.random.between(1, 30), () => this.deliver(() => resolve(value))));
      });
    return {
      newest: (tenantId, config, version) => travel(configs.newest(tenantId, config, version)),
      version: (configId, version) => travel(configs.version(configId, version)),
      agent: (tenantId, name) => travel(configs.agent(tenantId, name)),
    };
  }

  #evaluator(): Evaluator {
    const { evaluator, world } = this.#parts;
    return {
      evaluate: (request) =>
        new Promise((resolve) => {
          void evaluator.evaluate(request).then((outcome) => {
            world.note(this.name, () => `evaluates ${JSON.stringify(request)}: ${JSON.stringify(outcome)}`);
            world.after(world.random.between(1, 100), () => this.deliver(() => resolve(outcome)));
          });
        }),
      validate: (request) =>
        new Promise((resolve) => {
          void evaluator.validate(request).then((outcome) => {
            world.after(world.random.between(1, 100), () => this.deliver(() => resolve(outcome)));
          });
        }),
    };
  }

  #starts(): OwnStarts | undefined {
    const { starts } = this.#parts;
    if (starts === undefined) return undefined;
    return {
      admitted: (start) =>
        new Promise((resolve, reject) => {
          void starts.admitted(start).then(
            (outcome) => this.deliver(() => resolve(outcome)),
            (error: unknown) => this.deliver(() => reject(error)),
          );
        }),
    };
  }

  #log(): EngineLog {
    const { world } = this.#parts;
    const note =
      (level: string) =>
      (fields: object, message: string): void => {
        world.note(this.name, () => `${level}: ${message} ${JSON.stringify(fields, errorsAsText)}`);
      };
    return {
      debug: note('debug'),
      info: note('info'),
      warn: note('warn'),
      error: (fields, message) => {
        note('error')(fields, message);
        // The decider handles every command, and handling a failed commit never fails.
        if (message === 'the decider failed' || message.startsWith('dealing with')) {
          world.violated('decide is total', `${message} ${JSON.stringify(fields, errorsAsText)}`);
        }
      },
    };
  }
}

function errorsAsText(_key: string, value: unknown): unknown {
  return value instanceof Error ? value.message : value;
}
