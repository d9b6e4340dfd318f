import type { ConsensusGroup, JsonObject, JsonValue, OrchestrationDefinition, StepDefinition } from '@batuta/contracts';
import fc from 'fast-check';

export type Move =
  | {
      readonly kind: 'result';
      readonly pick: number;
      readonly shift: number;
      readonly ok: boolean;
      readonly output: JsonValue;
      readonly code: string;
      readonly retryable: boolean;
      readonly twice: boolean;
      /** Details of a failure, with its spending. */
      readonly details?: JsonObject;
    }
  | { readonly kind: 'evaluation'; readonly ok: boolean; readonly output: JsonValue }
  | { readonly kind: 'wake'; readonly far: boolean; readonly by: number }
  | { readonly kind: 'heartbeat'; readonly pick: number }
  | {
      readonly kind: 'decision';
      readonly pick: number;
      /** For any step, whether it waits or not. */
      readonly stray: boolean;
      readonly approved: boolean;
      readonly by: string;
      readonly data: JsonValue | undefined;
      readonly twice: boolean;
    }
  | { readonly kind: 'control'; readonly command: Readonly<Record<string, unknown>> & { readonly type: string } };

const IDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] as const;
const GROUPS = ['G', 'H'] as const;

const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 2 });

const anyOutput: fc.Arbitrary<JsonValue> = fc.oneof(
  fc.constant({ verdict: 'yes', score: 1 }),
  fc.constant({ verdict: 'no', score: 2, _tokens: 5, _cost: 0.25 }),
  fc.constant({ verdict: 'yes', _tokens: { input: 3, output: 4 }, _cost: 0.1 }),
  fc.constantFrom<JsonValue>('a', 'b', null, 0, true),
  fc.record({ winner: fc.constantFrom(...IDS) }),
);

const anyRetry = fc.record(
  {
    max_attempts: fc.integer({ min: 1, max: 3 }),
    backoff_ms: fc.integer({ min: 0, max: 1000 }),
    jitter: fc.constantFrom('full', 'none'),
    non_retryable: fc.constant(['fatal']),
    total_timeout_ms: fc.constantFrom(0, 1500),
  },
  { requiredKeys: ['max_attempts'] },
);

const anyApproval = fc.record(
  {
    message: fc.constantFrom('May it?', '{% input.flag %}', '{% $sum(input.list) %}'),
    approvers: fc.constantFrom<string[]>(['ann'], ['ann', 'bob']),
    timeout_ms: fc.constantFrom(400, 2000),
    on_timeout: fc.constantFrom('approve' as const, 'reject' as const),
  },
  { requiredKeys: [] },
);

const anyWait = fc.constantFrom<NonNullable<StepDefinition['wait']>>(
  { duration_ms: 300 },
  { duration_ms: 2500 },
  { until: '2001-01-01T00:00:00Z' },
  { until: '{% input.list %}' },
  { until: '{% $sum(input.list) %}' },
);

const anySignal = fc.constantFrom<NonNullable<StepDefinition['signal']>>(
  { name: 'go' },
  { name: 'go', timeout_ms: 600 },
  { name: 'pay', timeout_ms: 600, on_timeout: 'continue', default: 1 },
);

interface StepSeed {
  readonly dependsOn: readonly number[];
  readonly onGroup: boolean;
  readonly fallbackFor: number | undefined;
  readonly isFallback: boolean;
  readonly group: (typeof GROUPS)[number] | undefined;
  readonly approval: StepDefinition['approval'];
  readonly chooses: boolean;
  readonly wait: StepDefinition['wait'];
  readonly signal: StepDefinition['signal'];
  readonly rest: Partial<StepDefinition>;
}

