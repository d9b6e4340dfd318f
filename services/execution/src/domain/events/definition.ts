import type { Event, EventType, Failure, StepAttemptFailed, StepCompleted } from '@batuta/contracts';
import type { Effect } from '../effects/effect.js';
import type { Next, State } from '../state/state.js';
import type { Metric } from './metrics.js';

export type EventOf<T extends EventType> = Extract<Event, { readonly type: T }>;
type DataOf<T extends EventType> = EventOf<T>['data'];

export type SpanAttributes = Readonly<Record<string, string | number | boolean | string[]>>;

/** What an event begins or ends in the trace of its execution, as data. `ExecutionTrace` makes the spans. */
export type SpanChange =
  /** A unit makes the tool call with this id of the model. */
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
      /** For a step, or for a consensus group by its id. */
      readonly change: 'node ended';
      readonly id: string;
      readonly status: string;
      readonly attributes?: SpanAttributes;
      readonly failure?: Failure;
    }
  | {
      /** The step waits for something other than an attempt. */
      readonly change: 'wait began';
      readonly stepId: string;
      readonly name: string;
      readonly attributes: SpanAttributes;
      /** Attributes of the wait's end when the step ends, or the execution is undone, before the wait does. */
      readonly withdrawn: SpanAttributes;
    }
  | { readonly change: 'wait ended'; readonly stepId: string; readonly attributes: SpanAttributes }
  | { readonly change: 'evaluation began'; readonly key: string }
  | { readonly change: 'evaluation ended'; readonly key: string; readonly failure?: Failure | undefined }
  | { readonly change: 'pause began'; readonly attributes: SpanAttributes }
  | { readonly change: 'pause ended' }
  | { readonly change: 'compensation began'; readonly attributes: SpanAttributes }
  /** Attributes for the execution's span at its end. A retry begins without them. */
  | { readonly change: 'execution noted'; readonly attributes: SpanAttributes }
  | { readonly change: 'execution reopened'; readonly as: 'retry' | 'compensation' }
  | { readonly change: 'execution ended'; readonly status: string; readonly failure?: Failure };

/** One value to count, or to observe in a distribution. */
export interface Measure {
  readonly metric: Metric;
  readonly labels: readonly [] | readonly [string] | readonly [string, string];
  readonly value: number;
}

/**
 * Everything that the engine knows about one type of event. Every field is required, so that the author of an event
 * considers each of them. `undefined` means that there is nothing.
 */
export interface EventDefinition<T extends EventType> {
  /** Applies it to the state. An event that does not fit (an unknown step) changes nothing. */
  readonly evolve: (next: Next, data: DataOf<T>, event: Event) => void;
  /**
   * The effects after its commit, given the state after the whole commit. Effects that this state no longer wants are
   * left out.
   */
  readonly effects: ((event: EventOf<T>, stateAfter: State) => readonly Effect[]) | undefined;
  readonly spans: ((event: EventOf<T>) => readonly SpanChange[]) | undefined;
  readonly measures:
    | {
        readonly metrics: readonly Metric[];
        /** `state` is the state after the event's commit. */
        readonly of: (data: DataOf<T>, state: State, at: number) => readonly Measure[];
      }
    | undefined;
  /** The name in traces of the outside command whose first event this is. */
  readonly command: string | undefined;
}
