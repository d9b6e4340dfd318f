/** The result of one check. */
export interface Finding {
  /** The checked object. */
  readonly about: string;
  readonly status: 'ok' | 'warning' | 'failed' | 'unknown';
  /** One sentence. */
  readonly text: string;
  /** The name of a file in docs/runbooks that says what to do, without its extension. */
  readonly runbook?: string;
}

export const ok = (about: string, text: string): Finding => ({ about, status: 'ok', text });
export const warning = (about: string, text: string, runbook?: string): Finding => ({
  about,
  status: 'warning',
  text,
  ...(runbook === undefined ? {} : { runbook }),
});
export const failed = (about: string, text: string, runbook?: string): Finding => ({
  ...warning(about, text, runbook),
  status: 'failed',
});
export const unknown = (about: string, text: string): Finding => ({ about, status: 'unknown', text });