const anyStepSeed: fc.Arbitrary<StepSeed> = fc.record({
  dependsOn: fc.array(fc.nat(7), { maxLength: 3 }),
  onGroup: fc.boolean(),
  fallbackFor: maybe(fc.nat(7)),
  isFallback: fc.constantFrom(false, false, false, true),
  group: maybe(fc.constantFrom(...GROUPS)),
  approval: fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: anyApproval }),
  wait: fc.oneof({ weight: 7, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: anyWait }),
  chooses: fc.constantFrom(false, false, false, true),
  signal: fc.oneof({ weight: 7, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: anySignal }),
  rest: fc
    .record({
      on_failure: maybe(fc.constantFrom('abort' as const, 'continue' as const, 'fallback' as const)),
      retry: maybe(anyRetry),
      when: maybe(fc.constantFrom('input.flag', 'input.missing', '$exists(input)')),
      require: maybe(fc.constantFrom('any' as const, 'all' as const)),
      input: maybe(fc.constantFrom<JsonValue>({ x: '{% input.flag %}' }, { y: '{% $sum(input.list) %}' }, 'plain')),
      compensate: maybe(fc.record({ agent: fc.constant('echo'), retry: maybe(anyRetry) })),
      schedule_to_close_ms: maybe(fc.constant(5000)),
      schedule_to_start_ms: maybe(fc.constant(900)),
      heartbeat_ms: maybe(fc.constant(700)),
      fallback_when: maybe(
        fc.constantFrom<('error' | 'timeout' | 'no_consensus')[]>(['error'], ['timeout', 'no_consensus']),
      ),
    })
    .map((fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))),
});

const anyGroup = fc.record(
  {
    mode: fc.constantFrom('quorum', 'majority', 'weighted', 'unanimous', 'best', 'judge'),
    threshold: fc.constantFrom(0.5, 0.8),
    vote_key: fc.constantFrom('verdict', '$lowercase(verdict)'),
    on_tie: fc.constantFrom('fail', 'first', 'judge'),
    on_failure: fc.constantFrom('abort', 'continue', 'fallback'),
    early_stop: fc.boolean(),
    weights: fc.constant({ a: 3, b: 2 }),
  },
  { requiredKeys: ['mode'] },
) as fc.Arbitrary<Omit<ConsensusGroup, 'id'>>;

/** Valid configs with all strategies. Dependencies and fallbacks point backwards. */
export const anyDefinition: fc.Arbitrary<OrchestrationDefinition> = fc
  .record({
    strategy: fc.constantFrom('sequential', 'parallel', 'consensus', 'fallback') as fc.Arbitrary<
      OrchestrationDefinition['strategy']
    >,
    seeds: fc.array(anyStepSeed, { minLength: 1, maxLength: 8 }),
    groups: fc.array(anyGroup, { minLength: 2, maxLength: 2 }),
    limit: fc.constantFrom(0, 0, 1, 2),
    budget: maybe(fc.constantFrom({ max_tokens: 4 }, { max_cost: 0.3 }, { max_tokens: 12, max_cost: 0.5 })),
    output: maybe(fc.constantFrom<JsonValue>({ all: '{% outputs %}' }, { n: '{% $count(outputs) %}' })),
  })
  .map(({ strategy, seeds, groups, limit, budget, output }) => {
    const useGroups = strategy === 'consensus';
    const steps = seeds.map((seed, index): StepDefinition => {
      const mainBefore = seeds.flatMap((each, at) =>
        at < index && !isAlternative(seeds, at) && each.fallbackFor === undefined ? [at] : [],
      );
      const dependencies = [
        ...new Set(
          seed.dependsOn.filter((at) => mainBefore.includes(at) && !(useGroups && seeds[at]?.group !== undefined)),
        ),
      ].map((at) => IDS[at] as string);
      const alternative = isAlternative(seeds, index);
      const target = seed.fallbackFor === undefined ? undefined : IDS[seed.fallbackFor % Math.max(1, index)];
      return {
        id: IDS[index] as string,
        name: `Step ${index}`,
        dependencies,
        ...workOf(seed),
        ...(alternative
          ? { is_fallback: true, fallback_for: useGroups && seed.onGroup ? 'G' : (target as string) }
          : {}),
        ...(useGroups && !alternative && seed.group !== undefined ? { consensus_group: seed.group } : {}),
      };
    });
    for (const [index, step] of steps.entries()) {
      const last = steps.findLastIndex((each) => each.consensus_group === 'G');
      const free = step.consensus_group === undefined && step.is_fallback !== true;
      if (useGroups && free && seeds[index]?.onGroup === true && last !== -1 && last < index) {
        step.dependencies = [...(step.dependencies ?? []), 'G'];
      }
    }
    for (const [index, step] of steps.entries()) {
      const plain = (each: StepDefinition): boolean => each.is_fallback !== true && each.consensus_group === undefined;
      const after = steps.filter((each) => plain(each) && each.dependencies?.includes(step.id) === true);
      if (seeds[index]?.chooses !== true || !plain(step) || step.agent === undefined || after.length === 0) continue;
      const { id, name, dependencies, when, require, on_failure: policy } = step;
      const ids = after.map((each) => each.id);
      const branches = [
        { when: 'input.missing', steps: ids },
        { when: '$exists(input)', steps: ids.slice(0, 1) },
      ];
      const fields = { dependencies, when, require, on_failure: policy };
      const kept = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
      steps[index] = { id, name, ...kept, choice: { branches, default: ids.slice(1) } };
    }
    const named = new Set(steps.map((step) => step.consensus_group));
    const declared = GROUPS.flatMap((id, at) =>
      named.has(id) ? [{ id, judge: 'echo', score: 'score', ...groups[at] }] : [],
    ) as ConsensusGroup[];
    for (const step of steps) {
      if (step.fallback_for === 'G' && !named.has('G')) {
        step.fallback_for = IDS[0];
      }
    }
    return {
      name: 'any',
      strategy,
      steps,
      settings: { parallel_limit: limit, ...(budget === undefined ? {} : { budget }) },
      ...(useGroups ? { consensus_groups: declared } : {}),
      ...(output === undefined ? {} : { output }),
    };
  });

