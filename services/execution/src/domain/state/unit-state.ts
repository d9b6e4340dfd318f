import type { MapState } from '../kinds/map/map-state.js';
import type { ChildState } from '../kinds/orchestration/child-state.js';
import type { RouteState } from '../kinds/route/route-state.js';
import type { LoopState } from '../repeat/loop-state.js';
import type { ConversationState } from '../kinds/llm/conversation.js';
import type { Budget, ConsensusReached, Failure, JsonValue, Vote } from '@batuta/contracts';

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

/** The question to a human. `decision` is set when it is recorded. */
export interface ApprovalState {
  readonly requestedAt: number;
  readonly message: string;
  readonly input: JsonValue | undefined;
  /** Epoch ms; 0 for none. */
  readonly deadlineAt: number;
  readonly approvers: readonly string[];
  /** Of a call of a tool: the step id of a decision about it. */
  readonly decideAs: string | undefined;
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

/** What a step waits for, other than a human. */
interface Awaited {
  readonly sinceAt: number;
  /** Epoch ms; 0 for no limit. */
  readonly untilAt: number;
  /** The signal that it waits for. Undefined when only time ends the wait. */
  readonly signal?: string | undefined;
  /** Set when the signal has arrived. */
  readonly received?: { readonly at: number; readonly by: string } | undefined;
}

/** The call that a place makes. */
export interface CallOfPlace {
  readonly turn: number;
  readonly index: number;
  readonly input: JsonValue;
  /** The last attempt of the place before. */
  readonly since: number;
  /** What a question to a model may spend. */
  readonly reserved?: Budget | undefined;
}

export interface UnitState {
  readonly phase: UnitPhase;
  /** Dependencies not settled yet. */
  readonly waitingFor: number;
  /** False for a fallback, a judge or a compensation that is not selected. */
  readonly selected: boolean;
  /** Whether dependents may continue. */
  readonly settled: boolean;
  /** Number of the last attempt; 0 before the first. */
  readonly attempt: number;
  /** Failed attempts. Attempts stopped by a pause do not count. */
  readonly failures: number;
  /** Attempts whose outcome did not come from a runner (stopped, or timed out by the engine). */
  readonly unreported: readonly number[];
  readonly output: JsonValue | undefined;
  readonly failure: Failure | undefined;
  /** The fallback that serves or has served it. -1 for none. */
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
  /** The sandbox's answers, by purpose. */
  readonly whenValue: JsonValue | undefined;
  /** The condition has its answer, so the sandbox is evaluating the mapping. */
  readonly whenEvaluated: boolean;
  readonly inputValues: readonly JsonValue[] | undefined;
  /** The value of the member's vote or score expression. `ballot` says whether the member has voted. */
  readonly vote: JsonValue | undefined;
  /** Canonical JSON of the vote. Equal texts are equal votes. */
  readonly voteText: string;
  readonly ballot: 'open' | 'evaluating' | 'cast' | 'none';
  /** For a step with an approval, from the request on. */
  readonly approval: ApprovalState | undefined;
  /** An earlier approval. It is valid when the question is the same again. */
  readonly granted: { readonly output: JsonValue; readonly approval: ApprovalState } | undefined;
  /** For a step that waits for something else, from its start on. */
  readonly awaited: Awaited | undefined;
  /** For a step with a child, after it was requested: the child of the latest run. */
  readonly child: ChildState | undefined;
  /** For a step with a map, from its list on. */
  readonly map: MapState | undefined;
  /** For a step that asks a model, from its first call on. */
  readonly conversation: ConversationState | undefined;
  /** Of a step with a repeat, from the end of its first iteration on. */
  readonly loop: LoopState | undefined;
  /** Of a step that chooses among candidates, from its first question or its decision on. */
  readonly route: RouteState | undefined;
  /** Of a place for calls: the one that it makes. */
  readonly call: CallOfPlace | undefined;
}

/** Whether it waits for a human: until the decision is recorded, which is just before its effect on the step. */
export function isAwaiting(unit: UnitState): boolean {
  return unit.phase === 'awaiting' && unit.approval?.decision === undefined;
}

/** Whether a human is being asked, and nothing else is waited for. */
export function isAsked(unit: UnitState): boolean {
  return unit.approval !== undefined && isAwaiting(unit);
}

/** Whether a child is being waited for. */
export function waitsForChild(unit: UnitState): boolean {
  return unit.phase === 'awaiting' && unit.child !== undefined && !isAsked(unit);
}

export interface GroupState {
  readonly phase: 'open' | 'judging' | 'completed' | 'failed' | 'skipped';
  readonly settled: boolean;
  /** Members that have not voted yet. */
  readonly open: number;
  /** Whether it is on the list of groups that can be decided. */
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
  /** Set when the output was copied from another execution. */
  readonly reusedOutput: JsonValue | undefined;
}

/**
 * A unit before any event. `waitsFor` is the number of its dependencies. `main`: whether it runs without being
 * selected.
 */
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
    map: undefined,
    conversation: undefined,
    loop: undefined,
    route: undefined,
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
