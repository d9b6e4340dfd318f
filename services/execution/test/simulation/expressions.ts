import type { JsonValue } from '@batuta/contracts';

/** An expression failed, as JSONata's $error does. */
export class ExpressionFailure extends Error {
  override readonly name = 'ExpressionFailure';
}

const OPERATORS = [' = ', ' != ', ' > ', ' + '] as const;
const PATH = /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/;

/** Whether the expression is a plain path, which the engine reads directly. */
export function isPlainPath(expression: string): boolean {
  return PATH.test(expression) && !['true', 'false', 'null'].includes(expression);
}

/** JSONata's path: fields of objects, mapped over lists. */
export function readPath(path: string, scope: JsonValue | undefined): JsonValue | undefined {
  let value = scope;
  for (const field of path.split('.')) value = readField(value, field);
  return value;
}

function readField(value: JsonValue | undefined, field: string): JsonValue | undefined {
  if (Array.isArray(value)) {
    const found = value.map((item) => readField(item, field)).filter((item) => item !== undefined);
    return found.length <= 1 ? found[0] : found.flat();
  }
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.hasOwn(value, field) ? value[field] : undefined;
}

/**
 * Evaluates the part of JSONata that the simulation's configs use: paths, literals, one operator, $error. Undefined
 * means a missing value, as in JSONata. Throws `ExpressionFailure` for $error and for adding a value that is not a
 * number.
 */
export function evaluateExpression(expression: string, scope: JsonValue): JsonValue | undefined {
  const text = expression.trim();
  if (text.startsWith('$error(')) throw new ExpressionFailure('$error was called');
  for (const operator of OPERATORS) {
    const at = text.indexOf(operator);
    if (at < 0) continue;
    const left = evaluateExpression(text.slice(0, at), scope);
    const right = evaluateExpression(text.slice(at + operator.length), scope);
    return apply(operator, left, right);
  }
  if (isPlainPath(text)) return readPath(text, scope);
  return JSON.parse(text) as JsonValue;
}

function apply(
  operator: (typeof OPERATORS)[number],
  left: JsonValue | undefined,
  right: JsonValue | undefined,
): JsonValue | undefined {
  switch (operator) {
    case ' = ':
      return left !== undefined && right !== undefined && JSON.stringify(left) === JSON.stringify(right);
    case ' != ':
      return !(left !== undefined && right !== undefined && JSON.stringify(left) === JSON.stringify(right));
    case ' > ':
    case ' + ': {
      if (left === undefined || right === undefined) return undefined;
      if (typeof left !== 'number' || typeof right !== 'number') throw new ExpressionFailure('no number');
      return operator === ' > ' ? left > right : left + right;
    }
  }
}
