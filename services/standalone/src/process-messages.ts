import type { ServiceName } from './layout.js';

/** What a group of services says to the supervisor over the IPC channel. */
export type FromGroup =
  /** Its programs are loaded; it waits for `start`. */
  | { readonly type: 'loaded' }
  | {
      readonly type: 'ready';
      /** Where each service answers /health/ready. */
      readonly urls: Partial<Record<ServiceName, string>>;
    }
  | {
      readonly type: 'failed';
      readonly message: string;
      /** The message says all that a person needs (`mistakeOf`). */
      readonly isMistake: boolean;
    };

/** What the supervisor says to a group. */
export type ToGroup =
  /** The rest of the environment, which is known once the servers run. */
  { readonly type: 'start'; readonly env: Readonly<Record<string, string>> } | { readonly type: 'stop' };
