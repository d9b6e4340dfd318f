import { definitionOfAgent, HAND_OVER, MAP_RESULTS, ON_PARENT_CLOSE } from '@batuta/contracts';
import type {
  ConsensusGroup,
  ItemStep,
  JsonValue,
  LlmTool,
  MapDefinition,
  OrchestrationDefinition,
  Retry,
  RouteCandidate,
  StepDefinition,
  ToolApproval,
} from '@batuta/contracts';
import { SeededRandom } from './random.js';

interface ConfigDraft {
  readonly random: SeededRandom;
  readonly strategy: OrchestrationDefinition['strategy'];
  readonly steps: StepDefinition[];
  readonly groups: ConsensusGroup[];
  /** Ids that a later step may depend on. */
  readonly dependable: string[];
  /** Possible output keys. */
  readonly keys: string[];
  next: number;
}

/**
 * A random config (docs/configs.md) with every strategy and option that the simulation's agents can handle. It may
 * contain fields without effect, which saving refuses, such as a fallback that never runs, because older configs
 * contain them too.
 */
export function randomConfig(random: SeededRandom, index: number): OrchestrationDefinition {
  const strategy = random.pick(['sequential', 'parallel', 'parallel', 'consensus', 'fallback'] as const);
  const draft: ConfigDraft = { random, strategy, steps: [], groups: [], dependable: [], keys: [], next: 0 };
  const size = random.between(1, 6);
  while (draft.steps.length < size) {
    if (random.chance(strategy === 'consensus' ? 0.6 : 0.12)) addGroup(draft);
    else if (draft.dependable.length > 0 && random.chance(strategy === 'fallback' ? 0.5 : 0.2)) addFallback(draft);
    else addStep(draft, {});
  }
  // With a separate generator, so that later additions to these configs leave the others, and their seeds, unchanged.
  serveMembers({ ...draft, random: new SeededRandom(textHash(JSON.stringify(draft.steps))) });
  // Steps may be listed before their dependencies, except where the order has a meaning.
  const shuffled = (strategy === 'parallel' || strategy === 'consensus') && random.chance(0.2);
  return {
    name: `config-${index}`,
    strategy,
    steps: shuffled ? shuffle(random, draft.steps) : draft.steps,
    ...(draft.groups.length === 0 ? {} : { consensus_groups: draft.groups }),
    settings: {
      ...(random.chance(0.5) ? { parallel_limit: random.between(0, 3) } : {}),
      ...(random.chance(0.2) ? { consensus_threshold: random.pick([0.3, 0.5, 0.67, 1]) } : {}),
      ...(random.chance(0.15) ? { timeout_ms: random.between(200, 30_000) } : {}),
      ...(random.chance(0.3) ? { priority: random.pick(['high', 'normal', 'low'] as const) } : {}),
      ...(new SeededRandom(textHash(`inputs of ${JSON.stringify(draft.steps)}`)).chance(0.3)
        ? { default_input: 'merged' as const }
        : {}),
      ...randomBudget(new SeededRandom(textHash(`budget of ${JSON.stringify(draft.steps)}`))),
    },
    ...(random.chance(0.15) ? { output: mapping(draft, draft.keys) } : {}),
  };
}

function shuffle<T>(random: SeededRandom, items: readonly T[]): T[] {
  const left = [...items];
  const shuffled: T[] = [];
  while (left.length > 0) shuffled.push(...left.splice(random.int(left.length), 1));
  return shuffled;
}

function newId(draft: ConfigDraft): string {
  draft.next += 1;
  return `s${draft.next}`;
}

function retryPolicy(random: SeededRandom): Retry {
  const backoff = random.pick([0, 10, 100, 1_000]);
  return {
    max_attempts: random.between(1, 4),
    ...(random.chance(0.7) ? { backoff_ms: backoff } : {}),
    ...(random.chance(0.3) ? { backoff_coefficient: random.pick([1, 2, 3]) } : {}),
    ...(random.chance(0.3) ? { max_backoff_ms: Math.max(backoff, 1_500) } : {}),
    ...(random.chance(0.5) ? { jitter: random.pick(['full', 'none'] as const) } : {}),
    ...(random.chance(0.3) ? { non_retryable: ['busy'] } : {}),
    ...(random.chance(0.1) ? { total_timeout_ms: random.between(100, 5_000) } : {}),
  };
}

