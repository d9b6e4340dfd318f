import type { BatutaClient } from '@batuta/client';
import type { RunFile } from '../../run-file.js';

export type Out = (line?: string) => void;

/** The platform that a demonstration runs on. */
export interface Stage {
  readonly client: BatutaClient;
  readonly url: string;
  /** Where it keeps everything. */
  readonly dir: string;
  readonly run: RunFile | undefined;
  readonly out: Out;
  /** Aborted by Ctrl-C. */
  readonly interrupted: AbortSignal;
}

/** What `batuta demo` shows. */
export interface Demonstration {
  /** Settings that it needs of a platform which it starts itself. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly show: (stage: Stage) => Promise<void>;
}
