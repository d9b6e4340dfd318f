import { STEPS_STREAM } from '@batuta/contracts';
import type { Failure, StepAttemptFailed, StepCompleted } from '@batuta/contracts';
import { spanIdOf, spanIds } from '@batuta/observability';
import type { FinishedSpan, SpanLink } from '@batuta/observability';
import type { CompiledConfig, SpanChange } from '../domain/index.js';
import { genAi, genAiOfStep, stepSpanName, usage } from './span-attributes.js';
import type { Attributes, Unit } from './span-attributes.js';
import { PART_MS } from './span-factory.js';
import type { OpenSpan, SpanFactory } from './span-factory.js';

interface OpenAttempt {
  readonly number: number;
  readonly scheduledAt: number;
}

interface OpenStep {
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly startAt: number;
  readonly links: readonly SpanLink[];
  readonly unit: Unit | undefined;
  /** For a unit that makes tool calls: the model's id of its call. */
  callId: string | undefined;
  attempt: OpenAttempt | undefined;
  attempts: number;
  /** What it waits for, other than attempts. */
  wait: (OpenSpan & { readonly withdrawn: Attributes }) | undefined;
  tokens: number;
  cost: number;
  backoff: { readonly from: number; readonly until: number; readonly after: number } | undefined;
}

/** What the spans of steps need from the trace that they are part of. */
interface TraceOfSteps {
  /** The spans of steps and groups that have ended, by id. */
  readonly ended: Map<string, string>;
  /** The id of a span in the current round. */
  readonly path: (...path: (string | number)[]) => string;
  /** The span above a step. */
  readonly parentOf: (unit: Unit | undefined, at: number) => string;
}

/** The spans of an execution's steps: each with its attempts, its pauses before another attempt, and its waits. */
export class StepSpans {
  readonly #config: CompiledConfig;
  readonly #factory: SpanFactory;
  readonly #trace: TraceOfSteps;
  /** How many calls each unit for tool calls has begun. */
  readonly #calls = new Map<string, number>();
  readonly #steps = new Map<string, OpenStep>();

  constructor(config: CompiledConfig, factory: SpanFactory, trace: TraceOfSteps) {
    this.#config = config;
    this.#factory = factory;
    this.#trace = trace;
  }

  /** The steps that have not ended. */
  get all(): Iterable<[string, OpenStep]> {
    return this.#steps;
  }

