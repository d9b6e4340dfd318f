import { LATEST_TIME_MS } from '@batuta/contracts';
import type { MistakeCode, Refusal } from '@batuta/contracts';

export const refused = (code: Refusal['code'], message: string): { refused: Refusal } => ({
  refused: { code, message },
});

/** One mistake in a request, with the field's name in the API. */
export const wrong = (path: string, code: MistakeCode, message: string): { refused: Refusal } => ({
  refused: {
    code: 'validation_failed',
    message: `The request has one mistake: ${path.slice(1)} ${message}.`,
    violations: [{ path, code, message }],
  },
});

export const BAD_CURSOR = wrong('/cursor', 'bad_cursor', 'is not a cursor of this list');

/** Whether PostgreSQL and RFC 3339 can represent this number of epoch milliseconds. */
export const isTime = (epochMs: number): boolean => Number.isFinite(epochMs) && Math.abs(epochMs) <= LATEST_TIME_MS;

export function clamp(value: number | undefined, otherwise: number, most: number): number {
  return value === undefined || value < 1 ? otherwise : Math.min(Math.floor(value), most);
}
