import type { Event, Failure } from '@batuta/contracts';
import { parseTraceparent, spanIdOf, spanIds } from '@batuta/observability';
import type { FinishedSpan, SpanLink } from '@batuta/observability';
import { EVENTS } from '../domain/index.js';
import type { CompiledConfig, SpanChange } from '../domain/index.js';
import { commandName } from './command-name.js';
import { usage } from './span-attributes.js';
import type { Attributes, Unit } from './span-attributes.js';
import { EVENT_MS, SpanFactory } from './span-factory.js';
import type { OpenSpan } from './span-factory.js';
import { StepSpans } from './step-spans.js';

/**
 * Computes the spans of one execution from its events: `apply` returns those that end with an event. Ids and times
 * follow from the events alone, so another process computes the same spans.
 */
export class ExecutionTrace {
  readonly #config: CompiledConfig;
  readonly executionId: string;
  readonly traceId: string;
  readonly #factory: SpanFactory;
  #version = 0;
  /** The time of the present event in spans. Later than that of the event before. */
  #now = 0;
  /** The parent of the execution's own spans: the root, or a retry of the finished execution. */
  #phase: OpenSpan;
  #round = 0;
  /** Command spans of the latest millisecond, to distinguish a further event of a command from a new command. */
  #commandsNow: { at: number; spanIds: Set<string> } = { at: 0, spanIds: new Set() };
  #finished = false;
  readonly #steps: StepSpans;
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
    this.#factory = new SpanFactory(this.executionId, this.traceId);
    this.#steps = new StepSpans(config, this.#factory, {
      ended: this.#ended,
      path: (...path) => this.#path(...path),
      parentOf: (unit, at) => this.#parentOfStep(unit, at),
    });
    const caller = parseTraceparent(data.traceparent);
    this.#phase = {
      spanId: spanIds.execution(this.traceId),
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
    this.#now = Math.max(event.at, this.#now + EVENT_MS);
    if (this.#startDelay !== undefined && event.at >= this.#startDelay) {
      this.#endStartDelay(this.#now, spans);
    }
    const changesOf = EVENTS[event.type].spans as ((event: Event) => readonly SpanChange[]) | undefined;
    for (const change of changesOf?.(event) ?? []) this.#change(change, event, spans);
    // After that, because a retry is under the span that it begins.
    this.#command(event, spans);
    return spans;
  }

  #change(change: SpanChange, event: Event, spans: FinishedSpan[]): void {
    const { version } = event;
    const at = this.#now;
    switch (change.change) {
      case 'tool called':
        this.#steps.open(change.stepId, at).callId = change.callId;
        return;
      case 'attempt scheduled':
        return this.#steps.scheduled(change.stepId, change.attempt, at, spans);
      case 'attempt ended':
        this.#tokens += change.result.tokenCount ?? 0;
        this.#cost += change.result.estimatedCost ?? 0;
        return this.#steps.attemptEnded(change, at, spans);
      case 'node ended':
        return this.#endNode(change.id, at, change.status, change.failure, spans, change.attributes);
      case 'wait began': {
        const { stepId, name, attributes, withdrawn } = change;
        const spanId = spanIdOf(this.traceId, name, stepId, version);
        const links = [this.#factory.commandLink(event)];
        this.#steps.open(stepId, at).wait = { spanId, startAt: at, name, attributes, links, withdrawn };
        return;
      }
      case 'wait ended': {
        const step = this.#steps.open(change.stepId, at);
        return this.#steps.endWait(change.stepId, step, at, spans, change.attributes, this.#factory.commandLink(event));
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
          links: [this.#factory.commandLink(event)],
        };
        return;
      case 'pause ended':
        return this.#endPause(at, this.#factory.commandLink(event), spans);
      case 'compensation began':
        for (const [stepId, step] of this.#steps.all) this.#steps.endWait(stepId, step, at, spans);
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

  #command(event: Event, spans: FinishedSpan[]): void {
    const name = commandName(event);
    // Heartbeats are too many, and each is shown by its StepProgressed.
    if (name === 'record_heartbeat') return;
    const spanId = spanIds.command(this.traceId, event.commandId, event.at);
    if (event.at !== this.#commandsNow.at) this.#commandsNow = { at: event.at, spanIds: new Set() };
    const { spanIds: known } = this.#commandsNow;
    if (known.has(spanId)) return;
    known.add(spanId);
    spans.push(
      this.#factory.span(`command ${name}`, spanId, this.#phase.spanId, this.#now, this.#now, {
        'batuta.command.id': event.commandId,
        'batuta.event.version': event.version,
        'batuta.event.position': event.position,
        'batuta.partition': event.partition,
      }),
    );
  }

  #path(...path: (string | number)[]): string {
    return this.#round === 0
      ? spanIdOf(this.traceId, ...path)
      : spanIdOf(this.traceId, ...path, `round ${this.#round}`);
  }

  #parentOfStep(unit: Unit | undefined, at: number): string {
    const caller = unit?.kind === 'tool' || unit?.kind === 'lane' ? this.#steps.nodeName(unit.caller) : undefined;
    if (caller !== undefined) return this.#steps.open(caller, at).spanId;
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
      this.#factory.span(
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
    if (!this.#config.groupIndex.has(id)) return this.#steps.end(id, at, status, failure, spans, attributes);
    this.#endGroup(id, at, { 'batuta.step.status': status, ...attributes }, spans, failure);
  }

  #endStartDelay(at: number, spans: FinishedSpan[]): void {
    const until = this.#startDelay ?? at;
    this.#startDelay = undefined;
    spans.push(
      this.#factory.span(
        'start delay',
        spanIdOf(this.traceId, 'start delay'),
        this.#phase.spanId,
        this.#phase.startAt,
        at,
        {
          'batuta.timer.planned_ms': until - this.#phase.startAt,
        },
      ),
    );
  }

  #endEvaluation(key: string, at: number, failure: Failure | undefined, spans: FinishedSpan[]): void {
    const requested = this.#evaluations.get(key);
    if (requested === undefined) return;
    this.#evaluations.delete(key);
    const colon = key.indexOf(':');
    const [purpose, subject] = [key.slice(0, colon), key.slice(colon + 1)];
    spans.push(
      this.#factory.span(
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
      this.#factory.span(pause.name, pause.spanId, this.#phase.spanId, pause.startAt, at, pause.attributes, {
        links: link === undefined ? pause.links : [...pause.links, link],
      }),
    );
  }

  /** Nothing may stay open, because children need their parent's span. */
  #end(at: number, status: string, failure: Failure | undefined, spans: FinishedSpan[]): void {
    this.#finished = true;
    for (const [stepId] of this.#steps.all) this.#steps.end(stepId, at, 'skipped', undefined, spans);
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
      spans.push(this.#factory.span(name, spanId, this.#phase.spanId, startAt, at, attributes));
    }
    const { name, spanId, startAt, attributes, links } = this.#phase;
    spans.push(
      this.#factory.span(
        name,
        spanId,
        undefined,
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

  /** The root has ended and is exported, so work after a retry is under another root, which links to the first one. */
  #takeUp(event: Event, as: 'retry' | 'compensation'): void {
    this.#finished = false;
    if (as === 'retry') this.#noted = {};
    this.#round += 1;
    this.#ended.clear();
    this.#phase = {
      spanId: spanIdOf(this.traceId, as, event.version),
      startAt: this.#now,
      name: `${as} of execution`,
      attributes: { 'batuta.retry.round': this.#round },
      links: [this.#factory.commandLink(event), { traceId: this.traceId, spanId: spanIds.execution(this.traceId) }],
    };
  }
}
