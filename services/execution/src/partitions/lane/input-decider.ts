import type { StartExecution } from '@batuta/contracts';
import { NO_LIMITER, NO_SCHEDULE, initialState, isAttemptWanted } from '../../domain/index.js';
import type { Answer, CommandInput, Input } from './inputs.js';
import type { LaneParts } from './lane-parts.js';
import type { HotStream } from './partition.js';
import { kindOf } from './streams.js';
import type { StreamDecision } from './streams.js';
import { isExecution } from './stream-state.js';
import type { StreamCommand, StreamState } from './stream-state.js';

const UNKNOWN_EXECUTION: Answer = { kind: 'unknown_execution' };

/** What the decider does with its decisions. */
interface DecidingLane {
  /** Answers the input with the next commit, which adds nothing for it. */
  readonly answer: (execution: HotStream, input: Input, answer: Answer) => void;
  /** Writes the row of a stream whose state has not changed. */
  readonly touch: (execution: HotStream, base: StreamState) => void;
  /** Appends the events, and answers the input with their commit. */
  readonly append: (
    execution: HotStream,
    base: StreamState,
    command: StreamCommand,
    decision: Extract<StreamDecision, { accepted: unknown }>,
    input: Input,
    answer: Answer,
  ) => void;
  /** Keeps the input of a start until its config is read. */
  readonly findConfig: (execution: HotStream, start: StartExecution, input: Input) => void;
}

/** Decides one input after the other, each on the state that the decisions before it have made. */
export class InputDecider {
  readonly #parts: Pick<LaneParts, 'clock' | 'random' | 'log' | 'configs'>;
  readonly #lane: DecidingLane;

  constructor(parts: Pick<LaneParts, 'clock' | 'random' | 'log' | 'configs'>, lane: DecidingLane) {
    this.#parts = parts;
    this.#lane = lane;
  }

  decide(execution: HotStream, input: Input): void {
    const lane = this.#lane;
    const { partition } = execution;
    const base = execution.current ?? this.#beforeStart(execution, input);
    if (base === 'waits') return;
    if (base === undefined) return lane.answer(execution, input, UNKNOWN_EXECUTION);
    if (input.kind === 'visit') {
      // Its start is in flight, and the log may have had it before. Only the end of that commit shows this.
      if (execution.committed === undefined) return input.missed(true);
      return input.visit(execution);
    }
    if (input.kind === 'check') {
      input.wanted = isExecution(base) && isAttemptWanted(base, input.check.stepId, input.check.attempt);
      return lane.answer(execution, input, { kind: 'accepted', outcome: 'done', state: base });
    }
    if (input.kind === 'command') {
      const refused = refusedAtTheDoor(input, execution.current);
      if (refused !== undefined) return lane.answer(execution, input, refused);
    }
    const { clock, random } = this.#parts;
    const kind = kindOf(base);
    // Results in transit during a change of owner or a stall come before the deadlines that they keep.
    if (input.kind === 'wake' && kind.awaitsResults(base) && partition.graceUntil > clock.elapsed()) return;
    const command = kind.commandOf(input, Math.max(clock.now(), base.at), random.seed());
    // The input is for another kind of stream.
    if (command === undefined) return lane.answer(execution, input, UNKNOWN_EXECUTION);
    const decision = this.#decision(execution, command, base);
    if ('rejected' in decision) {
      return lane.answer(execution, input, { kind: 'rejected', rejection: decision.rejected });
    }
    const answer: Answer = { kind: 'accepted', outcome: decision.outcome, state: decision.next };
    if (decision.accepted.length === 0) return this.#nothingToAppend(execution, input, base, answer);
    lane.append(execution, base, command, decision, input, answer);
  }

  #decision(execution: HotStream, command: StreamCommand, base: StreamState): StreamDecision {
    try {
      return kindOf(base).decide(command, base);
    } catch (error) {
      // The decider handles every input. If it has a bug, one execution suffers and the partition continues.
      this.#parts.log.error({ err: error, ...execution.named, command: command.type }, 'the decider failed');
      return { rejected: { code: 'internal', message: 'The command could not be decided.' } };
    }
  }

  /** The state before a first event. `waits` when the input has been kept for later. */
  #beforeStart(execution: HotStream, input: Input): StreamState | 'waits' | undefined {
    if (input.kind === 'message' && input.message.acquire !== undefined) return NO_LIMITER;
    if (input.kind !== 'command') return undefined;
    if (input.request.schedule?.create !== undefined) return NO_SCHEDULE;
    const { start } = input.request;
    if (start === undefined) return undefined;
    const config = this.#parts.configs.cached(start.configId, start.configVersion);
    if (config !== undefined) return initialState(config);
    this.#lane.findConfig(execution, start, input);
    return 'waits';
  }

  #nothingToAppend(execution: HotStream, input: Input, base: StreamState, answer: Answer): void {
    switch (input.kind) {
      case 'wake': {
        // The row says that it is due, but the state does not. The row is updated.
        const due = input.rowWakeAt !== undefined && input.rowWakeAt <= this.#parts.clock.now();
        if (due && execution.uncommitted === 0) {
          execution.currentWake = input.rowWakeAt;
          this.#lane.touch(execution, base);
        }
        return;
      }
      case 'heartbeat':
        if (input.reply === undefined) return;
        return this.#lane.answer(execution, input, answer);
      case 'command':
      case 'result':
      case 'check':
      case 'visit':
      // A recorded outcome may still be in flight. The effect is done when that is certain.
      case 'evaluation':
      case 'failed_effect':
      case 'delegated':
      case 'message':
      case 'start_answer':
      case 'child_answer':
      case 'dependency_answer':
      case 'place_answer':
      case 'place_lost':
        return this.#lane.answer(execution, input, answer);
    }
  }
}

/** Refusals outside the domain: the execution belongs to another tenant, or the source of a fork could not be read. */
function refusedAtTheDoor(input: CommandInput, current: StreamState | undefined): Answer | undefined {
  const tenant = current === undefined ? undefined : kindOf(current).tenantOf(current);
  if (tenant !== undefined && tenant !== input.request.principal.tenantId) {
    return { kind: 'unknown_execution' };
  }
  if (input.reused !== undefined && 'rejected' in input.reused) {
    return { kind: 'rejected', rejection: input.reused.rejected };
  }
  return undefined;
}
