import type { Draft } from '../draft.js';

/** Sends expressions to the sandbox. */
export function request(draft: Draft, key: string): void {
  draft.emit({ type: 'EvaluationRequested', data: { key } });
}