function expression(draft: ConfigDraft, keys: readonly string[]): string {
  const { random } = draft;
  const path = (): string => {
    if (keys.length === 0 || random.chance(0.4)) {
      return random.pick(['input.n', 'input.flag', 'input.missing', 'input.list']);
    }
    return `outputs.${random.pick(keys)}${random.pick(['', '.v', '.s', '.missing'])}`;
  };
  if (random.chance(0.5)) return path();
  if (random.chance(0.04)) return '$error("boom")';
  return `${path()}${random.pick([' = ', ' != ', ' > ', ' + '])}${random.pick(['1', '0', '2'])}`;
}

function condition(draft: ConfigDraft, keys: readonly string[]): string {
  const { random } = draft;
  if (random.chance(0.15)) return 'true';
  if (random.chance(0.3)) return random.pick(['input.flag', 'input.missing', 'input.n = 1', 'input.n != 1']);
  return expression(draft, keys);
}

function mapping(draft: ConfigDraft, keys: readonly string[]): JsonValue {
  const { random } = draft;
  const value = (): JsonValue => (random.chance(0.25) ? random.int(5) : `{% ${expression(draft, keys)} %}`);
  if (random.chance(0.1)) return value();
  return { one: value(), ...(random.chance(0.5) ? { two: [value(), { deep: value() }] } : {}) };
}

function common(draft: ConfigDraft, id: string): StepDefinition {
  const { random } = draft;
  return {
    id,
    name: id.toUpperCase(),
    agent: random.chance(0.02) ? 'ghost' : random.pick(['echo', 'worker', 'thinker']),
    timeout_ms: random.pick([200, 1_000, 5_000]),
    ...(random.chance(0.5) ? { retry: retryPolicy(random) } : {}),
    ...(random.chance(0.06) ? { schedule_to_start_ms: random.between(300, 6_000) } : {}),
    ...(random.chance(0.06) ? { schedule_to_close_ms: random.between(6_000, 12_000) } : {}),
    ...(random.chance(0.08) ? { heartbeat_ms: random.pick([300, 1_500]) } : {}),
    ...(random.chance(0.2)
      ? {
          compensate: {
            agent: 'undoer',
            timeout_ms: 1_000,
            ...(random.chance(0.5) ? { retry: retryPolicy(random) } : {}),
            ...(random.chance(0.3) ? { input: { id: '{% output.v %}' } } : {}),
          },
        }
      : {}),
  };
}

function dependencies(draft: ConfigDraft): Pick<StepDefinition, 'dependencies' | 'require'> {
  const { random } = draft;
  const chosen = random.some(draft.dependable, 0.45).slice(-3);
  return {
    ...(chosen.length === 0 ? {} : { dependencies: chosen }),
    ...(random.chance(0.15) ? { require: random.pick(['all', 'any'] as const) } : {}),
  };
}

/** The output keys that a step with these dependencies can certainly name. */
function visibleKeys(draft: ConfigDraft, depends: readonly string[] | undefined): string[] {
  return (depends ?? []).flatMap((id) => {
    const step = draft.steps.find((item) => item.id === id);
    const group = draft.groups.find((item) => item.id === id);
    return [step?.output_key ?? group?.output_key ?? id];
  });
}

function addStep(draft: ConfigDraft, more: Partial<StepDefinition>): StepDefinition {
  const { random } = draft;
  const id = newId(draft);
  const depends = dependencies(draft);
  const keys = visibleKeys(draft, depends.dependencies);
  const step: StepDefinition = {
    ...common(draft, id),
    ...depends,
    ...(random.chance(0.15) ? { output_key: `k_${id}` } : {}),
    ...(random.chance(0.5) ? { on_failure: random.pick(['abort', 'continue', 'continue', 'fallback'] as const) } : {}),
    ...(random.chance(0.2) ? { when: condition(draft, keys) } : {}),
    ...(random.chance(0.2) ? { input: mapping(draft, keys) } : {}),
    ...more,
  };
  draft.steps.push(step);
  draft.dependable.push(id);
  draft.keys.push(step.output_key ?? id);
  return step;
}

