import { whole } from './schema.js';
import type { DocumentSchema } from './schema.js';

/** The largest number of milliseconds that the contract's int32 fields hold: 24.8 days. */
const MAX_INT32 = 2_147_483_647;
/** Ten years, because every execution must end at some time. */
const MAX_EXECUTION_MS = 10 * 365 * 24 * 3600 * 1000;

export const milliseconds = (description: string, fallback?: number): DocumentSchema =>
  whole(description, 1, MAX_INT32, fallback);
export const pause = (description: string, fallback?: number): DocumentSchema =>
  whole(description, 0, MAX_INT32, fallback);
/** Milliseconds of something that may take as long as an execution. */
export const lifetime = (description: string, fallback?: number): DocumentSchema =>
  whole(description, 1, MAX_EXECUTION_MS, fallback);
