import { FAILURE_CODES } from '@batuta/contracts';
import type { JsonObject, JsonValue } from '@batuta/contracts';
import { TerminalError } from '@batuta/worker';

/**
 * Reads an agent's parameters from the top level of its input. A missing or wrong one throws a `TerminalError` with the code
 * `input_invalid` that names the parameter: another attempt would get the same input.
 */
export class Parameters {
  private readonly values: JsonObject;

  constructor(input: JsonValue) {
    this.values = typeof input === 'object' && input !== null && !Array.isArray(input) ? input : {};
  }

  /** The value of a parameter; undefined when it is absent or null. */
  raw(name: string): JsonValue | undefined {
    return Object.hasOwn(this.values, name) ? (this.values[name] ?? undefined) : undefined;
  }

  text(name: string, limits: { maxLength?: number } = {}): string | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') throw wrong(name, 'must be a text');
    const { maxLength = 100_000 } = limits;
    if (value.length > maxLength) throw wrong(name, `must have at most ${maxLength} characters`);
    return value;
  }

  /**
   * A text under a second name of a parameter. Outputs of earlier steps stand in the input under names of the user's choice, so
   * anything but a text there is taken for one of those, and not for a mistake.
   */
  otherName(name: string, limits: { maxLength?: number } = {}): string | undefined {
    return typeof this.raw(name) === 'string' ? this.text(name, limits) : undefined;
  }

  /** A finite number within the bounds, both included. */
  number(name: string, bounds: { min: number; max: number; whole?: boolean }): number | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    const { min, max, whole = false } = bounds;
    if (typeof value !== 'number' || value < min || value > max || (whole && !Number.isInteger(value))) {
      throw wrong(name, `must be a ${whole ? 'whole ' : ''}number from ${min} to ${max}`);
    }
    return value;
  }

  boolean(name: string): boolean | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'boolean') throw wrong(name, 'must be true or false');
    return value;
  }

  object(name: string): JsonObject | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(name, 'must be an object');
    return value;
  }

  list(name: string): JsonValue[] | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw wrong(name, 'must be a list');
    return value;
  }
}

/** The error for a parameter that is missing or wrong. */
export function wrong(name: string, expectation: string): TerminalError {
  return new TerminalError(FAILURE_CODES.inputInvalid, `The input's "${name}" ${expectation}.`, {
    details: { parameter: name },
  });
}
