/** What one look found. */
export interface Finding {
  /** What was looked at. */
  readonly about: string;
  readonly status: 'ok' | 'warning' | 'failed' | 'unknown';
  /** In one sentence. */
  readonly text: string;
  /** A file of docs/runbooks that says what to do, without its ending. */
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
