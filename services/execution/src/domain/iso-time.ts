const DAY_MS = 86_400_000;

const digits = (value: number, length: number): string => String(value).padStart(length, '0');

/**
 * RFC 3339 of epoch milliseconds, in UTC with milliseconds, for years 1970 to 9999: what `toISOString` gives, without a clock's
 * type in the domain. Civil date from days: http://howardhinnant.github.io/date_algorithms.html#civil_from_days
 */
export function isoTime(at: number): string {
  const days = Math.floor(at / DAY_MS);
  const rest = at - days * DAY_MS;
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const date = `${digits(year, 4)}-${digits(month, 2)}-${digits(day, 2)}`;
  const seconds = Math.floor(rest / 1000);
  const time = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map((part) => digits(part, 2));
  return `${date}T${time.join(':')}.${digits(rest % 1000, 3)}Z`;
}