function addFallback(draft: ConfigDraft): void {
  const { random } = draft;
  const last = draft.steps.at(-1) as StepDefinition;
  const served = random.chance(0.6) && last.consensus_group === undefined ? last.id : random.pick(draft.dependable);
  const target = draft.steps.find((item) => item.id === served);
  if (target?.consensus_group !== undefined) return;
  const group = draft.groups.find((item) => item.id === served);
  // The served step should usually use it.
  if (target !== undefined && random.chance(0.8)) target.on_failure = 'fallback';
  if (group !== undefined && random.chance(0.8)) group.on_failure = 'fallback';
  const id = newId(draft);
  const main = draft.steps.findLast((step) => step.is_fallback !== true && step.fallback_for === undefined);
  const sees = visibleKeys(draft, target?.dependencies);
  const implied = draft.strategy === 'fallback' && main?.id === served && random.chance(0.4);
  draft.steps.push({
    ...common(draft, id),
    ...(implied ? { is_fallback: true } : { fallback_for: served }),
    ...(random.chance(0.2) ? { fallback_when: random.some(['error', 'timeout', 'no_consensus'] as const, 0.6) } : {}),
    ...(random.chance(0.3) ? { on_failure: random.pick(['abort', 'continue', 'fallback'] as const) } : {}),
    ...(random.chance(0.15) ? { when: condition(draft, sees) } : {}),
    ...(random.chance(0.15) ? { input: mapping(draft, sees) } : {}),
  });
}

function addGroup(draft: ConfigDraft): void {
  const { random } = draft;
  const id = `g${draft.groups.length + 1}`;
  const before = [...draft.dependable];
  const members: string[] = [];
  const size = random.between(2, 4);
  for (let index = 0; index < size; index++) {
    const member = addStep({ ...draft, dependable: [...before] }, { consensus_group: id });
    draft.next = Math.max(draft.next, Number(member.id.slice(1)));
    if (random.chance(0.5)) delete member.on_failure;
    members.push(member.id);
  }
  draft.dependable.push(...(random.chance(0.1) ? members : []), id);
  const mode = random.pick([
    'quorum',
    'quorum',
    'majority',
    'majority',
    'weighted',
    'unanimous',
    'best',
    'judge',
  ] as const);
  const drawn = random.pick([undefined, 'fail', 'first', 'judge'] as const);
  const threshold = random.chance(0.3) ? random.pick([0, 0.3, 0.5, 0.75, 1]) : 0;
  const key = random.chance(0.5) ? random.pick(['s', 'v', 's = "a"', 'v + 1']) : undefined;
  // Saving a config refuses fields without effect in a mode.
  const compares = mode === 'majority' || mode === 'weighted';
  const tie = compares || mode === 'best' ? drawn : undefined;
  const group: ConsensusGroup = {
    id,
    mode,
    ...(threshold > 0 && (compares || mode === 'quorum') ? { threshold } : {}),
    ...(key !== undefined && (compares || mode === 'unanimous') ? { vote_key: key } : {}),
    ...(mode === 'best' ? { score: random.pick(['v', 'v + 1']) } : {}),
    ...(mode === 'weighted'
      ? { weights: Object.fromEntries(members.map((member, place) => [member, place === 0 ? 2 : random.int(4)])) }
      : {}),
    ...(mode === 'judge' || tie === 'judge' ? { judge: 'arbiter' } : {}),
    ...(tie === undefined ? {} : { on_tie: tie }),
    ...(random.chance(0.5) ? { on_failure: random.pick(['abort', 'continue', 'fallback'] as const) } : {}),
    ...(random.chance(0.4) && mode !== 'best' && mode !== 'judge' ? { early_stop: true } : {}),
    ...(random.chance(0.15) ? { output_key: `k_${id}` } : {}),
  };
  draft.groups.push(group);
  draft.keys.push(group.output_key ?? id);
}

