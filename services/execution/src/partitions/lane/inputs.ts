import type {
  AttemptCheckRequest,
  AttemptHeartbeat,
  AttemptResult,
  ChildFacts,
  CommandReply,
  CommandRequest,
  EndMessage,
  Failure,
  JsonValue,
  PlaceReply,
  Refusal,
  RunEnd,
  StreamMessage,
  StreamMessageReply,
} from '@batuta/contracts';
import { endForWaiters, placeReply } from '../../domain/index.js';
import type { Outcome, Rejection, ReusedOutput } from '../../domain/index.js';
import type { HotStream } from './partition.js';
import type { PartitionRequest } from '../ports/ports.js';
import { acceptedOf, childFactsOf, isExecution } from './stream-state.js';
import type { StreamState } from './stream-state.js';

/** The engine's answer to an input, when it is certain. */
export type Answer =
  | { readonly kind: 'accepted'; readonly outcome: Outcome; readonly state: StreamState }
  | { readonly kind: 'rejected'; readonly rejection: Rejection }
  | { readonly kind: 'unknown_execution' }
  /** Nothing is certain. The sender asks again, and by then another owner may answer. */
  | { readonly kind: 'dropped' };

type Reply = PartitionRequest['reply'];

interface InputBase {
  /** The id of an execution, or of another kind of stream. */
  readonly executionId: string;
  /** Set when the store refused a commit with this input alone. It is decided once more in another form. */
  triedAlone?: boolean;
}
export interface CommandInput extends InputBase {
  readonly kind: 'command';
  readonly request: CommandRequest;
  readonly reply: Reply;
  /** For a start: where to report the end. */
  readonly endSubject?: string | undefined;
  /** Outputs of the source execution, after they are read. Null when it does not exist for this tenant. */
  reused?: readonly ReusedOutput[] | { readonly rejected: Rejection };
}
export interface ResultInput extends InputBase {
  readonly kind: 'result';
  result: AttemptResult;
  readonly group: ResultGroup;
  readonly place: number;
}
interface CheckInput extends InputBase {
  readonly kind: 'check';
  readonly check: AttemptCheckRequest;
  readonly reply: Reply;
  wanted?: boolean;
}
interface HeartbeatInput extends InputBase {
  readonly kind: 'heartbeat';
  readonly heartbeat: AttemptHeartbeat;
  readonly reply: Reply;
}
interface WakeInput extends InputBase {
  readonly kind: 'wake';
  /** The wake_at in the execution's row, if the execution was found by it. */
  readonly rowWakeAt: number | undefined;
}
interface EvaluationInput extends InputBase {
  readonly kind: 'evaluation';
  readonly key: string;
  readonly values: readonly JsonValue[] | undefined;
  readonly failure: Failure | undefined;
  /** The effect that made this input is done when its outcome is committed. */
  settled(answer: Answer): void;
}
interface FailedEffectInput extends InputBase {
  readonly kind: 'failed_effect';
  readonly stepId: string;
  readonly attempt: number;
  readonly failure: Failure;
  /** The failed effect is done when this is committed. */
  settled(answer: Answer): void;
}
/** The agent of an attempt is made of a model: an execution of its config makes the attempt. */
interface DelegatedInput extends InputBase {
  readonly kind: 'delegated';
  readonly stepId: string;
  readonly attempt: number;
  readonly configId: string;
  readonly version: number;
  /** The dispatch is done once that is committed. */
  settled(answer: Answer): void;
}
/** A message from another stream. */
interface MessageInput extends InputBase {
  readonly kind: 'message';
  readonly message: StreamMessage;
  readonly reply: Reply;
}
/** The outcome of the start of an execution that a stream requested. */
export interface StartAnswerInput extends InputBase {
  readonly kind: 'start_answer';
  readonly startedId: string;
  readonly outcome: 'started' | 'existed' | 'refused';
  readonly refusal?: Refusal | undefined;
  /** Set when it has ended already. */
  readonly ended?: RunEnd | undefined;
  /** The effect that made this input is done when it is committed. */
  settled(answer: Answer): void;
}
/** The outcome of starting or continuing a child. `gone`: the child cannot continue. */
export type ChildAnswer =
  | { readonly outcome: 'started'; readonly facts: ChildFacts }
  | { readonly outcome: 'refused'; readonly refusal: Refusal }
  | { readonly outcome: 'gone' };
