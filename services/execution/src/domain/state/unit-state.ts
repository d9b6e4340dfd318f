import type { ChildState } from '../kinds/orchestration/child-state.js';
import type { LoopState } from '../repeat/loop-state.js';
import type { ConversationState } from '../kinds/llm/conversation.js';
import type { ConsensusReached, Failure, JsonValue, Vote } from '@batuta/contracts';

/**
 * waiting: dependencies are open, or an alternative that is not selected. ready: may be scheduled when a slot is free.
 * evaluating: an expression is with the sandbox. running: an attempt is outstanding. failing: its last attempt failed and
 * what follows is about to be decided. backoff: waits for its next attempt. interrupted: stopped by a pause. awaiting: waits
 * for what no attempt brings, such as a human or a time. calling: a model has answered, and its tools work or it is
 * about to be asked again; or an iteration is done, and what follows is about to be decided.
 */
export type UnitPhase =
  | 'waiting'
  | 'ready'
  | 'evaluating'
  | 'running'
  | 'failing'
  | 'backoff'
  | 'interrupted'
  | 'awaiting'
  | 'calling'
  | 'completed'
  | 'failed'
  | 'skipped';

/** What a human was asked; `decision` once it is recorded. */
export interface ApprovalState {
  readonly requestedAt: number;
  readonly message: string;
  readonly input: JsonValue | undefined;
  /** Epoch ms; 0 for none. */
  readonly deadlineAt: number;
  readonly approvers: readonly string[];
  readonly decision:
    | {
        readonly approved: boolean;
        readonly by: string;
        readonly comment: string;
        readonly data: JsonValue | undefined;
        readonly timedOut: boolean;
        readonly at: number;
      }
    | undefined;
}

/** What a step waits for that is no human. */
export interface Awaited {
  readonly sinceAt: number;
  /** Epoch ms; 0 for no limit. */
  readonly untilAt: number;
  /** The signal that it waits for; undefined when time alone ends the wait. */
  readonly signal?: string | undefined;
  /** That signal came. */
  readonly received?: { readonly at: number; readonly by: string } | undefined;
}

export interface UnitState {
  readonly phase: UnitPhase;
  /** Dependencies not settled yet. */
  readonly waitingFor: number;
  /** False for an alternative, a judge or a compensation that is not called for. */
  readonly selected: boolean;
  /** Dependents need not wait any longer. */
  readonly settled: boolean;
  /** Number of the last attempt; 0 before the first. */
  readonly attempt: number;
  /** Attempts spent on failures; attempts stopped by a pause are not among them. */
  readonly failures: number;
  /** Attempts whose outcome did not come from a runner (stopped, timed out by the engine). */
  readonly unreported: readonly number[];
  readonly output: JsonValue | undefined;
  readonly failure: Failure | undefined;
  /** The alternative that is serving or has served; -1 for none. */
  readonly servedBy: number;
  readonly firstScheduledAt: number;
  readonly scheduledAt: number;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly retryAt: number;
  /** Engine time of the last heartbeat of the running attempt; 0 for none. */
  readonly heartbeatAt: number;
  readonly progress: number;
  readonly progressMessage: string;
  readonly tokenCount: number;
  readonly cost: number;
  readonly agentVersion: string;
  readonly skipReason: string;
  readonly reused: boolean;
  /** What the sandbox answered, by purpose. */
  readonly whenValue: JsonValue | undefined;
  /** The condition has its answer, so what is with the sandbox is the mapping. */
  readonly whenEvaluated: boolean;
  readonly inputValues: readonly JsonValue[] | undefined;
  /** Value of the member's vote or score expression; `ballot` tells whether the member has been heard. */
  readonly vote: JsonValue | undefined;
  /** Canonical JSON of the vote: equal texts are equal votes. */
  readonly voteText: string;
  readonly ballot: 'open' | 'evaluating' | 'cast' | 'none';
  /** Of a step with an approval, from the request on. */
  readonly approval: ApprovalState | undefined;
  /** An approval given before: it holds when the same is asked again. */
  readonly granted: { readonly output: JsonValue; readonly approval: ApprovalState } | undefined;
  /** Of a step that waits for something else, from its start on. */
  readonly awaited: Awaited | undefined;
  /** Of a step with a child, once it was asked for; that of the latest run. */
  readonly child: ChildState | undefined;
  /** Of a step that asks a model, from its first call on. */
  readonly conversation: ConversationState | undefined;
  /** Of a step with a repeat, from the end of its first iteration on. */
  readonly loop: LoopState | undefined;
  /** Of a place for calls of a tool: the one that it makes. `since` is its last attempt before. */
  readonly call:
    { readonly turn: number; readonly index: number; readonly input: JsonValue; readonly since: number } | undefined;
}

/** Whether a human is being waited for: until the decision is recorded, which comes just before what it does to the step. */
export function isAwaiting(unit: UnitState): boolean {
  return unit.phase === 'awaiting' && unit.approval?.decision === undefined;
}

export interface GroupState {
  readonly phase: 'open' | 'judging' | 'completed' | 'failed' | 'skipped';
  readonly settled: boolean;
  /** Members not heard yet. */
  readonly open: number;
  /** On the list of groups that can be decided. */
  readonly queued: boolean;
  readonly votes: readonly Vote[];
  readonly winners: readonly number[];
  readonly dissent: readonly number[];
  readonly decidedBy: ConsensusReached['decidedBy'] | undefined;
  readonly share: number;
  readonly failure: Failure | undefined;
  readonly servedBy: number;
  readonly startedAt: number;
  readonly finishedAt: number;
  /** Set when the output was taken over from another execution. */
  readonly reusedOutput: JsonValue | undefined;
}

/** A unit before anything has happened. `waitsFor` is how many dependencies it has; `main` whether it runs without being called for. */
export function initialUnit(waitsFor: number, main: boolean): UnitState {
  return {
    phase: main && waitsFor === 0 ? 'ready' : 'waiting',
    waitingFor: waitsFor,
    selected: main,
    settled: false,
    attempt: 0,
    failures: 0,
    unreported: [],
    output: undefined,
    failure: undefined,
    servedBy: -1,
    firstScheduledAt: 0,
    scheduledAt: 0,
    startedAt: 0,
    finishedAt: 0,
    retryAt: 0,
    heartbeatAt: 0,
    progress: 0,
    progressMessage: '',
    tokenCount: 0,
    cost: 0,
    agentVersion: '',
    skipReason: '',
    reused: false,
    whenValue: undefined,
    whenEvaluated: false,
    inputValues: undefined,
    vote: undefined,
    voteText: '',
    ballot: 'open',
    approval: undefined,
    granted: undefined,
    awaited: undefined,
    child: undefined,
    conversation: undefined,
    loop: undefined,
    call: undefined,
  };
}

export function initialGroup(members: number): GroupState {
  return {
    phase: 'open',
    settled: false,
    open: members,
    queued: false,
    votes: [],
    winners: [],
    dissent: [],
    decidedBy: undefined,
    share: 0,
    failure: undefined,
    servedBy: -1,
    startedAt: 0,
    finishedAt: 0,
    reusedOutput: undefined,
  };
}
