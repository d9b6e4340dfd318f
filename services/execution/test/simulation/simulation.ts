import type {
  CommandReply,
  CommandRequest,
  Event,
  ExecutionView,
  JsonValue,
  OrchestrationDefinition,
  ScheduleDefinition,
} from '@batuta/contracts';
import { OVERLAP_POLICIES, uuidV5 } from '@batuta/contracts';
import type { AgentModelCopy } from '../../src/store/port.js';
import { isTerminal, view } from '../../src/domain/index.js';
import type { State } from '../../src/domain/index.js';
import type { EngineSettings } from '../../src/partitions/engine-options.js';
import type { ConfigService, Evaluator } from '../../src/partitions/ports/ports.js';
import { Checker } from './checker.js';
import { evaluateExpression } from './expressions.js';
import { DirectNetwork } from './direct-network.js';
import { OwnerProcess } from './owner-process.js';
import {
  BOT,
  randomConfig,
  SIGNALS,
  textHash,
  childConfigs,
  withApprovals,
  withChildren,
  withMaps,
  withPolicy,
  withRepeats,
  withRoutes,
  withChoices,
  withModels,
  withTools,
  withSignals,
  withWaits,
} from './random-config.js';
import { SeededRandom } from './random.js';
import { Runner } from './runner.js';
import type { DirectPart } from './runner.js';
import { SimulatedLimits } from './simulated-limits.js';
import { SimulatedBus } from './simulated-bus.js';
import { SimulatedDatabase, short } from './simulated-store.js';
import { TaskQueue } from './task-queue.js';
import { BEGIN, Violation, World } from './world.js';

export interface SimulationResult {
  readonly seed: number;
  readonly violation: { readonly rule: string; readonly message: string } | undefined;
  readonly timeline: readonly string[];
  readonly steps: number;
  readonly events: number;
  readonly executions: readonly {
    readonly definition: OrchestrationDefinition;
    readonly view: ExecutionView;
    readonly events: readonly Event[];
  }[];
}

const PARTITIONS = 4;
/** The only JSON Schema that agents of a simulation have. */
const OBJECT: JsonValue = { type: 'object' };
/** Faults stop by then, virtual ms. */
const TROUBLED_MS = 30_000;
/** Everything must have ended this long after the faults, virtual ms. */
const QUIET_MS = 240_000;
const LEASE_MS = 3_000;
/**
 * Direct dispatch draws from a generator of its own, and a seed without it is what it was before there was any. This number
 * was chosen so that the seeds that once broke a rule or find a rare fault without it stay without it.
 */
const DIRECT_SALT = 46_456;
/** The same for approvals: a third of the seeds has some, and the others are what they were before. */
const APPROVAL_SALT = 996_771;
/** The same for waits. With this number no seed that finds a fault of anything else has some. */
const WAIT_SALT = 1_000_138;
const WAIT_SHARE = 0.15;
/** The same for signals. */
const SIGNAL_SALT = 1_000_143;
const SIGNAL_SHARE = 0.15;
/** The same for choices. */
const CHOICE_SALT = 1_000_771;
const CHOICE_SHARE = 0.15;
/** The same for steps that ask a model. */
const MODEL_SALT = 2_000_215;
const MODEL_SHARE = 0.15;
/** The same for children. With this number no seed that finds a fault of anything else has some. */
const CHILD_SALT = 3_007_740;
const CHILD_SHARE = 0.15;
/** The same for executions that wait for others. With this number no seed that finds a fault of anything else has some. */
const DEPENDENCY_SALT = 4_001_912;
const DEPENDENCY_SHARE = 0.15;
/** What waits for others, and may be waited for itself. */
const DEPENDENT: OrchestrationDefinition = {
  name: 'dependent',
  strategy: 'sequential',
  steps: [
    { id: 'a', name: 'A', agent: 'worker', timeout_ms: 4_000, retry: { max_attempts: 2 } },
    { id: 'b', name: 'B', agent: 'worker', timeout_ms: 4_000, retry: { max_attempts: 2 } },
  ],
};
/** The same for maps. With this number no seed that finds a fault of anything else has some. */
const MAP_SALT = 8_200_190;
const MAP_SHARE = 0.1;
/** The same for loops. With this number no seed that finds a fault of anything else has some. */
const REPEAT_SALT = 4_026_080;
const REPEAT_SHARE = 0.15;
/** The same for what failures do by default. */
const POLICY_SALT = 5_001_021;
const POLICY_SHARE = 0.1;
/** The same for tools that are guarded, configs or agents of models. With this number no seed that finds a fault of anything else has some. */
const TOOL_SALT = 6_002_431;
const TOOL_SHARE = 0.15;
/** The same for routes. With this number no seed that finds a fault of anything else has some. */
const ROUTE_SALT = 6_100_592;
const ROUTE_SHARE = 0.15;
/** The same for schedules: a quarter of the seeds has one. */
const SCHEDULE_SALT = 771_313;
/**
 * The same for limits that starts of schedules and of parents wait for. With this number no seed that finds a fault of
 * anything else has some.
 */