/** Gives some members their own fallbacks, and some main steps kinds of failure for theirs. */
function serveMembers(draft: ConfigDraft): void {
  const { random } = draft;
  if (random.chance(0.6)) return;
  for (const step of draft.steps.slice()) {
    const main = step.fallback_for === undefined && step.is_fallback !== true;
    if (step.consensus_group !== undefined && random.chance(0.3)) {
      step.on_failure = 'fallback';
      let served = step.id;
      for (let left = random.between(1, 2); left > 0; left--) {
        const id = newId(draft);
        draft.steps.push({
          ...common(draft, id),
          fallback_for: served,
          ...(random.chance(0.15) ? { when: condition(draft, []) } : {}),
          ...(random.chance(0.2) ? { fallback_when: random.some(['error', 'timeout'] as const, 0.6) } : {}),
          ...(random.chance(0.5) ? { on_failure: 'fallback' as const } : {}),
        });
        if (random.chance(0.5)) served = id;
      }
    }
    if (main && step.on_failure === 'fallback' && random.chance(0.15)) {
      step.fallback_when = [random.pick(['error', 'timeout'] as const)];
    }
  }
}

/** Turns some steps into approvals, and removes settings that have no meaning there. */
export function withApprovals(definition: OrchestrationDefinition, random: SeededRandom): OrchestrationDefinition {
  return {
    ...definition,
    steps: definition.steps.map((step) => (random.chance(0.4) ? approvalStep(step, random) : step)),
  };
}

/** Names of the signals that steps wait for. */
export const SIGNALS = ['go', 'pay'] as const;

/** A step without the fields that only an agent's attempts have. */
function withoutAgent(step: StepDefinition): StepDefinition {
  const {
    agent: _agent,
    timeout_ms: _timeout,
    retry: _retry,
    heartbeat_ms: _heartbeat,
    schedule_to_start_ms: _toStart,
    schedule_to_close_ms: _toClose,
    compensate: _compensate,
    ...rest
  } = step;
  return rest;
}

/** Turns some steps into waits. */
export function withWaits(definition: OrchestrationDefinition, random: SeededRandom): OrchestrationDefinition {
  return {
    ...definition,
    steps: definition.steps.map((step) => (isAgents(step) && random.chance(0.3) ? waitStep(step, random) : step)),
  };
}

/** Turns some steps into steps that ask a model. */
export function withModels(definition: OrchestrationDefinition, random: SeededRandom): OrchestrationDefinition {
  return {
    ...definition,
    steps: definition.steps.map((step) =>
      step.agent !== undefined && random.chance(0.5) ? modelStep(step, random) : step,
    ),
  };
}

const WORKING = definitionOfAgent({
  name: 'bot',
  llm: { model: 'writer', tools: [{ name: 't1', agent: 'worker' }], max_turns: 3 },
});

/** The agent of the simulation that is made of a model, and the config of the executions that it works in, which ends soon. */
export const BOT = {
  configId: 'config-bot',
  revision: 1,
  definition: {
    ...WORKING,
    steps: WORKING.steps.map((step) => ({ ...step, timeout_ms: 1_000, retry: { max_attempts: 2 } })),
  },
} as const;

/** Has some steps ask a model whose tools are guarded, are configs or agents of a model, or take the conversation over. */
export function withTools(definition: OrchestrationDefinition, random: SeededRandom): OrchestrationDefinition {
  return {
    ...definition,
    steps: definition.steps.map((step) => {
      if (step.agent === undefined) return step;
      if (random.chance(0.25)) return { ...step, agent: 'bot' };
      if (step.repeat !== undefined || random.chance(0.3)) return step;
      const asking = modelStep(step, random);
      const tools = (asking.llm?.tools ?? []).map((tool) => (tool.finish === true ? tool : callingTool(tool, random)));
      return asking.llm === undefined || tools.length === 0 ? asking : { ...asking, llm: { ...asking.llm, tools } };
    }),
  };
}

function callingTool({ agent, retry, ...tool }: LlmTool, random: SeededRandom): LlmTool {
  const timed = random.chance(0.5);
  const when = random.weighted({ always: 3, path: 2, large: 2, broken: 0.3 });
  const approval: ToolApproval = {
    ...(when === 'path' ? { when: 'call.input.n' } : {}),
    ...(when === 'large' ? { when: 'call.input.n > 2' } : {}),
    ...(when === 'broken' ? { when: '$error("boom")' } : {}),
    ...(random.chance(0.4) ? { approvers: random.pick([['ann'], ['bob']]) } : {}),
    ...(timed ? { timeout_ms: random.pick([50, 500, 2_000, 20_000]) } : {}),
    ...(timed && random.chance(0.5) ? { on_timeout: random.pick(['approve', 'reject'] as const) } : {}),
  };
  const called = random.weighted({ agent: 3, bot: 1.5, config: 1.5 });
  return {
    ...tool,
    ...(called === 'config' ? { config: CHILDREN.plain } : { agent: called === 'bot' ? 'bot' : (agent ?? 'worker') }),
    ...(retry === undefined || called === 'config' ? {} : { retry }),
    ...(random.chance(0.5) ? { approval } : {}),
    ...(random.chance(0.15) ? { hand_over: random.pick(HAND_OVER) } : {}),
  };
}

