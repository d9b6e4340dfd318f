/** The last millisecond of the year 9999. Later times have no RFC 3339 form. */
export const LATEST_TIME_MS = 253_402_300_799_999;

const RFC_3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

/**
 * Epoch milliseconds of an RFC 3339 time; digits beyond milliseconds are dropped. Undefined for any other text: unlike
 * `Date.parse`, it refuses 30 February and 24:00. It also refuses leap seconds, which epoch time cannot represent, and
 * times outside of the years 0 to 9999 in UTC.
 */
export function parseTime(text: string): number | undefined {
  const found = RFC_3339.exec(text);
  if (found === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found.slice(1, 7).map(Number);
  const [fraction = '', sign, offsetHours, offsetMinutes] = found.slice(7);
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  if (Number(offsetHours ?? 0) > 23 || Number(offsetMinutes ?? 0) > 59) return undefined;
  const date = new Date(0);
  // Date.UTC would read the years 0 to 99 as 1900 to 1999.
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCFullYear() !== year || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  date.setUTCHours(hour, minute, second, Number(fraction.slice(0, 3).padEnd(3, '0')));
  const offsetMs = (Number(offsetHours ?? 0) * 60 + Number(offsetMinutes ?? 0)) * 60_000;
  const epochMs = date.getTime() - (sign === '-' ? -offsetMs : offsetMs);
  return epochMs > LATEST_TIME_MS || epochMs < -62_167_219_200_000 ? undefined : epochMs;
}

/**
 * Epoch milliseconds in the form for users: RFC 3339 in UTC with milliseconds. Throws a `RangeError` beyond the range
 * of a Date.
 */
export function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
