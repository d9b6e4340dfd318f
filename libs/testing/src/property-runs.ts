/**
 * The number of random cases that a property tries: `usual` times `BATUTA_PROPERTY_FACTOR` (default 1). Throws a
 * `TypeError` when the factor is not a positive number.
 */
export function propertyRuns(usual: number): number {
  const text = process.env['BATUTA_PROPERTY_FACTOR'];
  if (text === undefined || text === '') return usual;
  const factor = Number(text);
  if (!(factor > 0)) throw new TypeError('BATUTA_PROPERTY_FACTOR must be a positive number.');
  return Math.ceil(usual * factor);
}