/** Turns some steps into routes among agents and configs. */
export function withRoutes(definition: OrchestrationDefinition, random: SeededRandom): OrchestrationDefinition {
  return {
    ...definition,
    steps: definition.steps.map((step) =>
      step.agent !== undefined && random.chance(0.5) ? routeStep(step, random) : step,
    ),
  };
}

function routeStep(step: StepDefinition, random: SeededRandom): StepDefinition {
  const { agent: _agent, heartbeat_ms: _heartbeat, schedule_to_start_ms: _start, ...rest } = step;
  const mode = random.pick(['rules', 'semantic', 'model', 'hybrid', 'hybrid'] as const);
  const asked = mode === 'hybrid' ? random.pick(['semantic', 'model', 'both'] as const) : mode;
  const names = ['c1', 'c2', 'c3'].slice(0, random.between(1, 3));
  const candidates = names.map((name): RouteCandidate => {
    const works = random.weighted({ agent: 4, config: 1.5 });
    const ruled =
      mode === 'model' || mode === 'semantic'
        ? 'none'
        : random.weighted({ path: 2, sum: 2, word: 2, none: 1, broken: 0.1 });
    return {
      name,
      ...(works === 'config' ? { config: CHILDREN.plain } : { agent: random.pick(['worker', 'thinker', 'bot']) }),
      ...(works === 'agent' && random.chance(0.4) ? { retry: retryPolicy(random) } : {}),
      ...(ruled === 'path' ? { when: random.pick(['input.flag', 'input.missing']) } : {}),
      ...(ruled === 'sum' ? { when: random.pick(['input.n = 1', 'input.n != 1']) } : {}),
      ...(ruled === 'word' ? { keywords: [random.pick(['1', 'flag', 'other words'])] } : {}),
      ...(ruled === 'broken' ? { when: '$error("boom")' } : {}),
    };
  });
  return {
    ...rest,
    route: {
      mode,
      candidates,
      ...(asked === 'model' || asked === 'both' ? { model: 'writer' } : {}),
      ...(asked === 'semantic' || asked === 'both' ? { embedding_model: 'vectors' } : {}),
      ...(mode !== 'rules' && random.chance(0.5) ? { min_confidence: random.pick([0, 0.3, 0.9]) } : {}),
      ...(random.chance(0.4) ? { message: random.pick<JsonValue>(['{% input.n %}', { n: '{% input.n + 1 %}' }]) } : {}),
      ...(random.chance(0.5) ? { fallback: random.pick(names) } : {}),
    },
  };
}

function modelStep(step: StepDefinition, random: SeededRandom): StepDefinition {
  const { agent: _agent, input: _input, heartbeat_ms: _heartbeat, schedule_to_start_ms: _start, ...rest } = step;
  const tools: LlmTool[] = random.some(['t1', 't2', 't3'], 0.6).map((name) => ({
    name,
    agent: random.pick(['worker', 'thinker']),
    ...(random.chance(0.5) ? { parallel: random.between(1, 3) } : {}),
    ...(random.chance(0.4) ? { retry: retryPolicy(random) } : {}),
    ...(random.chance(0.2) ? { max_result_bytes: 100 } : {}),
  }));
  if (random.chance(0.3)) tools.push({ name: 'end', finish: true });
  const schema = random.chance(0.3);
  return {
    ...rest,
    llm: {
      model: 'writer',
      ...(random.chance(0.3) ? { system: 'Be brief.' } : {}),
      prompt: random.pick<JsonValue>(['Hello', '{% input.n %}', { n: '{% input.n + 1 %}' }, '{% input.flag = 1 %}']),
      ...(tools.length === 0 ? {} : { tools }),
      ...(random.chance(0.6) ? { max_turns: random.between(1, 5) } : {}),
      ...(random.chance(0.3) ? { on_max_turns: 'answer' as const } : {}),
      ...(schema ? { output_schema: { type: 'object' } } : {}),
      ...(schema && random.chance(0.5) ? { max_repairs: random.int(3) } : {}),
    },
  };
}

