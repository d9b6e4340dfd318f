import type { Event, Failure, StepAttemptFailed, StepCompleted } from '@batuta/contracts';
import { STEPS_STREAM } from '@batuta/contracts';
import { parseTraceparent, spanIdOf, spanIds } from '@batuta/observability';
import type { FinishedSpan, SpanLink } from '@batuta/observability';
import { EVENTS, isOutsideCommand } from '../domain/index.js';
import type { CompiledConfig, SpanChange } from '../domain/index.js';
import { commandName } from './command-name.js';

type Attributes = NonNullable<FinishedSpan['attributes']>;

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

interface OpenSpan {
  readonly spanId: string;
  readonly startAt: number;
  readonly name: string;
  readonly attributes: Attributes;
  readonly links: readonly SpanLink[];
}

type Unit = CompiledConfig['units'][number];

/** The span of the command that caused an event. */
export function commandSpanId(traceId: string, commandId: string, at: number): string {
  // The engine's own command ids repeat, so the time distinguishes them. Within one millisecond they share a span.
  return isOutsideCommand(commandId)
    ? spanIds.command(traceId, commandId)
    : spanIdOf(traceId, 'command', commandId, at);
}

/**
 * Computes the spans of one execution from its events: `apply` returns those that end with an event. Ids and times
 * follow from the events alone, so another process computes the same spans.
 */
export class ExecutionTrace {
  readonly #config: CompiledConfig;
  readonly executionId: string;
  readonly traceId: string;
  #version = 0;
  /** The parent of the execution's own spans: the root, or a retry of the finished execution. */
  #phase: OpenSpan & { readonly parentSpanId: string | undefined };
  #round = 0;
  /** Command spans of the latest millisecond, to distinguish a further event of a command from a new command. */
  #commandsNow: { at: number; spanIds: Set<string> } = { at: 0, spanIds: new Set() };
  #finished = false;
  /** How many calls each unit for tool calls has begun. */
  readonly #calls = new Map<string, number>();
  readonly #steps = new Map<string, OpenStep>();
  readonly #groups = new Map<string, OpenSpan>();
  readonly #evaluations = new Map<string, { readonly at: number; readonly version: number }>();
  readonly #ended = new Map<string, string>();
  #startDelay: number | undefined;
  #pause: OpenSpan | undefined;
  #compensation: OpenSpan | undefined;
  #tokens = 0;
  #cost = 0;
  #noted: Attributes = {};