  #unit(stepId: string): Unit | undefined {
    return this.#config.units[this.#config.unitIndex.get(stepId) ?? -1];
  }

  nodeName(node: number): string | undefined {
    const { units, groups } = this.#config;
    return node < 0 ? undefined : node < units.length ? units[node]?.id : groups[node - units.length]?.id;
  }

  #stepSpanId(stepId: string): string {
    return this.#trace.path('step', stepId);
  }

  /** A unit makes one call after the other, each with its own span. */
  #callSpanId(place: string): string {
    const count = (this.#calls.get(place) ?? 0) + 1;
    this.#calls.set(place, count);
    return this.#trace.path('step', place, count);
  }

  open(stepId: string, at: number): OpenStep {
    const known = this.#steps.get(stepId);
    if (known !== undefined) return known;
    const unit = this.#unit(stepId);
    const served = unit === undefined ? undefined : this.nodeName(unit.fallbackFor);
    const failed = served === undefined ? undefined : this.#trace.ended.get(served);
    const step: OpenStep = {
      spanId: unit?.kind === 'tool' || unit?.kind === 'lane' ? this.#callSpanId(stepId) : this.#stepSpanId(stepId),
      parentSpanId: this.#trace.parentOf(unit, at),
      startAt: at,
      links: failed === undefined ? [] : [{ traceId: this.#factory.traceId, spanId: failed }],
      unit,
      callId: undefined,
      attempt: undefined,
      attempts: 0,
      wait: undefined,
      tokens: 0,
      cost: 0,
      backoff: undefined,
    };
    this.#steps.set(stepId, step);
    return step;
  }

  /** The next attempt is scheduled. An attempt that a pause interrupted has no outcome. */
  scheduled(stepId: string, attempt: number, at: number, spans: FinishedSpan[]): void {
    const step = this.open(stepId, at);
    this.#endAttempt(stepId, step, at, 'interrupted', spans);
    this.#endBackoff(stepId, step, at, spans);
    step.attempt = { number: attempt, scheduledAt: at };
    step.attempts += 1;
  }

  /** The attempt has its outcome, and perhaps a time for the next one. */
  attemptEnded(change: Extract<SpanChange, { change: 'attempt ended' }>, at: number, spans: FinishedSpan[]): void {
    const { stepId, attempt, outcome, result, failure, retryAt } = change;
    const step = this.open(stepId, at);
    const { tokenCount = 0, estimatedCost = 0 } = result;
    step.tokens += tokenCount;
    step.cost += estimatedCost;
    this.#endAttempt(stepId, step, at, outcome, spans, result, failure);
    if (retryAt !== undefined) step.backoff = { from: at, until: retryAt, after: attempt };
  }

  end(
    stepId: string,
    at: number,
    status: string,
    failure: Failure | undefined,
    spans: FinishedSpan[],
    attributes: Attributes = {},
  ): void {
    const step = this.open(stepId, at);
    this.#endAttempt(stepId, step, at, 'stopped', spans);
    this.#endBackoff(stepId, step, at, spans);
    this.endWait(stepId, step, at, spans);
    this.#steps.delete(stepId);
    this.#trace.ended.set(stepId, step.spanId);
    const { unit } = step;
    const fallbackFor = unit === undefined ? undefined : this.nodeName(unit.fallbackFor);
    spans.push(
      this.#factory.span(
        stepSpanName(stepId, unit),
        step.spanId,
        step.parentSpanId,
        step.startAt,
        at,
        {
          'batuta.step.id': stepId,
          'batuta.step.status': status,
          'batuta.step.attempts': step.attempts,
          ...(unit === undefined ? {} : { 'batuta.step.kind': unit.kind }),
          ...(unit === undefined || unit.agent === '' ? {} : { 'batuta.agent': unit.agent }),
          ...(fallbackFor === undefined ? {} : { 'batuta.fallback.for': fallbackFor }),
          ...usage(step.tokens, step.cost),
          ...genAiOfStep(this.#factory.executionId, stepId, unit, step.callId),
          ...attributes,
        },
        { failure, links: step.links },
      ),
    );
  }

  #endAttempt(
    stepId: string,
    step: OpenStep,
    at: number,
    outcome: string,
    spans: FinishedSpan[],
    result?: Partial<StepCompleted> & Pick<StepAttemptFailed, 'startedAt' | 'finishedAt'>,
    failure?: Failure,
  ): void {
    const { attempt, unit } = step;
    if (attempt === undefined) return;
    step.attempt = undefined;
    const { number, scheduledAt } = attempt;
    const agent = unit?.agent ?? '';
    const attemptSpan = this.#trace.path('attempt', stepId, number);
    const { startedAt, finishedAt } = runTimes(scheduledAt, this.#factory.endOf(Math.max(scheduledAt, at)), result);
    const common = { 'batuta.step.id': stepId, 'batuta.attempt': number, 'batuta.agent': agent };
    const messaging = {
      'messaging.system': 'nats',
      'messaging.destination.name': STEPS_STREAM,
      'messaging.message.conversation_id': this.#factory.executionId,
    };
    spans.push(
      this.#factory.span(
        `attempt ${number}`,
        attemptSpan,
        step.spanId,
        scheduledAt,
        at,
        { ...common, 'batuta.attempt.outcome': outcome },
        { failure },
      ),
      this.#factory.span(
        'queue wait',
        spanIdOf(this.#factory.traceId, 'queue wait', stepId, number),
        attemptSpan,
        scheduledAt,
        startedAt,
        { ...common, ...messaging, 'messaging.operation.name': 'publish', 'messaging.operation.type': 'send' },
        { kind: 'producer', exact: true },
      ),
      this.#factory.span(
        `run ${agent}`,
        spanIds.run(stepId, number),
        attemptSpan,
        startedAt,
        finishedAt,
        {
          ...common,
          ...messaging,
          'messaging.operation.name': 'process',
          'messaging.operation.type': 'process',
          'batuta.attempt.outcome': outcome,
          // The call of the model has its own span below this one, and the conversation's attributes are on the step's
          // span.
          ...(unit?.work.kind === 'llm' || unit?.kind === 'tool'
            ? usage(result?.tokenCount ?? 0, result?.estimatedCost ?? 0)
            : genAi(agent, result)),
        },
        { kind: 'consumer', failure, exact: true },
      ),
    );
  }

  #endBackoff(stepId: string, step: OpenStep, at: number, spans: FinishedSpan[]): void {
    const { backoff } = step;
    if (backoff === undefined) return;
    step.backoff = undefined;
    spans.push(
      this.#factory.span(
        'retry backoff',
        spanIdOf(this.#factory.traceId, 'backoff', stepId, backoff.after),
        step.spanId,
        backoff.from,
        at,
        {
          'batuta.step.id': stepId,
          'batuta.attempt': backoff.after,
          'batuta.timer.planned_ms': Math.round(backoff.until - backoff.from),
        },
      ),
    );
  }

  /** The wait has ended: with an outcome, or because its step or execution ended first. */
  endWait(
    stepId: string,
    step: OpenStep,
    at: number,
    spans: FinishedSpan[],
    outcome?: Attributes,
    link?: SpanLink,
  ): void {
    const { wait } = step;
    if (wait === undefined) return;
    step.wait = undefined;
    const attributes = { 'batuta.step.id': stepId, ...wait.attributes, ...(outcome ?? wait.withdrawn) };
    const links = link === undefined ? wait.links : [...wait.links, link];
    spans.push(this.#factory.span(wait.name, wait.spanId, step.spanId, wait.startAt, at, attributes, { links }));
  }
}

/** Runners report whole milliseconds, so a run may have ended so much later, and the calls in it too. */
const ROUNDED_MS = 0.999;

const clamped = (value: number, least: number, most: number): number => Math.max(least, Math.min(value, most));

/** When a run began and ended, within its attempt. */
function runTimes(
  scheduledAt: number,
  endAt: number,
  result: { readonly startedAt: number; readonly finishedAt: number } | undefined,
): { startedAt: number; finishedAt: number } {
  // Without a runner's report the start is unknown, but the agent's calls are still under this run.
  const isReported = result !== undefined && result.startedAt > 0;
  // The clock of a runner may differ from that of the engine. The run keeps its length where it fits into the attempt.
  const longest = endAt - scheduledAt - PART_MS;
  const length = isReported ? clamped(result.finishedAt - result.startedAt + ROUNDED_MS, PART_MS, longest) : PART_MS;
  const startedAt = clamped(isReported ? result.startedAt : endAt, scheduledAt + PART_MS, endAt - length);
  return { startedAt, finishedAt: Math.min(startedAt + length, endAt) };
}
