import { isoTime, uuidV5 } from '@batuta/contracts';
import type {
  CommandReply,
  CommandRequest,
  JsonObject,
  JsonValue,
  Principal,
  Refusal,
  RunEnd,
  ScheduleDefinition,
  ScheduleStreamEvent,
  StartExecution,
} from '@batuta/contracts';
import { storableJson } from '@batuta/event-store';
import {
  LATE_MS,
  isScheduleEffectWanted,
  mappedValue,
  parseTemplate,
  sandboxed,
  scheduleEffectsOf,
  wantedScheduleEffects,
} from '../../domain/index.js';
import type { ScheduleEffect, ScheduleState } from '../../domain/index.js';
import type { StreamChanges } from '../lane/batch.js';
import type { Input, StartAnswerInput } from '../lane/inputs.js';
import type { EffectTicket, HotStream, Partition } from '../lane/partition.js';
import type { Clock, EngineLog, Evaluator, OwnStarts } from '../ports/ports.js';
import { recordOutcome } from '../lane/recorded-outcome.js';
import type { StartableConfigs, Unavailable } from './startable-configs.js';
import type { StreamSender } from './stream-sender.js';

interface ScheduleEffectParts {
  readonly clock: Clock;
  readonly startable: StartableConfigs;
  readonly evaluator: Evaluator;
  readonly starts?: OwnStarts | undefined;
  readonly sender: StreamSender;
  readonly log: EngineLog;
  readonly submit: (partition: Partition, input: Input) => void;
}

type HotSchedule = HotStream<ScheduleState>;
type Start = Pick<StartAnswerInput, 'outcome' | 'refusal' | 'ended'>;

const RETRY_FIRST_MS = 100;
const RETRY_LONGEST_MS = 5_000;
/** A firing waits so long for its tenant's limits: a time that nobody came to for as long counts as missed. */
const LIMITED_MS = LATE_MS;
const TERMINAL: ReadonlySet<string> = new Set<RunEnd>(['completed', 'failed', 'cancelled']);
/** Refusals that do not concern the start itself. */
const TRANSIENT: ReadonlySet<string> = new Set(['unavailable', 'internal']);

/** Performs the effects of schedules: starts and stops of executions, on any owner. */
export class ScheduleEffects {
  readonly #parts: ScheduleEffectParts;

  constructor(parts: ScheduleEffectParts) {
    this.#parts = parts;
  }

  /** Performs the effects of one schedule's events in a commit. */
  committed(changes: StreamChanges<ScheduleState>, ticket: EffectTicket): void {
    const { execution: stream, state, events } = changes;
    for (const { event, stored, position, partition } of events) {
      const full = { ...stored, type: event.type, data: event.data, position, partition: partition.id };
      for (const effect of scheduleEffectsOf(full as unknown as ScheduleStreamEvent, state)) {
        this.#perform(stream, effect, ticket);
      }
    }
  }

  /** Performs every effect again that a schedule still wants, after a takeover. */
  redo(stream: HotSchedule, ticket: EffectTicket): void {
    const state = stream.committed;
    if (state === undefined) return;
    ticket.open += 1;
    for (const effect of wantedScheduleEffects(state)) this.#perform(stream, effect, ticket);
    stream.partition.close(ticket);
  }

