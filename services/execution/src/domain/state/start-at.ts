import type { ExecutionStarted } from '@batuta/contracts';

/** The start with another time to begin; 0: at once. */
export function withStartAt({ startAt: _before, ...started }: ExecutionStarted, startAt: number): ExecutionStarted {
  return startAt === 0 ? started : { ...started, startAt };
}