const LIMIT_SALT = 4_100_275;
const LIMIT_SHARE = 0.1;
/** The same for configs that limit how many of their executions run. With this number no seed that finds a fault of anything else has some. */
const PLACE_SALT = 5_639_091;
const PLACE_SHARE = 0.15;
/** A release that is answered and lost. Limiters find such places by asking their holders. */
const LOST_RELEASE_SHARE = 0.3;
/** What schedules start: it ends soon, however its agent fares. */
const SCHEDULED: OrchestrationDefinition = {
  name: 'scheduled',
  strategy: 'sequential',
  steps: [{ id: 'a', name: 'A', agent: 'worker', timeout_ms: 4_000, retry: { max_attempts: 2 } }],
};
/** An undoing that always fails must not keep a seed from its end. */
const MOST_UNDOINGS = 3;
const PRINCIPAL = { tenantId: 'default', userId: 'ann', role: 'operator', keyId: 'k' } as const;

const SETTINGS: Omit<EngineSettings, 'ownership'> = {
  lanes: 1,
  partitions: PARTITIONS,
  limits: { commitEvents: 50, commitBytes: 1_000_000, waitingInputs: 1_000 },
  waker: { scanMs: 1_000, scanLimit: 100 },
  queue: { watchMs: 1_000, auditMs: 2_000, auditAgeMs: 4_000, auditBatch: 100 },
  graceMs: 2_000,
  cacheBytes: 64 * 1024 * 1024,
  pendingEffects: 1_000,
  drainMs: 500,
};

/** Runs one seed. Everything in it, faults included, follows from the seed alone. */
export async function simulate(seed: number, traced = false): Promise<SimulationResult> {
  const simulation = new Simulation(seed, traced);
  return simulation.run();
}

class Simulation {
  readonly #seed: number;
  readonly #world: World;
  readonly #checker: Checker;
  readonly #database: SimulatedDatabase;
  readonly #queue: TaskQueue;
  readonly #bus: SimulatedBus;
  readonly #direct: DirectNetwork | undefined;
  /** What approvals need of chance, in a seed with approvals. */
  readonly #humans: SeededRandom | undefined;
  /** The same for waits. */
  readonly #waits: SeededRandom | undefined;
  /** The same for signals. */
  readonly #signals: SeededRandom | undefined;
  /** The same for choices. */
  readonly #choices: SeededRandom | undefined;
  /** The same for models. */
  readonly #models: SeededRandom | undefined;
  /** The same for children. */
  readonly #children: SeededRandom | undefined;
  /** The same for loops. */
  readonly #repeats: SeededRandom | undefined;
  /** The same for maps. */
  readonly #maps: SeededRandom | undefined;
  /** Undefined in seeds whose tenant has no limits. */
  readonly #limits: SimulatedLimits | undefined;
  /** The same for what failures do by default. */
  readonly #policies: SeededRandom | undefined;
  /** The same for tools. */
  readonly #tools: SeededRandom | undefined;
  readonly #routes: SeededRandom | undefined;
  /** How often operators asked for an undoing to go on, by execution. */
  readonly #undoings = new Map<string, number>();
  readonly #definitions = new Map<string, OrchestrationDefinition>();
  readonly #runners: Runner[] = [];
  readonly #processes = new Map<string, OwnerProcess>();
  readonly #executions: string[] = [];
  readonly #unanswered = new Set<string>();
  readonly #settings: Omit<EngineSettings, 'ownership'>;
  readonly #names: readonly string[];

