import type { BatutaClient } from '@batuta/client';
import type { RunFile } from '../../run-file.js';

export type Out = (line?: string) => void;

/** The platform on which a demonstration runs. */
export interface Stage {
  readonly client: BatutaClient;
  readonly url: string;
  /** The platform's data directory. */
  readonly dir: string;
  readonly run: RunFile | undefined;
  readonly out: Out;
  /** Fires on Ctrl-C. */
  readonly interrupted: AbortSignal;
}

/** A demonstration of `batuta demo`. */
export interface Demonstration {
  /** Settings that a platform needs when the demonstration starts it. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly show: (stage: Stage) => Promise<void>;
}