function waitStep(step: StepDefinition, random: SeededRandom): StepDefinition {
  const { input: _input, ...rest } = withoutAgent(step);
  const until = random.weighted({ duration: 5, past: 1, path: 2, sum: 1, broken: 0.1 });
  const duration = random.pick([1, 40, 700, 3_000, 15_000]);
  return {
    ...rest,
    wait: {
      ...(until === 'duration' ? { duration_ms: duration } : {}),
      ...(until === 'past' ? { until: '2001-02-03T04:05:06.789Z' } : {}),
      // Small numbers are times long ago, and a missing value is not a time.
      ...(until === 'path'
        ? { until: `{% ${random.pick(['input.n', 'input.n', 'input.missing', 'input.flag'])} %}` }
        : {}),
      ...(until === 'sum' ? { until: '{% input.n + 1 %}' } : {}),
      ...(until === 'broken' ? { until: '{% $error("boom") %}' } : {}),
    },
  };
}

/** Turns some steps into choices among the steps that depend on them. */
export function withChoices(definition: OrchestrationDefinition, random: SeededRandom): OrchestrationDefinition {
  const isPlain = (step: StepDefinition): boolean =>
    step.fallback_for === undefined && step.is_fallback !== true && step.consensus_group === undefined;
  return {
    ...definition,
    steps: definition.steps.map((step) => {
      const after = definition.steps.filter((each) => isPlain(each) && each.dependencies?.includes(step.id) === true);
      if (!isAgents(step) || !isPlain(step) || after.length === 0 || !random.chance(0.6)) return step;
      const some = (): string[] => random.some(after, 0.6).map(({ id }) => id);
      const { input: _input, ...rest } = withoutAgent(step);
      const conditions = ['input.flag', 'input.n = 1', 'input.missing', 'input.n', 'true'];
      const branches = Array.from({ length: random.between(1, 3) }, () => ({
        when: random.chance(0.03) ? '$error("boom")' : random.pick(conditions),
        steps: some(),
      }));
      return {
        ...rest,
        choice: { branches, default: some(), ...(random.chance(0.5) ? { mode: 'all' as const } : {}) },
      };
    }),
  };
}

/** Turns some steps into steps that wait for a signal. */
export function withSignals(definition: OrchestrationDefinition, random: SeededRandom): OrchestrationDefinition {
  return {
    ...definition,
    steps: definition.steps.map((step) => (isAgents(step) && random.chance(0.35) ? signalStep(step, random) : step)),
  };
}

function signalStep(step: StepDefinition, random: SeededRandom): StepDefinition {
  const { input: _input, ...rest } = withoutAgent(step);
  const timed = random.chance(0.5);
  const goesOn = timed && random.chance(0.5);
  return {
    ...rest,
    signal: {
      name: random.pick(SIGNALS),
      ...(timed ? { timeout_ms: random.pick([50, 700, 4_000, 15_000]) } : {}),
      ...(goesOn ? { on_timeout: 'continue' as const } : {}),
      ...(goesOn && random.chance(0.5) ? { default: { v: 0 } } : {}),
    },
  };
}

/** Turns some steps into executions of other configs. */
export function withChildren(definition: OrchestrationDefinition, random: SeededRandom): OrchestrationDefinition {
  return {
    ...definition,
    steps: definition.steps.map((step) => (isAgents(step) && random.chance(0.45) ? childStep(step, random) : step)),
  };
}

/** Turns some steps into steps whose items are worked on one by one. */
export function withMaps(definition: OrchestrationDefinition, random: SeededRandom): OrchestrationDefinition {
  return {
    ...definition,
    steps: definition.steps.map((step) => (isAgents(step) && random.chance(0.45) ? mapStep(step, random) : step)),
  };
}

function mapStep(step: StepDefinition, random: SeededRandom): StepDefinition {
  const { input: _input, repeat: _repeat, llm: _llm, ...rest } = withoutAgent(step);
  return { ...rest, map: randomMap(random, true) };
}