  #perform(stream: HotSchedule, effect: ScheduleEffect, ticket: EffectTicket): void {
    ticket.open += 1;
    stream.pendingEffects += 1;
    const done = (): void => {
      stream.pendingEffects -= 1;
      stream.partition.close(ticket);
    };
    if (effect.type === 'stop') void this.#stop(stream, effect).then(done);
    else void this.#start(stream, effect).then((start) => this.#record(stream, effect, start, done));
  }

  #wanted(stream: HotSchedule, effect: ScheduleEffect): boolean {
    const { committed, partition } = stream;
    return partition.owned && committed !== undefined && isScheduleEffectWanted(committed, effect);
  }

  #record(stream: HotSchedule, effect: ScheduleEffect, start: Start | undefined, done: () => void): void {
    if (start === undefined) return done();
    const { executionId: startedId } = effect;
    recordOutcome(this.#parts, stream.partition, {
      wanted: () => this.#wanted(stream, effect),
      inputOf: (settled) => ({ kind: 'start_answer', executionId: stream.id, startedId, ...start, settled }),
      done,
    });
  }

  /** Starts an execution. Undefined when it is not wanted any more. */
  async #start(stream: HotSchedule, effect: ScheduleEffect): Promise<Start | undefined> {
    for (let attempt = 0; this.#wanted(stream, effect); attempt++) {
      let tried: Start | Unavailable | undefined;
      try {
        tried = await this.#tryStart(stream, effect);
      } catch (error) {
        tried = { unavailable: error instanceof Error ? error.message : String(error) };
      }
      if (tried === undefined || !('unavailable' in tried)) return tried;
      const fields = { schedule_id: stream.id, execution_id: effect.executionId, reason: tried.unavailable };
      this.#parts.log.warn(fields, 'an execution of a schedule cannot be started now');
      await this.#parts.sender.pause(Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt, 10)));
    }
    return undefined;
  }

  async #tryStart(stream: HotSchedule, effect: ScheduleEffect): Promise<Start | Unavailable | undefined> {
    const { committed: state } = stream;
    const run = state?.running.find((item) => item.executionId === effect.executionId);
    const definition = state?.definition;
    if (state === undefined || run === undefined || definition === undefined) return undefined;
    const { executionId, nominalAt, cause } = run;
    const about: JsonObject = {
      schedule: { id: state.scheduleId, name: definition.name },
      nominal_time: isoTime(nominalAt),
      cause,
    };
    const made = run.started
      ? // It exists already, even if its config has changed since. Only its status is needed.
        { config: { configId: definition.config, version: definition.config_version ?? 1 }, input: undefined }
      : await this.#make(state.tenantId, definition, about);
    if ('unavailable' in made) return made;
    if ('refusal' in made) return { outcome: 'refused', refusal: made.refusal };
    const { config, input } = made;
    const start: StartExecution = {
      configId: config.configId,
      configVersion: config.version,
      traceId: executionId.replaceAll('-', ''),
      endTo: state.scheduleId,
      metadata: { ...definition.metadata, schedule_id: state.scheduleId, nominal_time: isoTime(nominalAt) },
      ...(input === undefined ? {} : { input }),
      ...(definition.session_id === undefined ? {} : { sessionId: definition.session_id }),
      ...(definition.priority === undefined ? {} : { priority: definition.priority }),
    };
    const command = { commandId: uuidV5(executionId, 'start'), executionId, principal: principalOf(state), start };
    if (!run.started) {
      // From the time at which it fired: an owner that takes over does not begin to wait anew.
      const waitMs = Math.max(0, run.heardAt + LIMITED_MS - this.#parts.clock.now());
      const { tenantId } = state;
      const asked = { tenantId, commandId: command.commandId, executionId, input, child: false, waitMs };
      const refusal = await this.#parts.starts?.admitted({ ...asked, wanted: () => this.#wanted(stream, effect) });
      if (refusal === 'unwanted') return undefined;
      if (refusal !== undefined) return { outcome: 'refused', refusal };
    }
    const reply = await this.#command(stream, effect, command);
    if (reply === undefined) return undefined;
    const { accepted, rejected } = reply;
    if (accepted !== undefined) {
      const { status, repeated = false } = accepted;
      return {
        outcome: repeated ? 'existed' : 'started',
        ...(TERMINAL.has(status) ? { ended: status as RunEnd } : {}),
      };
    }
    if (rejected === undefined) return { unavailable: 'the answer to a start says nothing' };
    if (TRANSIENT.has(rejected.code)) return { unavailable: rejected.message };
    return { outcome: 'refused', refusal: { code: rejected.code, message: rejected.message } };
  }

  /** The config version and the input for a start. */
  async #make(
    tenantId: string,
    definition: ScheduleDefinition,
    about: JsonObject,
  ): Promise<
    | { readonly config: { configId: string; version: number }; readonly input: JsonValue | undefined }
    | { readonly refusal: Refusal }
    | Unavailable
  > {
    const { startable } = this.#parts;
    const found = await startable.resolve(tenantId, definition.config, definition.config_version);
    if (!('config' in found)) return found;
    const mapped = await this.#inputOf(tenantId, definition, about);
    if (!('input' in mapped)) return mapped;
    const { config } = found;
    const { input } = mapped;
    const problem = await startable.inputProblem(tenantId, config, definition.name, input);
    if (problem !== undefined) return problem;
    return { config, input };
  }

  async #inputOf(
    tenantId: string,
    { input }: ScheduleDefinition,
    about: JsonObject,
  ): Promise<{ readonly input: JsonValue | undefined } | { readonly refusal: Refusal } | Unavailable> {
    if (input === undefined) return { input: undefined };
    const template = parseTemplate(input);
    const expressions = sandboxed(template).map(({ source }) => source);
    let answers: readonly JsonValue[] | undefined;
    if (expressions.length > 0) {
      const outcome = await this.#parts.evaluator.evaluate({ tenantId, expressions, scope: about });
      if ('unavailable' in outcome) return outcome;
      if ('failure' in outcome) {
        const message = storableJson(`The input cannot be made: ${outcome.failure.message}`).slice(0, 2_000);
        return { refusal: { code: 'input_invalid', message } };
      }
      answers = storableJson([...outcome.values]);
    }
    return { input: mappedValue(template, () => about, answers) };
  }

  /** Cancels or terminates an execution. Ends when the engine has answered, or when it is not wanted any more. */
  async #stop(stream: HotSchedule, effect: ScheduleEffect): Promise<void> {
    for (let attempt = 0; this.#wanted(stream, effect); attempt++) {
      const state = stream.committed;
      const run = state?.running.find((item) => item.executionId === effect.executionId);
      if (state === undefined || run?.stopping === undefined) return;
      const { executionId, stopping } = run;
      const reason = `superseded by the next time of schedule ${state.scheduleId}`;
      const base = { commandId: uuidV5(executionId, stopping), executionId, principal: principalOf(state) };
      const reply = await this.#command(
        stream,
        effect,
        stopping === 'cancel' ? { ...base, cancel: { reason } } : { ...base, terminate: { reason } },
      );
      // Its start may still be in transit.
      const early = reply?.rejected?.code === 'not_found' || TRANSIENT.has(reply?.rejected?.code ?? '');
      if (reply === undefined || !early) return;
      await this.#parts.sender.pause(Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt, 10)));
    }
  }

  async #command(
    stream: HotSchedule,
    effect: ScheduleEffect,
    command: CommandRequest,
  ): Promise<CommandReply | undefined> {
    const wanted = (): boolean => this.#wanted(stream, effect);
    const text = await this.#parts.sender.deliver('command', command.executionId, command, wanted);
    return text === undefined ? undefined : (JSON.parse(text) as CommandReply);
  }
}

/** A schedule's executions belong to the user who made the schedule. */
function principalOf({ tenantId, createdBy }: ScheduleState): Principal {
  return { tenantId, userId: createdBy, role: 'operator', keyId: '' };
}
