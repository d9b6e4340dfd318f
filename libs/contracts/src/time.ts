/** Epoch milliseconds as users see them: RFC 3339 in UTC, with milliseconds. Throws a `RangeError` beyond what a Date holds. */
export function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
