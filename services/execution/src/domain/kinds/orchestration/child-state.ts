import type { Budget, ChildEnded } from '@batuta/contracts';

/** What a parent wants its child to do, as its latest event says. */
export interface ChildCommand {
  /** Version of that event. */
  readonly order: number;
  readonly command: 'pause' | 'resume' | 'cancel' | 'terminate';
  /** With pause. */
  readonly now: boolean;
  /** With cancel. */
  readonly compensate: boolean;
  readonly by: string;
  readonly reason: string;
}

/** The execution that a step has started, or is about to. */
export interface ChildState {
  readonly id: string;
  /** 1 for the first child of the step. */
  readonly number: number;
  /** Version of the event that asked for it. */
  readonly requested: number;
  /** As the config names it. */
  readonly config: string;
  readonly inputKey: string;
  /** What it may spend. */
  readonly budget: Budget | undefined;
  /** A retry takes up the child of an earlier run. */
  readonly resumed: boolean;
  /** Undefined until its partition has answered. */
  readonly started:
    | {
        readonly configId: string;
        readonly configName: string;
        readonly configVersion: number;
        /** Ends at or before this version are of an earlier run. */
        readonly since: number;
      }
    | undefined;
  readonly ended: ChildEnded['status'] | undefined;
  readonly command: ChildCommand | undefined;
  /** What it had spent in all when its parent was told last. */
  readonly counted: { readonly tokens: number; readonly cost: number };
}
