import type { JsonObject, JsonValue } from '@batuta/contracts';

// Agents that work with other agents read their outputs with these.

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A field of an output that is a text; empty when it is none. */
export function textIn(output: unknown, field: string): string {
  const value = isObject(output) ? output[field] : undefined;
  return typeof value === 'string' ? value : '';
}

/** A field of an output that is a list of objects. */
export function objectsIn(output: unknown, field: string): JsonObject[] {
  const value = isObject(output) ? output[field] : undefined;
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** What a call of a model has cost, and which model it was, in the form that agents report. */
export function spendingOf(output: unknown): { model?: JsonObject; _tokens?: JsonValue; _cost?: JsonValue } {
  if (!isObject(output)) return {};
  const { model, _tokens: tokens, _cost: cost } = output;
  return {
    ...(isObject(model) ? { model } : {}),
    ...(tokens === undefined ? {} : { _tokens: tokens }),
    ...(cost === undefined ? {} : { _cost: cost }),
  };
}
