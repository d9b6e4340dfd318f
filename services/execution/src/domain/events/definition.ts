import type { Event, EventType, Failure, StepAttemptFailed, StepCompleted } from '@batuta/contracts';
import type { Effect } from '../effects/effect.js';
import type { Next, State } from '../state/state.js';
import type { Metric } from './metrics.js';

export type EventOf<T extends EventType> = Extract<Event, { readonly type: T }>;
export type DataOf<T extends EventType> = EventOf<T>['data'];

export type SpanAttributes = Readonly<Record<string, string | number | boolean | string[]>>;

/** What an event begins or ends in the trace of its execution, as data: `ExecutionTrace` makes the spans. */
export type SpanChange =
  /** A place for a tool makes the call that the model calls so. */
  | { readonly change: 'tool called'; readonly stepId: string; readonly callId: string }
  | { readonly change: 'attempt scheduled'; readonly stepId: string; readonly attempt: number }
  | {
      readonly change: 'attempt ended';
      readonly stepId: string;
      readonly attempt: number;
      readonly outcome: 'completed' | 'failed';
      readonly result: Readonly<StepCompleted | StepAttemptFailed>;
      readonly failure?: Failure;
      /** Epoch ms of the next attempt. */
      readonly retryAt?: number;
    }
  | {
      /** Of a step, or of a consensus group by its id. */
      readonly change: 'node ended';
      readonly id: string;
      readonly status: string;
      readonly attributes?: SpanAttributes;
      readonly failure?: Failure;
    }
  | {
      /** The step waits for something that is no attempt. */
      readonly change: 'wait began';
      readonly stepId: string;
      readonly name: string;
      readonly attributes: SpanAttributes;
      /** Attributes of its end when the step ends, or its execution is undone, before the wait does. */
      readonly withdrawn: SpanAttributes;
    }
  | { readonly change: 'wait ended'; readonly stepId: string; readonly attributes: SpanAttributes }
  | { readonly change: 'evaluation began'; readonly key: string }
  | { readonly change: 'evaluation ended'; readonly key: string; readonly failure?: Failure | undefined }
  | { readonly change: 'pause began'; readonly attributes: SpanAttributes }
  | { readonly change: 'pause ended' }
  | { readonly change: 'compensation began'; readonly attributes: SpanAttributes }
  /** The execution's span has these when it ends; a retry begins without them. */
  | { readonly change: 'execution noted'; readonly attributes: SpanAttributes }
  | { readonly change: 'execution reopened'; readonly as: 'retry' | 'compensation' }
  | { readonly change: 'execution ended'; readonly status: string; readonly failure?: Failure };

/** One thing to count, or to observe in a distribution. */
export interface Measure {
  readonly metric: Metric;
  readonly labels: readonly [] | readonly [string] | readonly [string, string];
  readonly value: number;
}

/**
 * All that the engine knows of one type of event. Every field has to be said, so that whoever adds an event thinks of each:
 * `undefined` says that there is nothing.
 */
export interface EventDefinition<T extends EventType> {
  /** Folds it into the state. What does not fit (an unknown step) changes nothing. */
  readonly evolve: (next: Next, data: DataOf<T>, event: Event) => void;
  /** What the runtime does after its commit, given the state after the whole commit: what that no longer wants is left out. */
  readonly effects: ((event: EventOf<T>, stateAfter: State) => readonly Effect[]) | undefined;
  readonly spans: ((event: EventOf<T>) => readonly SpanChange[]) | undefined;
  readonly measures:
    | {
        readonly metrics: readonly Metric[];
        /** `state` is the one after the event's commit. */
        readonly of: (data: DataOf<T>, state: State, at: number) => readonly Measure[];
      }
    | undefined;
  /** How traces call the command from outside that this is the first event of. */
  readonly command: string | undefined;
}
