import type { ServiceName } from './layout.js';

/** What a group of services says to the supervisor over the IPC channel. */
export type FromGroup =
  | {
      readonly type: 'ready';
      /** Where each service answers /health/ready. */
      readonly urls: Partial<Record<ServiceName, string>>;
    }
  | { readonly type: 'failed'; readonly message: string };

/** What the supervisor says to a group. */
export interface ToGroup {
  readonly type: 'stop';
}
