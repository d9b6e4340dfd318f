/**
 * How many random cases a property tries: `usual`, times `BATUTA_PROPERTY_FACTOR` (1 unless told) for a search.
 * Throws a `TypeError` when that is not a positive number.
 */
export function propertyRuns(usual: number): number {
  const text = process.env['BATUTA_PROPERTY_FACTOR'];
  if (text === undefined || text === '') return usual;
  const factor = Number(text);
  if (!(factor > 0)) throw new TypeError('BATUTA_PROPERTY_FACTOR must be a positive number.');
  return Math.ceil(usual * factor);
}