function randomMap(random: SeededRandom, mayNest: boolean): MapDefinition {
  const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index % 7);
  const items = random.weighted({ few: 4, more: 2, many: 2, none: 0.5, given: 1, mixed: 1, wrong: 0.4, broken: 0.1 });
  const lists: Readonly<Record<typeof items, JsonValue>> = {
    few: [{ v: 1 }, 'b', null],
    more: numbers(12),
    many: numbers(23),
    none: [],
    given: '{% input.list %}',
    mixed: ['{% input.n %}', '{% input.n + 1 %}', 3],
    wrong: '{% input.n %}',
    broken: '{% $error("boom") %}',
  };
  const kind = random.weighted({ agent: 8, child: 1.5, map: mayNest ? 0.7 : 0 });
  const common = random.chance(0.2) ? { when: random.pick(['item', 'index != 1', 'index > 0', 'input.flag']) } : {};
  const agent: ItemStep = {
    agent: random.pick(['echo', 'worker', 'worker']),
    timeout_ms: 4_000,
    ...(random.chance(0.6) ? { retry: { max_attempts: random.between(1, 3), backoff_ms: 20 } } : {}),
    ...(random.chance(0.5)
      ? {
          input: random.pick<JsonValue>([
            { of: '{% item %}', at: '{% index %}' },
            { n: '{% index + 1 %}', all: '{% input %}' },
            '{% item.v %}',
          ]),
        }
      : {}),
  };
  const steps: Readonly<Record<typeof kind, ItemStep>> = {
    agent,
    child: { orchestration: { config: random.pick([CHILDREN.plain, CHILDREN.plain, 'nothing']) } },
    map: { map: { items: ['{% item %}', '{% index %}'], step: agent, tolerated_failures: 1 } },
  };
  return {
    items: lists[items],
    step: { ...steps[kind], ...common },
    ...(random.chance(0.6) ? { max_concurrency: random.pick([1, 1, 2, 40]) } : {}),
    ...(random.chance(0.6) ? { tolerated_failures: random.pick([1, 3, '20%', '100%']) } : {}),
    ...(random.chance(0.4) ? { results: random.pick(MAP_RESULTS) } : {}),
    ...(random.chance(0.5) ? { on_parent_close: random.pick(ON_PARENT_CLOSE) } : {}),
  };
}

/** Has some steps run again until an expression is true. */
export function withRepeats(definition: OrchestrationDefinition, random: SeededRandom): OrchestrationDefinition {
  return {
    ...definition,
    steps: definition.steps.map((step) =>
      (step.agent !== undefined || step.orchestration !== undefined) && random.chance(0.5)
        ? repeatStep(step, random)
        : step,
    ),
  };
}

/** Says what failures do by default. */
export function withPolicy(definition: OrchestrationDefinition, random: SeededRandom): OrchestrationDefinition {
  const policy = random.pick(['continue', 'continue', 'fallback', 'abort'] as const);
  return { ...definition, settings: { ...definition.settings, on_failure: policy } };
}

function repeatStep(step: StepDefinition, random: SeededRandom): StepDefinition {
  const until = random.weighted({
    'iteration > 1': 3,
    'iteration = 3': 2,
    result: 2,
    'result.v': 1,
    'result.missing': 2,
    'input.flag': 1,
    '1 = 2': 1,
    '$error("boom")': 0.2,
  });
  return {
    ...step,
    ...(random.chance(0.5)
      ? {
          input: random.pick<JsonValue>([
            { i: '{% iteration %}', last: '{% result %}' },
            { n: '{% iteration + 1 %}', all: '{% results %}' },
            '{% iteration %}',
          ]),
        }
      : {}),
    repeat: {
      until,
      max_iterations: random.between(1, 4),
      ...(random.chance(0.6) ? { delay_ms: random.pick([0, 30, 400, 2_000]) } : {}),
      ...(random.chance(0.5) ? { on_max: random.pick(['fail', 'complete'] as const) } : {}),
    },
  };
}

function childStep(step: StepDefinition, random: SeededRandom): StepDefinition {
  return {
    ...withoutAgent(step),
    orchestration: {
      config: random.weighted({ [CHILDREN.plain]: 6, [CHILDREN.nested]: 2, [CHILDREN.endless]: 0.4, nothing: 0.3 }),
      ...(random.chance(0.7) ? { on_parent_close: random.pick(ON_PARENT_CLOSE) } : {}),
      ...(random.chance(0.1) ? { config_version: 1 } : {}),
    },
  };
}