interface ChildAnswerInput extends InputBase {
  readonly kind: 'child_answer';
  readonly childId: string;
  readonly answer: ChildAnswer;
  /** The effect that made this input is done when it is committed. */
  settled(answer: Answer): void;
}
/** What an execution that this one waits for answered: it is there and will tell, or it has ended. */
interface DependencyAnswerInput extends InputBase {
  readonly kind: 'dependency_answer';
  readonly dependencyId: string;
  readonly order: number;
  readonly ended?: EndMessage | undefined;
  /** The effect that made this input is done when it is committed. */
  settled(answer: Answer): void;
}
/** What a limiter answered an execution that asked for a place. */
export interface PlaceAnswerInput extends InputBase {
  readonly kind: 'place_answer';
  readonly limiterId: string;
  readonly order: number;
  readonly place: PlaceReply;
  /** The effect that made this input is done when it is committed. */
  settled(answer: Answer): void;
}
/** An execution answered a limiter that it does not need its place. */
export interface PlaceLostInput extends InputBase {
  readonly kind: 'place_lost';
  readonly holder: string;
  readonly order: number;
  /** The effect that made this input is done when it is committed. */
  settled(answer: Answer): void;
}
/** Reads a stream's committed state and appends nothing. */
interface VisitInput extends InputBase {
  readonly kind: 'visit';
  visit(execution: HotStream): void;
  /** The execution does not exist. `dropped`: unknown, because it could not be read or its partition is gone. */
  missed(dropped: boolean): void;
}

export type Input =
  | CommandInput
  | ResultInput
  | CheckInput
  | HeartbeatInput
  | WakeInput
  | EvaluationInput
  | FailedEffectInput
  | DelegatedInput
  | MessageInput
  | StartAnswerInput
  | ChildAnswerInput
  | DependencyAnswerInput
  | PlaceAnswerInput
  | PlaceLostInput
  | VisitInput;

/** The results of one request, answered together in their order. */
export class ResultGroup {
  readonly #reply: Reply;
  readonly #ownerSubject: string | undefined;
  readonly #shared: boolean;
  readonly #answered: () => void;
  readonly #outcomes: string[];
  #open: number;
  #dropped = false;

  constructor(
    count: number,
    reply: Reply,
    /** The subject at which the owner takes results of all its partitions. The sender is told. */
    ownerSubject?: string,
    /** The request came to that subject, so its sender can ask the partition about results without a certain answer. */
    shared = false,
    /** Called when all of them are answered. */
    answered: () => void = () => undefined,
  ) {
    this.#reply = reply;
    this.#ownerSubject = ownerSubject;
    this.#shared = shared;
    this.#answered = answered;
    this.#outcomes = Array.from({ length: count }, () => '');
    this.#open = count;
  }

