/**
 * Whether a number is a whole multiple of another number. Both are compared as the decimals that people write: 8.69 is
 * a multiple of 0.01, although a binary fraction can hold neither of them exactly.
 *
 * @param {number} value
 * @param {number} divisor above 0
 */
export function isMultipleOf(value, divisor) {
  if (Number.isSafeInteger(value) && Number.isSafeInteger(divisor)) return value % divisor === 0;
  const left = decimal(value);
  const right = decimal(divisor);
  const exponent = Math.min(left.exponent, right.exponent);
  return scaled(left, exponent) % scaled(right, exponent) === 0n;
}

/** @typedef {{ digits: bigint, exponent: number }} Decimal digits × 10^exponent */

/**
 * The shortest decimal that reads as this number, which is the one that people write.
 *
 * @param {number} value finite
 * @returns {Decimal}
 */
function decimal(value) {
  const [mantissa = '', exponent = '0'] = String(value).split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length };
}

/** @param {Decimal} number @param {number} exponent at most the number's own */
const scaled = ({ digits, exponent: own }, exponent) => digits * 10n ** BigInt(own - exponent);
