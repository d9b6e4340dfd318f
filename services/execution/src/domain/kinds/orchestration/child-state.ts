import type { Budget, ChildEnded } from '@batuta/contracts';

/** A parent's command to its child, from its latest event. */
export interface ChildCommand {
  /** Version of that event. */
  readonly order: number;
  readonly command: 'pause' | 'resume' | 'cancel' | 'terminate';
  /** Only with pause. */
  readonly now: boolean;
  /** Only with cancel. */
  readonly compensate: boolean;
  readonly by: string;
  readonly reason: string;
}

/** An attempt that a child makes, since its agent is made of a model. */
export interface AttemptOfChild {
  readonly number: number;
  /** The agent's config, and its revision. */
  readonly configId: string;
  readonly version: number;
  /** Epoch ms; 0 for none. */
  readonly deadlineAt: number;
}

/** The execution that a step has started, or will start. */
export interface ChildState {
  readonly id: string;
  /** 1 for the first child of the step. */
  readonly number: number;
  /** Version of the event that requested it. */
  readonly requested: number;
  /** As the config names it; of an agent that is made of a model, the agent. */
  readonly config: string;
  /** Which attempt it makes, of an agent that is made of a model: what it failed for may be tried again. */
  readonly attempt: AttemptOfChild | undefined;
  readonly inputKey: string;
  /** Of a lane of a step with a map: the chunk that it works on, and the number of the list. */
  readonly chunk: number | undefined;
  readonly map: number | undefined;
  /** What it may spend. */
  readonly budget: Budget | undefined;
  /** A retry continues the child of an earlier run. */
  readonly resumed: boolean;
  /** Undefined until the child's partition has answered. */
  readonly started:
    | {
        readonly configId: string;
        readonly configName: string;
        readonly configVersion: number;
        /** Ends at or before this version belong to an earlier run. */
        readonly since: number;
      }
    | undefined;
  readonly ended: ChildEnded['status'] | undefined;
  readonly command: ChildCommand | undefined;
  /** Its total spending when its parent last heard of it. */
  readonly counted: { readonly tokens: number; readonly cost: number };
}