/** Configs for child executions: one that works, one with its own child, and one that starts itself. */
export const CHILDREN = { plain: 'config-child', nested: 'config-nested', endless: 'config-endless' } as const;

export function childConfigs(random: SeededRandom): readonly (readonly [string, OrchestrationDefinition])[] {
  const worker = { name: 'A', agent: 'worker', timeout_ms: 4_000, retry: { max_attempts: random.between(1, 3) } };
  const ofPlain = { config: CHILDREN.plain, on_parent_close: random.pick(ON_PARENT_CLOSE) };
  const steps = (...all: StepDefinition[]): StepDefinition[] => all;
  return [
    [
      CHILDREN.plain,
      {
        name: 'child',
        strategy: 'sequential',
        steps: steps(
          { id: 'a', ...worker, ...(random.chance(0.3) ? { compensate: { agent: 'worker' } } : {}) },
          ...(random.chance(0.5) ? [{ id: 'b', ...worker, dependencies: ['a'] }] : []),
        ),
      },
    ],
    [
      CHILDREN.nested,
      {
        name: 'nested',
        strategy: 'parallel',
        steps: steps({ id: 'n', name: 'N', orchestration: ofPlain }, { id: 'w', ...worker }),
      },
    ],
    [
      CHILDREN.endless,
      {
        name: 'endless',
        strategy: 'sequential',
        steps: steps({ id: 'e', name: 'E', orchestration: { config: CHILDREN.endless } }),
      },
    ],
  ];
}

function isAgents({ approval, wait, signal, choice, orchestration, route, map }: StepDefinition): boolean {
  return [approval, wait, signal, choice, orchestration, route, map].every((kind) => kind === undefined);
}

function approvalStep(step: StepDefinition, random: SeededRandom): StepDefinition {
  const rest = withoutAgent(step);
  const paths = ['input.n', 'input.flag', ...(step.dependencies ?? []).map((id) => `outputs.${id}.v`)];
  const message = random.weighted({ none: 1, text: 3, path: 2, sum: 2, broken: 0.1 });
  const timed = random.chance(0.5);
  return {
    ...rest,
    approval: {
      ...(message === 'text' ? { message: 'May this go out?' } : {}),
      ...(message === 'path' ? { message: `{% ${random.pick(paths)} %}` } : {}),
      ...(message === 'sum' ? { message: `{% ${random.pick(paths)} != 1 %}` } : {}),
      ...(message === 'broken' ? { message: '{% $error("boom") %}' } : {}),
      ...(random.chance(0.4) ? { approvers: random.pick([['ann'], ['bob'], ['ann', 'bob']]) } : {}),
      ...(timed ? { timeout_ms: random.pick([50, 500, 2_000, 20_000]) } : {}),
      ...(timed && random.chance(0.5) ? { on_timeout: random.pick(['approve', 'reject'] as const) } : {}),
    },
  };
}

/**
 * Some executions stay within it with the spending of the simulation's agents (`randomSpending`), and others do not.
 */
function randomBudget(random: SeededRandom): { budget?: { max_tokens?: number; max_cost?: number } } {
  if (random.chance(0.7)) return {};
  const tokens = random.chance(0.6);
  return {
    budget: {
      ...(tokens ? { max_tokens: random.pick([1, 50, 100, 200]) } : {}),
      ...(!tokens || random.chance(0.3) ? { max_cost: random.pick([0.1, 0.3, 1]) } : {}),
    },
  };
}

/** The reported spending of an attempt. It follows from the attempt, so that a repeated answer is the same. */
export function randomSpending(key: string): { [name: string]: JsonValue } {
  const random = new SeededRandom(textHash(key));
  return {
    ...(random.chance(0.5)
      ? { _tokens: random.chance(0.3) ? { input: random.int(40), output: 10 } : random.int(60) }
      : {}),
    // In tenths, whose sums have rounding errors.
    ...(random.chance(0.4) ? { _cost: random.int(4) / 10 } : {}),
  };
}

/** FNV-1a. */
export function textHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