  constructor(started: Extract<Event, { type: 'ExecutionStarted' }>, config: CompiledConfig) {
    this.#config = config;
    const { data } = started;
    this.executionId = started.executionId;
    this.traceId = data.traceId;
    const caller = parseTraceparent(data.traceparent);
    this.#phase = {
      spanId: spanIds.execution(this.traceId),
      parentSpanId: undefined,
      startAt: started.at,
      name: `execution ${data.configName}`,
      attributes: {
        'batuta.config.id': data.configId,
        'batuta.config.name': data.configName,
        'batuta.config.version': data.configVersion,
        'batuta.strategy': config.strategy,
        'batuta.tenant.id': data.tenantId,
        ...(data.forkedFrom === undefined ? {} : { 'batuta.forked_from': data.forkedFrom }),
      },
      links:
        caller === undefined
          ? []
          : [caller, { traceId: caller.traceId, spanId: spanIds.request(this.traceId, started.commandId) }],
    };
    if (data.startAt !== undefined && data.startAt > started.at) this.#startDelay = data.startAt;
  }

  /** Whether nothing is open, so that only a retry can follow. */
  get ended(): boolean {
    return this.#finished;
  }

  /** Version of the last event that was applied. */
  get version(): number {
    return this.#version;
  }

  /** Applies the next event and returns the spans that it ends. */
  apply(event: Event): FinishedSpan[] {
    const spans: FinishedSpan[] = [];
    this.#version = event.version;
    this.#command(event, spans);
    if (this.#startDelay !== undefined && event.at >= this.#startDelay) {
      this.#endStartDelay(event.at, spans);
    }
    const changesOf = EVENTS[event.type].spans as ((event: Event) => readonly SpanChange[]) | undefined;
    for (const change of changesOf?.(event) ?? []) this.#change(change, event, spans);
    return spans;
  }

  #change(change: SpanChange, event: Event, spans: FinishedSpan[]): void {
    const { at, version } = event;
    switch (change.change) {
      case 'tool called':
        this.#openStep(change.stepId, at).callId = change.callId;
        return;
      case 'attempt scheduled': {
        const { stepId, attempt } = change;
        const step = this.#openStep(stepId, at);
        // An attempt that a pause interrupted has no outcome.
        this.#endAttempt(stepId, step, at, 'interrupted', spans);
        this.#endBackoff(stepId, step, at, spans);
        step.attempt = { number: attempt, scheduledAt: at };
        step.attempts += 1;
        return;
      }
      case 'attempt ended': {
        const { stepId, attempt, outcome, result, failure, retryAt } = change;
        const step = this.#openStep(stepId, at);
        this.#spend(step, result);
        this.#endAttempt(stepId, step, at, outcome, spans, result, failure);
        if (retryAt !== undefined) step.backoff = { from: at, until: retryAt, after: attempt };
        return;
      }
      case 'node ended':
        return this.#endNode(change.id, at, change.status, change.failure, spans, change.attributes);
      case 'wait began': {
        const { stepId, name, attributes, withdrawn } = change;
        const spanId = spanIdOf(this.traceId, name, stepId, version);
        const links = [this.#commandLink(event)];
        this.#openStep(stepId, at).wait = { spanId, startAt: at, name, attributes, links, withdrawn };
        return;
      }
      case 'wait ended': {
        const step = this.#openStep(change.stepId, at);
        return this.#endWait(change.stepId, step, at, spans, change.attributes, this.#commandLink(event));
      }
      case 'evaluation began':
        // The version too, because after a retry the same key may be requested again within the same millisecond.
        this.#evaluations.set(change.key, { at, version });
        return;
      case 'evaluation ended':
        return this.#endEvaluation(change.key, at, change.failure, spans);
      case 'pause began':
        this.#pause ??= {
          spanId: spanIdOf(this.traceId, 'pause', version),
          startAt: at,
          name: 'paused',
          attributes: change.attributes,
          links: [this.#commandLink(event)],
        };
        return;
      case 'pause ended':
        return this.#endPause(at, this.#commandLink(event), spans);
      case 'compensation began':
        for (const [stepId, step] of this.#steps) this.#endWait(stepId, step, at, spans);
        this.#compensation = {
          spanId: spanIdOf(this.traceId, 'compensation', version),
          startAt: at,
          name: 'compensation',
          attributes: change.attributes,
          links: [],
        };
        return;
      case 'execution noted':
        this.#noted = { ...this.#noted, ...change.attributes };
        return;
      case 'execution reopened':
        return this.#takeUp(event, change.as);
      case 'execution ended':
        return this.#end(at, change.status, change.failure, spans);
      default:
        change satisfies never;
    }
  }

  #spend(step: OpenStep, { tokenCount = 0, estimatedCost = 0 }: Partial<StepCompleted>): void {
    step.tokens += tokenCount;
    step.cost += estimatedCost;
    this.#tokens += tokenCount;
    this.#cost += estimatedCost;
  }

  #command(event: Event, spans: FinishedSpan[]): void {
    const name = commandName(event);
    // Heartbeats are too many, and each is shown by its StepProgressed.
    if (name === 'record_heartbeat') return;
    const spanId = commandSpanId(this.traceId, event.commandId, event.at);
    if (event.at !== this.#commandsNow.at) this.#commandsNow = { at: event.at, spanIds: new Set() };
    const { spanIds: known } = this.#commandsNow;
    if (known.has(spanId)) return;
    known.add(spanId);
    spans.push(
      this.#span(`command ${name}`, spanId, spanIds.execution(this.traceId), event.at, event.at, {
        'batuta.command.id': event.commandId,
        'batuta.event.version': event.version,
        'batuta.event.position': event.position,
        'batuta.partition': event.partition,
      }),
    );
  }

  #commandLink(event: Event): SpanLink {
    return { traceId: this.traceId, spanId: commandSpanId(this.traceId, event.commandId, event.at) };
  }

  #span(
    name: string,
    spanId: string,
    parentSpanId: string | undefined,
    startAt: number,
    endAt: number,
    attributes: Attributes = {},
    extra: Pick<FinishedSpan, 'kind' | 'links'> & { readonly failure?: Failure | undefined } = {},
  ): FinishedSpan {
    const { failure, ...rest } = extra;
    return {
      traceId: this.traceId,
      spanId,
      ...(parentSpanId === undefined ? {} : { parentSpanId }),
      name,
      startAt,
      endAt: Math.max(startAt, endAt),
      attributes: {
        'batuta.execution.id': this.executionId,
        ...attributes,
        // Messages of failures may quote the agent's data, so only the code leaves the platform.
        ...(failure === undefined ? {} : { 'error.type': failure.code }),
      },
      ...(failure === undefined ? {} : { error: failure.code }),
      ...rest,
    };
  }

  #path(...path: (string | number)[]): string {
    return this.#round === 0
      ? spanIdOf(this.traceId, ...path)
      : spanIdOf(this.traceId, ...path, `round ${this.#round}`);
  }

  #unit(stepId: string): Unit | undefined {
    return this.#config.units[this.#config.unitIndex.get(stepId) ?? -1];
  }

  #nodeName(node: number): string | undefined {
    const { units, groups } = this.#config;
    return node < 0 ? undefined : node < units.length ? units[node]?.id : groups[node - units.length]?.id;
  }

  #stepSpanId(stepId: string): string {
    return this.#path('step', stepId);
  }

  /** A unit makes one call after the other, each with its own span. */
  #callSpanId(place: string): string {
    const count = (this.#calls.get(place) ?? 0) + 1;
    this.#calls.set(place, count);
    return this.#path('step', place, count);
  }

  #openStep(stepId: string, at: number): OpenStep {
    const known = this.#steps.get(stepId);
    if (known !== undefined) return known;
    const unit = this.#unit(stepId);
    const served = unit === undefined ? undefined : this.#nodeName(unit.fallbackFor);
    const failed = served === undefined ? undefined : this.#ended.get(served);
    const step: OpenStep = {
      spanId: unit?.kind === 'tool' ? this.#callSpanId(stepId) : this.#stepSpanId(stepId),
      parentSpanId: this.#parentOfStep(unit, at),
      startAt: at,
      links: failed === undefined ? [] : [{ traceId: this.traceId, spanId: failed }],
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

  #parentOfStep(unit: Unit | undefined, at: number): string {
    const caller = unit?.kind === 'tool' ? this.#nodeName(unit.caller) : undefined;
    if (caller !== undefined) return this.#openStep(caller, at).spanId;
    if (unit?.kind === 'compensation' && this.#compensation !== undefined) return this.#compensation.spanId;
    const group = unit === undefined ? undefined : this.#config.groups[unit.group];
    if (group === undefined) return this.#phase.spanId;
    // The outcome may come before the last members end. They stay under the group's span.
    return this.#ended.get(group.id) ?? this.#openGroup(group.id, at).spanId;
  }

  #openGroup(groupId: string, at: number): OpenSpan {
    let group = this.#groups.get(groupId);
    if (group === undefined) {
      group = {
        spanId: this.#path('consensus', groupId),
        startAt: at,
        name: `consensus ${groupId}`,
        attributes: { 'batuta.consensus.group': groupId },
        links: [],
      };
      this.#groups.set(groupId, group);
    }
    return group;
  }

  #endGroup(groupId: string, at: number, outcome: Attributes, spans: FinishedSpan[], failure?: Failure): void {
    if (this.#ended.has(groupId)) return;
    const group = this.#openGroup(groupId, at);
    this.#groups.delete(groupId);
    this.#ended.set(groupId, group.spanId);
    spans.push(
      this.#span(
        group.name,
        group.spanId,
        this.#phase.spanId,
        group.startAt,
        at,
        { ...group.attributes, ...outcome },
        { failure },
      ),
    );
  }

  /** A step, or a group by its id, has its outcome. */
  #endNode(
    id: string,
    at: number,
    status: string,
    failure: Failure | undefined,
    spans: FinishedSpan[],
    attributes: Attributes = {},
  ): void {
    if (!this.#config.groupIndex.has(id)) return this.#endStep(id, at, status, failure, spans, attributes);
    this.#endGroup(id, at, { 'batuta.step.status': status, ...attributes }, spans, failure);
  }

  #endStep(
    stepId: string,
    at: number,
    status: string,
    failure: Failure | undefined,
    spans: FinishedSpan[],
    attributes: Attributes = {},
  ): void {
    const step = this.#openStep(stepId, at);
    this.#endAttempt(stepId, step, at, 'stopped', spans);
    this.#endBackoff(stepId, step, at, spans);
    this.#endWait(stepId, step, at, spans);
    this.#steps.delete(stepId);
    this.#ended.set(stepId, step.spanId);
    const { unit } = step;
    const fallbackFor = unit === undefined ? undefined : this.#nodeName(unit.fallbackFor);
    spans.push(
      this.#span(
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
          ...this.#genAiOfStep(stepId, step),
          ...attributes,
        },
        { failure, links: step.links },
      ),
    );
  }

  /** Attributes of the GenAI conventions: for a conversation with a model, and for each of its tool calls. */
  #genAiOfStep(stepId: string, { unit, callId }: OpenStep): Attributes {
    if (unit?.kind === 'tool') {
      return {
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': toolName(stepId),
        'gen_ai.tool.type': 'function',
        ...(callId === undefined ? {} : { 'gen_ai.tool.call.id': callId }),
        'gen_ai.conversation.id': this.executionId,
      };
    }
    if (unit?.work.kind !== 'llm') return {};
    return {
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.name': stepId,
      'gen_ai.conversation.id': this.executionId,
    };
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
    const attemptSpan = this.#path('attempt', stepId, number);
    // Without a runner's report the start is unknown, but the agent's calls are still under this run.
    const startedAt = result !== undefined && result.startedAt > 0 ? result.startedAt : at;
    const finishedAt = result !== undefined && result.startedAt > 0 ? result.finishedAt : at;
    const common = { 'batuta.step.id': stepId, 'batuta.attempt': number, 'batuta.agent': agent };
    const messaging = {
      'messaging.system': 'nats',
      'messaging.destination.name': STEPS_STREAM,
      'messaging.message.conversation_id': this.executionId,
    };
    spans.push(
      this.#span(
        `attempt ${number}`,
        attemptSpan,
        step.spanId,
        scheduledAt,
        at,
        { ...common, 'batuta.attempt.outcome': outcome },
        { failure },
      ),
      this.#span(
        'queue wait',
        spanIdOf(this.traceId, 'queue wait', stepId, number),
        attemptSpan,
        scheduledAt,
        startedAt,
        { ...common, ...messaging, 'messaging.operation.name': 'publish', 'messaging.operation.type': 'send' },
        { kind: 'producer' },
      ),
      this.#span(
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
        { kind: 'consumer', failure },
      ),
    );
  }

  #endBackoff(stepId: string, step: OpenStep, at: number, spans: FinishedSpan[]): void {
    const { backoff } = step;
    if (backoff === undefined) return;
    step.backoff = undefined;
    spans.push(
      this.#span(
        'retry backoff',
        spanIdOf(this.traceId, 'backoff', stepId, backoff.after),
        step.spanId,
        backoff.from,
        at,
        {
          'batuta.step.id': stepId,
          'batuta.attempt': backoff.after,
          'batuta.timer.planned_ms': backoff.until - backoff.from,
        },
      ),
    );
  }

  /** The wait has ended: with an outcome, or because its step or execution ended first. */
  #endWait(
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
    spans.push(this.#span(wait.name, wait.spanId, step.spanId, wait.startAt, at, attributes, { links }));
  }

  #endStartDelay(at: number, spans: FinishedSpan[]): void {
    const until = this.#startDelay ?? at;
    this.#startDelay = undefined;
    spans.push(
      this.#span('start delay', spanIdOf(this.traceId, 'start delay'), this.#phase.spanId, this.#phase.startAt, at, {
        'batuta.timer.planned_ms': until - this.#phase.startAt,
      }),
    );
  }

  #endEvaluation(key: string, at: number, failure: Failure | undefined, spans: FinishedSpan[]): void {
    const requested = this.#evaluations.get(key);
    if (requested === undefined) return;
    this.#evaluations.delete(key);
    const colon = key.indexOf(':');
    const [purpose, subject] = [key.slice(0, colon), key.slice(colon + 1)];
    spans.push(
      this.#span(
        `evaluate ${purpose}`,
        spanIdOf(this.traceId, 'evaluate', key, requested.version),
        this.#phase.spanId,
        requested.at,
        at,
        subject === '' ? {} : { 'batuta.step.id': subject },
        { failure },
      ),
    );
  }

  #endPause(at: number, link: SpanLink | undefined, spans: FinishedSpan[]): void {
    const pause = this.#pause;
    if (pause === undefined) return;
    this.#pause = undefined;
    spans.push(
      this.#span(pause.name, pause.spanId, this.#phase.spanId, pause.startAt, at, pause.attributes, {
        links: link === undefined ? pause.links : [...pause.links, link],
      }),
    );
  }

  /** Nothing may stay open, because children need their parent's span. */
  #end(at: number, status: string, failure: Failure | undefined, spans: FinishedSpan[]): void {
    this.#finished = true;
    for (const stepId of this.#steps.keys()) this.#endStep(stepId, at, 'skipped', undefined, spans);
    for (const groupId of this.#groups.keys()) {
      this.#endGroup(groupId, at, { 'batuta.step.status': 'skipped' }, spans);
    }
    for (const key of this.#evaluations.keys()) this.#endEvaluation(key, at, undefined, spans);
    if (this.#startDelay !== undefined) this.#endStartDelay(at, spans);
    this.#endPause(at, undefined, spans);
    const compensation = this.#compensation;
    if (compensation !== undefined) {
      this.#compensation = undefined;
      const { name, spanId, startAt, attributes } = compensation;
      spans.push(this.#span(name, spanId, this.#phase.spanId, startAt, at, attributes));
    }
    const { name, spanId, parentSpanId, startAt, attributes, links } = this.#phase;
    spans.push(
      this.#span(
        name,
        spanId,
        parentSpanId,
        startAt,
        at,
        {
          ...attributes,
          'batuta.execution.status': status,
          'batuta.execution.events': this.#version,
          ...usage(this.#tokens, this.#cost),
          ...this.#noted,
        },
        { links, failure },
      ),
    );
  }

  /** The root is exported already, so work after a retry is under a span of its own. */
  #takeUp(event: Event, as: 'retry' | 'compensation'): void {
    this.#finished = false;
    if (as === 'retry') this.#noted = {};
    this.#round += 1;
    this.#ended.clear();
    this.#phase = {
      spanId: spanIdOf(this.traceId, as, event.version),
      parentSpanId: spanIds.execution(this.traceId),
      startAt: event.at,
      name: `${as} of execution`,
      attributes: { 'batuta.retry.round': this.#round },
      links: [this.#commandLink(event)],
    };
  }
}

/** The model's name of a tool. Units are `<step>:<tool>:<number>`. */
const toolName = (place: string): string => place.split(':').at(-2) ?? place;

/** The names of conversations and tool calls in the GenAI conventions. */
function stepSpanName(stepId: string, unit: Unit | undefined): string {
  if (unit?.kind === 'tool') return `execute_tool ${toolName(stepId)}`;
  return unit?.work.kind === 'llm' ? `invoke_agent ${stepId}` : `step ${stepId}`;
}

function usage(tokens: number, cost: number): Attributes {
  return {
    ...(tokens > 0 ? { 'batuta.tokens': tokens } : {}),
    ...(cost > 0 ? { 'batuta.cost': cost } : {}),
  };
}

/** Attributes of the GenAI semantic conventions, for an agent that reports its spending. */
function genAi(agent: string, result: Partial<StepCompleted> | undefined): Attributes {
  const { tokenCount = 0, inputTokens, outputTokens, estimatedCost = 0 } = result ?? {};
  if (tokenCount === 0) return usage(0, estimatedCost);
  return {
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.name': agent,
    ...(inputTokens === undefined ? {} : { 'gen_ai.usage.input_tokens': inputTokens }),
    ...(outputTokens === undefined ? {} : { 'gen_ai.usage.output_tokens': outputTokens }),
    ...usage(tokenCount, estimatedCost),
  };
}
