import type { AcquirePlace } from '@batuta/contracts';

interface CommandBase {
  readonly id: string;
  /** Epoch ms. The time of every event that the command causes. */
  readonly at: number;
}

/** The input of the decider of limiters. */
export type LimiterCommandInput =
  | (CommandBase & {
      readonly type: 'AcquirePlace';
      readonly limiterId: string;
      readonly holder: string;
      readonly acquire: AcquirePlace;
    })
  | (CommandBase & {
      readonly type: 'ReleasePlace';
      readonly tenantId: string;
      readonly holder: string;
      readonly order: number;
    })
  | (CommandBase & {
      /** The execution answered that it does not need the place. */
      readonly type: 'LosePlace';
      readonly holder: string;
      readonly order: number;
    })
  | (CommandBase & { readonly type: 'WakeLimiter' });