/** The work of a step, and its further fields. */
function workOf({ approval, wait, signal, rest }: StepSeed): Partial<StepDefinition> {
  if (approval === undefined && wait === undefined && signal === undefined) return { agent: 'echo', ...rest };
  const { on_failure: policy, when, require, input, fallback_when: kinds } = rest;
  const common = { on_failure: policy, when, require, fallback_when: kinds };
  const other = wait === undefined ? { signal } : { wait };
  const fields = approval === undefined ? { ...common, ...other } : { ...common, approval, input };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function isAlternative(seeds: readonly StepSeed[], index: number): boolean {
  return index > 0 && seeds[index]?.fallbackFor !== undefined && seeds[index]?.isFallback === true;
}

const anyControl = fc.oneof(
  fc.record({ type: fc.constant('CancelExecution'), compensate: fc.boolean() }),
  fc.constant({ type: 'TerminateExecution' }),
  fc.record({ type: fc.constant('PauseExecution'), now: fc.boolean() }),
  fc.constant({ type: 'ResumeExecution' }),
  fc.constant({ type: 'ResumeExecution' }),
  fc.record({ type: fc.constant('SkipStep'), stepId: fc.constantFrom(...IDS) }),
  fc.constant({ type: 'RetryExecution' }),
  fc.constant({ type: 'CompensateExecution' }),
  fc.record({ type: fc.constant('SendSignal'), name: fc.constantFrom('go', 'pay', 'nothing'), payload: anyOutput }),
);

/** Possible events of an execution, mostly results and wake-ups. */
export const anyMove: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('result' as const),
      pick: fc.nat(7),
      shift: fc.constantFrom(0, 0, 0, 0, -1, 1),
      ok: fc.constantFrom(true, true, false),
      output: anyOutput,
      code: fc.constantFrom('broken', 'timeout', 'fatal'),
      retryable: fc.boolean(),
      twice: fc.boolean(),
      details: fc.constantFrom({}, { _tokens: 4 }, { _cost: 0.1, seen: 1 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('evaluation' as const),
      ok: fc.constantFrom(true, true, false),
      output: anyOutput,
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('wake' as const), far: fc.boolean(), by: fc.nat(1000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('heartbeat' as const), pick: fc.nat(7) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('control' as const), command: anyControl }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('decision' as const),
      pick: fc.nat(7),
      stray: fc.constantFrom(false, false, false, true),
      approved: fc.boolean(),
      by: fc.constantFrom('ann', 'ann', 'bob'),
      data: fc.option(anyOutput, { nil: undefined }),
      twice: fc.boolean(),
    }),
  },
);