  constructor(seed: number, traced: boolean) {
    this.#seed = seed;
    const random = new SeededRandom(seed);
    const world = new World(random, traced);
    this.#world = world;
    // Quiet seeds find what loud ones hide.
    const trouble = random.pick([0, 0.02, 0.05, 0.15, 0.3]);
    const limits = new SeededRandom(seed + LIMIT_SALT * 2 ** 32);
    this.#limits = limits.chance(LIMIT_SHARE) ? new SimulatedLimits(world, limits) : undefined;
    this.#checker = new Checker(
      world,
      () => this.#database.memory,
      this.#definitions,
      PARTITIONS,
      this.#limits?.through,
    );
    this.#database = new SimulatedDatabase(world, trouble, this.#checker);
    this.#queue = new TaskQueue(world);
    const own = new SeededRandom(seed + DIRECT_SALT * 2 ** 32);
    this.#direct = own.chance(0.5) ? new DirectNetwork(world, own, trouble) : undefined;
    this.#bus = new SimulatedBus(world, this.#queue, PARTITIONS, trouble, this.#checker, this.#direct);
    const human = new SeededRandom(seed + APPROVAL_SALT * 2 ** 32);
    this.#humans = human.chance(0.35) ? human : undefined;
    const waits = new SeededRandom(seed + WAIT_SALT * 2 ** 32);
    this.#waits = waits.chance(WAIT_SHARE) ? waits : undefined;
    const signals = new SeededRandom(seed + SIGNAL_SALT * 2 ** 32);
    this.#signals = signals.chance(SIGNAL_SHARE) ? signals : undefined;
    const choices = new SeededRandom(seed + CHOICE_SALT * 2 ** 32);
    this.#choices = choices.chance(CHOICE_SHARE) ? choices : undefined;
    const models = new SeededRandom(seed + MODEL_SALT * 2 ** 32);
    this.#models = models.chance(MODEL_SHARE) ? models : undefined;
    const children = new SeededRandom(seed + CHILD_SALT * 2 ** 32);
    this.#children = children.chance(CHILD_SHARE) ? children : undefined;
    const repeats = new SeededRandom(seed + REPEAT_SALT * 2 ** 32);
    this.#repeats = repeats.chance(REPEAT_SHARE) ? repeats : undefined;
    const maps = new SeededRandom(seed + MAP_SALT * 2 ** 32);
    this.#maps = maps.chance(MAP_SHARE) ? maps : undefined;
    const policies = new SeededRandom(seed + POLICY_SALT * 2 ** 32);
    this.#policies = policies.chance(POLICY_SHARE) ? policies : undefined;
    const tools = new SeededRandom(seed + TOOL_SALT * 2 ** 32);
    this.#tools = tools.chance(TOOL_SHARE) ? tools : undefined;
    const routes = new SeededRandom(seed + ROUTE_SALT * 2 ** 32);
    this.#routes = routes.chance(ROUTE_SHARE) ? routes : undefined;
    this.#names = ['one', 'two', 'three'].slice(0, random.between(1, 3));
    this.#settings = {
      ...SETTINGS,
      lanes: random.between(1, 2),
      limits: { ...SETTINGS.limits, commitEvents: random.pick([1, 5, 50]) },
      cacheBytes: random.chance(0.3) ? 1 : SETTINGS.cacheBytes,
    };
    this.#queue.ready = () => {
      for (const runner of this.#runners) runner.pull();
    };
  }

  async run(): Promise<SimulationResult> {
    const world = this.#world;
    try {
      this.#prepare();
      await world.run(TROUBLED_MS);
      this.#calm();
      await world.run(TROUBLED_MS + QUIET_MS, () => this.#done());
      await this.#finish();
      if (world.violation !== undefined) throw world.violation;
    } catch (error) {
      const violation =
        error instanceof Violation
          ? error
          : new Violation('nothing throws', error instanceof Error ? (error.stack ?? error.message) : String(error));
      return this.#result(violation);
    } finally {
      // Timers of processes that still live must not be taken for theirs by anybody.
      for (const process of this.#processes.values()) process.alive = false;
    }
    return this.#result(undefined);
  }

  #result(violation: Violation | undefined): SimulationResult {
    const histories = [...this.#checker.histories.values()];
    return {
      seed: this.#seed,
      violation: violation === undefined ? undefined : { rule: violation.rule, message: violation.message },
      timeline: this.#world.timeline,
      steps: this.#world.steps,
      events: histories.reduce((sum, history) => sum + history.version, 0),
      executions: histories.flatMap((history) => {
        const state = this.#checker.state(history.id);
        return state === undefined
          ? []
          : [{ definition: history.definition, view: view(state), events: history.events }];
      }),
    };
  }

  #prepare(): void {
    const world = this.#world;
    const { random } = world;
    for (const name of this.#names) {
      world.after(random.chance(0.7) ? 0 : random.int(10_000), () => this.#launch(name));
    }
    const habits = {
      failing: random.pick([0, 0.1, 0.3, 0.6]),
      hanging: random.pick([0, 0, 0.1]),
      late: random.pick([0, 0.5]),
      twice: random.pick([0, 0.2]),
    };
    for (let index = 1; index <= random.between(1, 2); index++) {
      this.#runners.push(new Runner(`runner ${index}`, world, this.#queue, this.#bus, habits, this.#directPart()));
    }
    const count = random.between(1, 4);
    for (let index = 1; index <= count; index++) {
      const drawn = randomConfig(random, index);
      const asking = this.#humans === undefined ? drawn : withApprovals(drawn, this.#humans);
      const waiting = this.#waits === undefined ? asking : withWaits(asking, this.#waits);
      const signalled = this.#signals === undefined ? waiting : withSignals(waiting, this.#signals);
      const chosen = this.#choices === undefined ? signalled : withChoices(signalled, this.#choices);
      const nesting = this.#children === undefined ? chosen : withChildren(chosen, this.#children);
      const modelled = this.#models === undefined ? nesting : withModels(nesting, this.#models);
      const repeating = this.#repeats === undefined ? modelled : withRepeats(modelled, this.#repeats);
      const governed = this.#policies === undefined ? repeating : withPolicy(repeating, this.#policies);
      const tooled = this.#tools === undefined ? governed : withTools(governed, this.#tools);
      const routed = this.#routes === undefined ? tooled : withRoutes(tooled, this.#routes);
      const definition = this.#maps === undefined ? routed : withMaps(routed, this.#maps);
      this.#definitions.set(`config-${index}`, definition);
      world.note('config', () => JSON.stringify(definition));
      world.after(random.int(8_000), () => this.#start(`config-${index}`, index));
    }
    if (this.#children !== undefined) {
      for (const [id, definition] of childConfigs(this.#children)) this.#definitions.set(id, definition);
      this.#lookForChildren(this.#children);
    }
    if (this.#routes !== undefined) {
      for (const [id, definition] of childConfigs(this.#routes)) this.#definitions.set(id, definition);
      this.#definitions.set(BOT.configId, BOT.definition);
    }
    if (this.#maps !== undefined) {
      for (const [id, definition] of childConfigs(this.#maps)) this.#definitions.set(id, definition);
      // Attempts that children make get no commands of users.
      if (this.#tools === undefined && this.#routes === undefined) this.#lookForChildren(this.#maps);
    }
    if (this.#tools !== undefined) {
      for (const [id, definition] of childConfigs(this.#tools)) this.#definitions.set(id, definition);
      this.#definitions.set(BOT.configId, BOT.definition);
      this.#lookForCalls(this.#tools);
    }
    this.#planSchedule();
    this.#planDependents();
    this.#planLimited();
    this.#planFaults();
    if (this.#humans !== undefined) this.#lookForApprovals(this.#humans);
    if (this.#signals !== undefined) this.#lookForSignals(this.#signals);
    this.#lookForUndone(new SeededRandom(textHash(`undone ${this.#seed}`)));
    const deleting = new SeededRandom(textHash(`deleted ${this.#seed}`));
    if (deleting.chance(0.4)) this.#deleteNowAndThen(deleting);
  }

  /** Executions that wait for others: for those that run, for each other, and for some that begin later or never. */
  #planDependents(): void {
    const world = this.#world;
    const random = new SeededRandom(this.#seed + DEPENDENCY_SALT * 2 ** 32);
    if (!random.chance(DEPENDENCY_SHARE)) return;
    this.#definitions.set('config-dependent', DEPENDENT);
    const ids = Array.from({ length: random.between(2, 5) }, (_, index) =>
      uuidV5('0190a5b4-0000-7000-8000-000000000002', `dependent ${index} of ${this.#seed}`),
    );
    const waiters = new Map<string, string>();
    for (const [index, executionId] of ids.entries()) {
      world.after(random.int(12_000), () => {
        const known = [...this.#executions.filter((id) => !ids.includes(id)), ...ids.slice(0, index)];
        const chosen = new Set<string>();
        for (let left = known.length === 0 ? 0 : random.between(0, 3); left > 0; left--) chosen.add(random.pick(known));
        if (random.chance(0.03)) chosen.add(uuidV5(executionId, 'nothing'));
        const after = [...chosen].map((id) => ({
          executionId: id,
          on: random.weighted({ success: 5, failed: 1, finished: 4 }),
        }));
        for (const { executionId: id } of after) waiters.set(id, executionId);
        const told = random.chance(0.3) ? waiters.get(executionId) : undefined;
        this.#executions.push(executionId);
        const base = { executionId, principal: PRINCIPAL };
        const request: CommandRequest = {
          ...base,
          commandId: `start ${executionId}`,
          start: {
            configId: 'config-dependent',
            configVersion: 1,
            traceId: executionId.replaceAll('-', ''),
            ...(after.length === 0 ? {} : { after }),
            ...(told === undefined ? {} : { waiters: [told] }),
            ...(random.chance(0.15) ? { startAt: world.now + random.between(-1_000, 8_000) } : {}),
          },
        };
        this.#send(request);
        if (random.chance(0.2)) world.after(random.int(5_000), () => this.#send(request));
        for (let left = random.int(4); left > 0; left--) {
          const name = random.weighted({ cancel: 1, pause: 2, retry: 6, terminate: 0.5, reschedule: 2 });
          const command = { ...base, commandId: `${name}-${this.#newId()}` };
          world.after(random.int(15_000), () => {
            if (name === 'pause') {
              this.#send({ ...command, pause: {} });
              const resume = { ...command, commandId: `${command.commandId}-end`, resume: {} };
              world.after(random.int(5_000), () => this.#send(resume));
            } else if (name === 'reschedule') {
              this.#send({ ...command, reschedule: { startAt: world.now + random.between(-1_000, 6_000) } });
            } else {
              this.#send({ ...command, [name]: {} });
            }
          });
        }
      });
    }
  }

  /** Executions of configs that limit how many run, with a few keys. */
  #planLimited(): void {
    const world = this.#world;
    const random = new SeededRandom(this.#seed + PLACE_SALT * 2 ** 32);
    if (!random.chance(PLACE_SHARE)) return;
    const key = random.pick([undefined, 'all', '{% input.key %}', '{% input.n + 1 %}']);
    const concurrency = {
      limit: random.between(1, 3),
      ...(key === undefined ? {} : { key }),
      on_limit: random.weighted({ queue: 6, reject: 1, cancel_oldest: 2, cancel_newest: 1 }),
    };
    this.#definitions.set('config-limited', { ...DEPENDENT, name: 'limited', settings: { concurrency } });
    world.note('config', () => JSON.stringify(concurrency));
    if (random.chance(0.4)) this.#loseReleases(random);
    for (let index = random.between(3, 9); index > 0; index--) {
      const executionId = uuidV5('0190a5b4-0000-7000-8000-000000000003', `limited ${index} of ${this.#seed}`);
      world.after(random.int(15_000), () => {
        this.#executions.push(executionId);
        const base = { executionId, principal: PRINCIPAL };
        const start: CommandRequest = {
          ...base,
          commandId: `start ${executionId}`,
          start: {
            configId: 'config-limited',
            configVersion: 1,
            traceId: executionId.replaceAll('-', ''),
            input: { key: random.pick(['a', 'a', 'b']), n: random.int(2) },
            ...(random.chance(0.3) ? { priority: random.pick(['high', 'low']) } : {}),
            ...(random.chance(0.15) ? { startAt: world.now + random.between(-1_000, 8_000) } : {}),
          },
        };
        this.#send(start);
        for (let left = random.int(4); left > 0; left--) {
          const name = random.weighted({ cancel: 2, pause: 2, retry: 6, terminate: 0.5, reschedule: 1 });
          const command = { ...base, commandId: `${name}-${this.#newId()}` };
          world.after(random.int(20_000), () => {
            if (name === 'pause') {
              this.#send({ ...command, pause: {} });
              const resume = { ...command, commandId: `${command.commandId}-end`, resume: {} };
              world.after(random.int(5_000), () => this.#send(resume));
            } else if (name === 'reschedule') {
              this.#send({ ...command, reschedule: { startAt: world.now + random.between(-1_000, 6_000) } });
            } else {
              this.#send({ ...command, [name]: {} });
            }
          });
        }
      });
    }
  }

  /** Now and then a release gets an answer and reaches no limiter, as if a limiter had lost it. */
  #loseReleases(random: SeededRandom): void {
    this.#bus.answerInstead = (kind, body) => {
      const { release, from } = body as { readonly release?: object; readonly from?: string };
      if (kind !== 'message' || release === undefined || from === undefined) return undefined;
      if (!this.#world.faults || !random.chance(LOST_RELEASE_SHARE)) return undefined;
      this.#world.note('network', () => `loses the release of ${short(from)}`);
      this.#checker.lostRelease(from);
      return '{"outcome":"recorded"}';
    };
  }

  /** A schedule of a few times, and its triggers by hand. */
  #planSchedule(): void {
    const world = this.#world;
    const random = new SeededRandom(this.#seed + SCHEDULE_SALT * 2 ** 32);
    if (!random.chance(0.25)) return;
    this.#definitions.set('config-scheduled', SCHEDULED);
    const executionId = uuidV5('0190a5b4-0000-7000-8000-000000000001', `schedule of ${this.#seed}`);
    const every = random.between(2_000, 6_000);
    const from = random.int(5_000);
    const definition: ScheduleDefinition = {
      name: 'scheduled',
      config: 'config-scheduled',
      timetable: {
        every_ms: every,
        start_at: new Date(BEGIN).toISOString(),
        end_at: new Date(BEGIN + from + 6_000 + every * 5).toISOString(),
      },
      overlap: random.pick(OVERLAP_POLICIES),
      ...(random.chance(0.3) ? { jitter_ms: 1_000 } : {}),
      ...(random.chance(0.3) ? { input: { at: '{% nominal_time %}' } } : {}),
      ...(random.chance(0.3) ? { max_runs: 2 } : {}),
    };
    const command = { commandId: `create ${executionId}`, executionId, principal: PRINCIPAL };
    world.after(from, () => this.#send({ ...command, schedule: { create: { definition } } }));
  }

  /** Most runners of a seed with direct dispatch take part in it, with few slots or more than are needed. */
  #directPart(): DirectPart | undefined {
    const network = this.#direct;
    if (network === undefined || network.random.chance(0.15)) return undefined;
    return { network, slots: network.random.pick([1, 2, 6]) };
  }

  #launch(name: string): void {
    if (this.#processes.get(name)?.alive === true) return;
    const world = this.#world;
    world.note(name, () => 'starts');
    const process = new OwnerProcess(name, {
      world,
      database: this.#database,
      bus: this.#bus,
      configs: this.#configs,
      evaluator: this.#evaluator,
      starts: this.#limits,
      settings: this.#settings,
      leaseMs: LEASE_MS,
      skewMs: world.random.chance(0.2) ? world.random.between(-1_500, 1_500) : 0,
      crashed: (crashed) => {
        // A supervisor starts it again, at once or after a while.
        if (this.#processes.get(name) !== crashed) return;
        world.after(world.random.chance(0.6) ? 100 : world.random.between(100, 6_000), () => this.#launch(name));
      },
    });
    this.#processes.set(name, process);
  }

  readonly #configs: ConfigService = {
    newest: (_tenantId, config) => {
      if (this.#world.strikes(0.1)) return Promise.resolve({ kind: 'unavailable', message: 'nobody answers' });
      return Promise.resolve({ kind: 'found', configId: config, version: 1, leaseMs: 0 });
    },
    version: (configId) => {
      if (this.#world.strikes(0.1)) return Promise.resolve({ kind: 'unavailable', message: 'nobody answers' });
      const definition = this.#definitions.get(configId);
      return Promise.resolve(definition === undefined ? { kind: 'missing' } : { kind: 'found', definition });
    },
    agent: (_tenantId, name) => {
      if (this.#world.strikes(0.1)) return Promise.resolve({ unavailable: 'nobody answers' });
      if (name === 'ghost') return Promise.resolve({ agent: undefined });
      if (name === 'bot') return Promise.resolve({ agent: { pool: '', model: BOT as unknown as AgentModelCopy } });
      const schemas = name === 'thinker' ? { inputSchema: OBJECT, outputSchema: OBJECT } : {};
      return Promise.resolve({ agent: { pool: 'default', ...schemas } });
    },
  };

  readonly #evaluator: Evaluator = {
    evaluate: ({ expressions, scope }) => {
      const values: JsonValue[] = [];
      for (const expression of expressions) {
        try {
          values.push(evaluateExpression(expression, scope) ?? null);
        } catch (error) {
          const message = `${expression}: ${error instanceof Error ? error.message : String(error)}`;
          return Promise.resolve({ failure: { code: 'expression_failed', message, retryable: false } });
        }
      }
      return Promise.resolve({ values });
    },
    validate: ({ schema, value }) => {
      if (this.#world.strikes(0.1)) return Promise.resolve({ unavailable: 'too much waits' });
      const fits = schema !== OBJECT || (typeof value === 'object' && value !== null && !Array.isArray(value));
      const violation = { path: '', message: 'must be object', code: 'type' };
      return Promise.resolve(fits ? { violations: [], total: 0 } : { violations: [violation], total: 1 });
    },
  };

  #planFaults(): void {
    const world = this.#world;
    const { random } = world;
    const some = (most: number, event: () => void): void => {
      for (let left = random.int(most + 1); left > 0; left--) {
        world.after(random.int(TROUBLED_MS), () => {
          if (world.faults) event();
        });
      }
    };
    if (random.chance(0.2)) {
      this.#direct?.planNothing();
      return;
    }
    const any = (): OwnerProcess | undefined => this.#processes.get(random.pick(this.#names));
    some(3, () => any()?.crash('(killed)'));
    some(2, () => {
      const process = any();
      process?.stall();
      world.after(random.between(100, 12_000), () => process?.wake());
    });
    some(1, () => void any()?.stop());
    // A second process under the same name, while the first one may still live.
    some(1, () => {
      const name = random.pick(this.#names);
      const before = this.#processes.get(name);
      if (before === undefined || !before.alive) return;
      this.#processes.delete(name);
      this.#launch(name);
    });
    some(2, () => this.#bus.wipe(random.chance(0.5)));
    some(2, () => this.#queue.strand());
    some(2, () => {
      const runner = random.pick(this.#runners);
      runner.crash();
      world.after(random.between(100, 8_000), () => runner.restart());
    });
    some(2, () => random.pick(this.#runners).stall(random.between(100, 6_000)));
    this.#planDirectFaults();
  }

  /** More of what concerns runners. */
  #planDirectFaults(): void {
    const network = this.#direct;
    if (network === undefined) return;
    const { random } = network;
    const some = (most: number, event: (runner: Runner) => void): void => {
      for (let left = random.int(most + 1); left > 0; left--) {
        this.#world.after(random.int(TROUBLED_MS), () => {
          if (this.#world.faults) event(random.pick(this.#runners));
        });
      }
    };
    some(2, (runner) => {
      runner.leave(random.between(0, 2_000), random.between(100, 5_000));
    });
    // In a storm an attempt is lost with one runner after the other.
    const storm = random.chance(0.2);
    some(storm ? 40 : 3, (runner) => {
      runner.crash();
      this.#world.after(random.between(100, storm ? 600 : 8_000), () => runner.restart());
    });
    some(2, (runner) => runner.stall(random.between(100, 6_000)));
  }

  #newId(): string {
    const { random, now } = this.#world;
    const time = now.toString(16).padStart(12, '0');
    return `${time.slice(0, 8)}-${time.slice(8)}-7${random.hex(3)}-8${random.hex(3)}-${random.hex(12)}`;
  }

  #input(): JsonValue {
    const { random } = this.#world;
    if (random.chance(0.1)) return random.pick([null, 5, 'text', [1, 2]]);
    return {
      n: random.int(3),
      ...(random.chance(0.7) ? { flag: random.chance(0.6) } : {}),
      ...(random.chance(0.3) ? { list: [1, 2] } : {}),
    };
  }

  #start(configId: string, index: number, fork?: { executionId: string; fromStepId: string }): void {
    const world = this.#world;
    const { random } = world;
    const executionId = this.#newId();
    this.#executions.push(executionId);
    const request: CommandRequest = {
      commandId: `start-${index}-${executionId}`,
      executionId,
      principal: PRINCIPAL,
      start: {
        configId,
        configVersion: 1,
        input: this.#input(),
        traceId: random.hex(32),
        ...(random.chance(0.15) ? { startAt: world.now + random.between(-1_000, 15_000) } : {}),
        ...(fork === undefined ? {} : { fork }),
        ...startBudget(executionId),
      },
    };
    this.#send(request);
    // Clients that lost their answer start again, with the same command or, wrongly, with another.
    if (random.chance(0.2)) world.after(random.int(5_000), () => this.#send(request));
    if (random.chance(0.1)) {
      world.after(random.int(5_000), () => this.#send({ ...request, commandId: `again-${index}` }));
    }
    this.#planCommands(executionId, configId);
  }

  #planCommands(executionId: string, configId: string): void {
    const world = this.#world;
    const { random } = world;
    if (random.chance(0.35)) return;
    const steps = this.#definitions.get(configId)?.steps ?? [];
    for (let left = random.int(5); left > 0; left--) {
      const wait = random.chance(0.7) ? random.int(4_000) : random.int(20_000);
      const command = random.weighted({
        cancel: 2,
        compensate: 2,
        pause: 4,
        resume: 6,
        terminate: 1,
        skip: 4,
        retry: 5,
        fork: 2,
      });
      world.after(wait, () => {
        const base = { commandId: `${command}-${this.#newId()}`, executionId, principal: PRINCIPAL };
        const stepId = random.pick(steps).id;
        switch (command) {
          case 'cancel':
            return this.#send({ ...base, cancel: { compensate: false, reason: 'enough' } });
          case 'compensate':
            return this.#send({ ...base, cancel: { compensate: true } });
          case 'pause': {
            this.#send({ ...base, pause: { now: random.chance(0.4) } });
            if (random.chance(0.8)) {
              const resume = { ...base, commandId: `${base.commandId}-end`, resume: {} };
              world.after(random.int(6_000), () => this.#send(resume));
            }
            return;
          }
          case 'resume':
            return this.#send({ ...base, resume: {} });
          case 'terminate':
            return this.#send({ ...base, terminate: { reason: 'now' } });
          case 'skip':
            return this.#send({ ...base, skipStep: { stepId: random.chance(0.05) ? 'nothing' : stepId } });
          case 'retry':
            return this.#send({ ...base, retry: {} });
          case 'fork':
            if (this.#executions.length > 6) return;
            return this.#start(configId, this.#executions.length + 1, { executionId, fromStepId: stepId });
        }
      });
    }
  }

  /** Humans look now and then for what waits for them; some decide late, twice, or what is not theirs to decide. */
  #lookForApprovals(random: SeededRandom): void {
    const world = this.#world;
    world.after(random.between(50, 1_500), () => this.#lookForApprovals(random));
    for (const id of this.#executions) {
      const state = this.#checker.state(id);
      if (state === undefined || isTerminal(state.status)) continue;
      const { steps } = state.config.definition;
      const waiting = view(state).steps.filter(({ approval }) => approval?.status === 'waiting');
      for (const { stepId, approval } of waiting) {
        if (random.chance(world.faults ? 0.3 : 0.7)) this.#decide(random, id, stepId, approval?.approvers);
      }
      if (random.chance(0.03)) this.#decide(random, id, random.chance(0.1) ? 'nothing' : random.pick(steps).id, []);
    }
  }

  /** Humans decide about calls of tools, and now and then about what nobody asks them. */
  #lookForCalls(random: SeededRandom): void {
    const world = this.#world;
    world.after(random.between(50, 1_500), () => this.#lookForCalls(random));
    for (const id of this.#executions) {
      const state = this.#checker.state(id);
      if (state === undefined || isTerminal(state.status)) continue;
      for (const { stepId, llm } of view(state).steps) {
        for (const call of llm?.calls ?? []) {
          const asks = call.approval?.status === 'waiting' && random.chance(world.faults ? 0.3 : 0.7);
          if (asks) this.#decide(random, id, call.stepId ?? '', call.approval?.approvers);
          else if (random.chance(0.02)) this.#decide(random, id, call.stepId ?? `${stepId}:t1:1`, []);
        }
      }
    }
  }

  /** Something happens now and then: what a step waits for, what one will wait for, or what none waits for. */
  #lookForSignals(random: SeededRandom): void {
    const world = this.#world;
    world.after(random.between(50, 1_500), () => this.#lookForSignals(random));
    for (const id of this.#executions) {
      const state = this.#checker.state(id);
      if (state === undefined) continue;
      if (isTerminal(state.status)) {
        if (random.chance(0.01)) this.#signal(random, id, random.pick(SIGNALS));
        continue;
      }
      for (const { signal } of view(state).steps) {
        if (signal?.status === 'waiting' && random.chance(world.faults ? 0.3 : 0.7)) {
          this.#signal(random, id, signal.name);
        }
      }
      if (random.chance(0.05)) this.#signal(random, id, random.pick([...SIGNALS, 'nothing']));
    }
  }

  #signal(random: SeededRandom, executionId: string, name: string): void {
    const request: CommandRequest = {
      commandId: `signal-${this.#newId()}`,
      executionId,
      principal: PRINCIPAL,
      signal: {
        name,
        ...(random.chance(0.8) ? { payload: random.pick<JsonValue>([{ v: 1 }, [2], null, 'text']) } : {}),
      },
    };
    this.#send(request);
    if (random.chance(0.2)) this.#world.after(random.int(5_000), () => this.#send(request));
  }

  /** Children get commands of their own now and then. */
  #lookForChildren(random: SeededRandom): void {
    const world = this.#world;
    world.after(random.between(300, 3_000), () => this.#lookForChildren(random));
    for (const id of this.#checker.histories.keys()) {
      const state = this.#checker.state(id);
      if (state?.started?.parent === undefined || state.deleted !== undefined) continue;
      const request = (name: string) => ({
        commandId: `${name}-${this.#newId()}`,
        executionId: id,
        principal: PRINCIPAL,
      });
      // A parent may wait for it, and nobody else would have it go on.
      if (state.status === 'paused' && !world.faults) this.#send({ ...request('resume'), resume: {} });
      if (!world.faults || !random.chance(0.06)) continue;
      if (!isTerminal(state.status)) {
        const command = random.weighted({ cancel: 1, pause: 2, terminate: 0.5 });
        if (command === 'cancel') {
          this.#send({ ...request('cancel'), cancel: { compensate: random.chance(0.3) } });
        } else if (command === 'terminate') {
          this.#send({ ...request('terminate'), terminate: {} });
        } else {
          this.#send({ ...request('pause'), pause: {} });
          world.after(random.int(6_000), () => this.#send({ ...request('resume'), resume: {} }));
        }
      } else if (random.chance(0.5)) {
        this.#send({ ...request('retry'), retry: {} });
      } else {
        this.#send({ ...request('delete'), deleteExecution: { reason: 'enough' } });
      }
    }
  }

  /** Operators look now and then for undoings that stopped, and have some go on, with a generator of their own. */
  #lookForUndone(random: SeededRandom): void {
    const world = this.#world;
    world.after(random.between(500, 4_000), () => this.#lookForUndone(random));
    for (const id of this.#executions) {
      const state = this.#checker.state(id);
      if (state === undefined || !isTerminal(state.status)) continue;
      const asked = this.#undoings.get(id) ?? 0;
      const left = (view(state).compensation?.notCompensated.length ?? 0) > 0;
      if (!random.chance(left ? 0.5 : 0.02) || asked >= MOST_UNDOINGS) continue;
      this.#undoings.set(id, asked + 1);
      const commandId = `compensate-${asked}-${id}`;
      const request: CommandRequest = { commandId, executionId: id, principal: PRINCIPAL, compensate: {} };
      this.#send(request);
      if (random.chance(0.2)) world.after(random.int(3_000), () => this.#send(request));
    }
  }

  /** Some executions are deleted, also while they run or while somebody has them run again, with a generator of its own. */
  #deleteNowAndThen(random: SeededRandom): void {
    const world = this.#world;
    world.after(random.between(500, 6_000), () => this.#deleteNowAndThen(random));
    for (const id of this.#executions) {
      const state = this.#checker.state(id);
      if (state === undefined || state.deleted !== undefined) continue;
      if (!random.chance(isTerminal(state.status) ? 0.25 : 0.01)) continue;
      const base = { executionId: id, principal: PRINCIPAL };
      const deletion: CommandRequest = {
        ...base,
        commandId: `delete-${state.version}-${id}`,
        deleteExecution: random.chance(0.5) ? { ifVersion: state.version } : { reason: 'enough' },
      };
      this.#send(deletion);
      if (random.chance(0.3)) this.#send({ ...base, commandId: `retry-${state.version}-${id}`, retry: {} });
      if (random.chance(0.2)) world.after(random.int(3_000), () => this.#send(deletion));
    }
  }

  #decide(random: SeededRandom, executionId: string, stepId: string, approvers: readonly string[] = ['ann']): void {
    const request = (): CommandRequest => ({
      commandId: `decide-${this.#newId()}`,
      executionId,
      principal: { ...PRINCIPAL, userId: random.chance(0.9) ? random.pick(['ann', ...approvers]) : 'eve' },
      decideApproval: {
        stepId,
        approved: random.chance(0.65),
        ...(random.chance(0.3) ? { comment: 'as agreed' } : {}),
        ...(random.chance(0.3) ? { data: random.pick<JsonValue>([{ v: 1 }, [2], null, 'text']) } : {}),
      },
    });
    const first = request();
    this.#send(first);
    if (random.chance(0.2)) this.#world.after(random.int(5_000), () => this.#send(first));
    if (random.chance(0.2)) this.#world.after(random.int(3_000), () => this.#send(request()));
  }

  /** A client sends a command until it is answered. */
  #send(request: CommandRequest): void {
    const world = this.#world;
    const key = `${request.executionId} ${request.commandId} ${world.steps}`;
    this.#unanswered.add(key);
    const ask = (): void => {
      if (!this.#unanswered.has(key)) return;
      this.#bus.ask('command', request.executionId, request, (value) => {
        const { rejected } = value as CommandReply;
        // Only for now: the client asks again.
        if (rejected?.code !== 'unavailable') this.#unanswered.delete(key);
      });
      world.after(1_000, ask);
    };
    world.note('client', () => `sends ${JSON.stringify(request)}`);
    ask();
  }

  #calm(): void {
    const world = this.#world;
    world.note('world', () => 'is calm from now on');
    world.faults = false;
    for (const process of this.#processes.values()) process.wake();
    for (const runner of this.#runners) if (!runner.alive) runner.restart();
  }

  #done(): boolean {
    if (this.#world.steps % 64 !== 0 || this.#unanswered.size > 0 || !this.#checker.schedules.done) return false;
    if (!this.#checker.childrenDone) return false;
    return [...this.#executions, ...this.#checker.histories.keys()].every((id) => {
      const state = this.#checker.state(id);
      if (state === undefined || isTerminal(state.status) || state.status === 'paused') return true;
      return this.#mayWait(state);
    });
  }

  /** Whether an execution may wait for ever, because something that it waits for is paused or missing. */
  #mayWait(state: State): boolean {
    const { dependencies, limiters } = this.#checker;
    return dependencies.mayWait(state) || limiters.mayWait(state, (id) => this.#checker.state(id));
  }

  async #finish(): Promise<void> {
    const world = this.#world;
    await this.#checker.finish();
    for (const key of this.#unanswered) world.violated('every command is answered', key);
    for (const id of new Set([...this.#executions, ...this.#checker.histories.keys()])) {
      const state = this.#checker.state(id);
      // A start that is refused for good (a fork of nothing) leaves no execution.
      if (state === undefined) continue;
      if (!isTerminal(state.status) && state.status !== 'paused' && !this.#mayWait(state)) {
        world.violated('no execution hangs', `${short(id)} is ${state.status} at version ${state.version}`);
      }
    }
  }
}

/** A start's own budget follows from its id, so that a repeat asks for the same. */
function startBudget(executionId: string): { budget?: { maxTokens?: number; maxCost?: number } } {
  const random = new SeededRandom(textHash(executionId));
  if (random.chance(0.9)) return {};
  return {
    budget: random.chance(0.5) ? { maxTokens: random.between(1, 150) } : { maxCost: random.between(1, 8) / 10 },
  };
}
