import type { ServiceName } from './services.js';

/** Messages from a group of services to the supervisor, over the IPC channel. */
export type FromGroup =
  /** Its programs are loaded, and it waits for `start`. */
  | { readonly type: 'loaded' }
  | {
      readonly type: 'ready';
      /** Address of each service's /health/ready. */
      readonly urls: Partial<Record<ServiceName, string>>;
    }
  | {
      readonly type: 'failed';
      readonly message: string;
      /** Whether the message is complete for a person (`mistakeOf`). */
      readonly isMistake: boolean;
    };

/** Messages from the supervisor to a group. */
export type ToGroup =
  /** The rest of the environment, which is known when the servers run. */
  { readonly type: 'start'; readonly env: Readonly<Record<string, string>> } | { readonly type: 'stop' };