  settle(place: number, outcome: 'recorded' | 'stale' | 'unknown_execution' | undefined): void {
    if (outcome !== undefined) this.#outcomes[place] = outcome;
    else if (this.#shared) this.#outcomes[place] = 'elsewhere';
    else this.#dropped = true;
    this.#open -= 1;
    if (this.#open > 0 || this.#dropped || this.#reply === undefined) return;
    const owner = this.#ownerSubject === undefined ? '' : `,"ownerSubject":"${this.#ownerSubject}"`;
    this.#reply(`{"replies":[${this.#outcomes.map((item) => `{"outcome":"${item}"}`).join(',')}]${owner}}`);
    this.#answered();
  }
}

/** The answer to a check of an attempt that should continue. */
export const WANTED = '{"wanted":true}';

function commandReply(input: CommandInput, answer: Answer): CommandReply | undefined {
  switch (answer.kind) {
    case 'accepted': {
      const { state, outcome } = answer;
      const { enableMonitoring, ...accepted } = acceptedOf(state);
      return {
        accepted: {
          ...accepted,
          ...(outcome === 'repeated' ? { repeated: true } : {}),
          ...(enableMonitoring === undefined ? {} : { enableMonitoring }),
        },
      };
    }
    case 'rejected': {
      const { code, message, details } = answer.rejection;
      return { rejected: { code, message, ...(details === undefined ? {} : { details }) } };
    }
    case 'unknown_execution':
      return { rejected: { code: 'not_found', message: `There is no ${nameOf(input)} ${input.executionId}.` } };
    case 'dropped':
      return undefined;
  }
}

function nameOf({ request }: CommandInput): string {
  return request.schedule === undefined ? 'execution' : 'schedule';
}

/** Answers the sender. A dropped input gets no answer, so its sender asks again. */
export function settle(input: Input, answer: Answer): void {
  switch (input.kind) {
    case 'command': {
      const reply = commandReply(input, answer);
      if (reply !== undefined) input.reply?.(JSON.stringify(reply));
      return;
    }
    case 'result':
      input.group.settle(input.place, resultOutcome(answer));
      return;
    case 'check':
      if (answer.kind === 'dropped') return;
      input.reply?.(
        input.wanted === true
          ? WANTED
          : `{"wanted":false,"reason":"${answer.kind === 'unknown_execution' ? 'unknown_execution' : 'stale'}"}`,
      );
      return;
    case 'heartbeat': {
      if (answer.kind === 'dropped') return;
      const wanted = answer.kind === 'accepted' && answer.outcome === 'recorded';
      input.reply?.(wanted ? WANTED : '{"wanted":false,"reason":"stale"}');
      return;
    }
    case 'visit':
      if (answer.kind !== 'accepted') input.missed(answer.kind === 'dropped');
      return;
    case 'message': {
      if (answer.kind === 'dropped') return;
      const child = answer.kind === 'accepted' ? childFactsOf(answer.state) : undefined;
      const reply: StreamMessageReply = {
        outcome: messageOutcome(answer),
        ...(input.message.parent === undefined || child === undefined ? {} : { child }),
        ...askedEnd(input, answer),
        ...askedPlaceOf(input, answer),
      };
      input.reply?.(JSON.stringify(reply));
      return;
    }
    case 'evaluation':
    case 'failed_effect':
    case 'delegated':
    case 'start_answer':
    case 'child_answer':
    case 'dependency_answer':
    case 'place_answer':
    case 'place_lost':
      input.settled(answer);
      return;
    case 'wake':
      return;
  }
}

/** The end of an execution that somebody of its tenant waits for. */
function askedEnd({ message }: MessageInput, answer: Answer): Pick<StreamMessageReply, 'ended'> {
  const { askEnd } = message;
  if (askEnd === undefined || answer.kind !== 'accepted' || !isExecution(answer.state)) return {};
  if (answer.state.started?.tenantId !== askEnd.tenantId) return {};
  const ended = endForWaiters(answer.state);
  return ended === undefined ? {} : { ended };
}

/** What a limiter says to an execution that asks for a place. */
function askedPlaceOf({ message }: MessageInput, answer: Answer): Pick<StreamMessageReply, 'place'> {
  const { acquire, from } = message;
  if (acquire === undefined) return {};
  if (answer.kind === 'rejected') {
    const reason = answer.rejection.code === 'limit_reached' ? 'limit_reached' : 'queue_full';
    return { place: { state: 'refused', reason } };
  }
  if (answer.kind !== 'accepted' || answer.state.kind !== 'limiter') return {};
  const place = placeReply(answer.state, from, acquire.order);
  return place === undefined ? {} : { place };
}

function messageOutcome(answer: Answer): StreamMessageReply['outcome'] {
  switch (answer.kind) {
    case 'accepted':
      return answer.outcome === 'recorded' || answer.outcome === 'later' || answer.outcome === 'unknown'
        ? answer.outcome
        : 'stale';
    case 'unknown_execution':
      return 'unknown';
    case 'rejected':
    case 'dropped':
      return 'stale';
  }
}

function resultOutcome(answer: Answer): 'recorded' | 'stale' | 'unknown_execution' | undefined {
  switch (answer.kind) {
    case 'accepted':
      if (answer.outcome === 'unknown') return 'unknown_execution';
      return answer.outcome === 'stale' ? 'stale' : 'recorded';
    case 'rejected':
      return 'stale';
    case 'unknown_execution':
      return 'unknown_execution';
    case 'dropped':
      return undefined;
  }
}
