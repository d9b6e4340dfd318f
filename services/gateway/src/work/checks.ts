import { TOKEN, nameMistake, parseTime, unknownField } from '@batuta/contracts';
import type { JsonObject, JsonValue, MistakeCode, Violation } from '@batuta/contracts';
import { isJsonObject } from '../dto/checked.js';
import { Problem } from '../http/problem.js';

/** Reads the bodies of workflows, processes and tasks, and collects every mistake with its place. */
export class BodyReader {
  readonly #what: string;
  readonly #errors: Violation[] = [];

  constructor(what: string) {
    this.#what = what;
  }

  /** @throws Problem validation_failed when there was a mistake. */
  end(): void {
    if (this.#errors.length === 0) return;
    const count = this.#errors.length === 1 ? 'one mistake' : `${this.#errors.length} mistakes`;
    throw new Problem('validation_failed', `${this.#what} has ${count}.`, { errors: this.#errors });
  }

  mistake(path: string, code: MistakeCode, message: string): void {
    this.#errors.push({ path, code, message });
  }

  /** The fields of an object, of which these are known. Null is the same as absent. */
  fields(path: string, value: JsonValue | undefined, known: readonly string[], open = false): JsonObject {
    if (value === undefined || value === null) return {};
    if (!isJsonObject(value)) {
      this.mistake(path, 'wrong_type', 'must be an object');
      return {};
    }
    const given = Object.entries(value).filter(([, field]) => field !== null);
    if (!open) {
      for (const [field] of given) if (!known.includes(field)) this.#errors.push(unknownField(path, field, known));
    }
    return Object.fromEntries(given);
  }

  list(path: string, value: JsonValue | undefined, most: number, least = 0): readonly JsonValue[] {
    if (value === undefined && least === 0) return [];
    if (value === undefined) {
      this.mistake(path, 'required', 'is required');
    } else if (!Array.isArray(value)) {
      this.mistake(path, 'wrong_type', 'must be a list');
    } else if (value.length < least) {
      this.mistake(path, 'too_few', `must have at least ${least} entry`);
    } else if (value.length > most) {
      this.mistake(path, 'too_many', `has ${value.length} entries; at most ${most} are allowed`);
    } else {
      return value as readonly JsonValue[];
    }
    return [];
  }

  /** A name; empty when it is wrong or not there. */
  name(path: string, value: JsonValue | undefined, most = 200): string {
    if (value === undefined) {
      this.mistake(path, 'required', 'is required');
    } else if (typeof value !== 'string') {
      this.mistake(path, 'wrong_type', 'must be a text');
    } else {
      const found = nameMistake(value, most);
      if (found === undefined) return value;
      this.mistake(path, found.code, found.message);
    }
    return '';
  }

  /** Letters, digits, "_" and "-", at most 64. */
  token(path: string, value: JsonValue | undefined): string {
    if (value === undefined) this.mistake(path, 'required', 'is required');
    else if (typeof value !== 'string') this.mistake(path, 'wrong_type', 'must be a text');
    else if (TOKEN.test(value)) return value;
    else this.mistake(path, 'bad_format', 'must be 1 to 64 letters, digits, "_" or "-"');
    return '';
  }

  flag(path: string, value: JsonValue | undefined): boolean {
    if (value !== undefined && typeof value !== 'boolean') this.mistake(path, 'wrong_type', 'must be true or false');
    return value === true;
  }

  word<const T extends string>(path: string, value: JsonValue | undefined, words: readonly T[]): T | undefined {
    if (value === undefined) return undefined;
    const found = words.find((word) => word === value);
    if (found === undefined) this.mistake(path, 'not_allowed', `must be one of ${words.join(', ')}`);
    return found;
  }

  whole(path: string, value: JsonValue | undefined, least: number, most: number): number | undefined {
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      this.mistake(path, 'wrong_type', 'must be a whole number');
    } else if (value < least || value > most) {
      this.mistake(path, 'out_of_range', `must be ${least} to ${most}`);
    } else {
      return value;
    }
    return undefined;
  }

  /** Epoch ms; 0 for what is before 1970. */
  time(path: string, value: JsonValue | undefined): number | undefined {
    if (value === undefined) return undefined;
    const found = typeof value === 'string' ? parseTime(value) : undefined;
    if (found !== undefined) return Math.max(0, found);
    const code = typeof value === 'string' ? 'bad_format' : 'wrong_type';
    this.mistake(path, code, 'must be a time such as 2026-12-31T09:00:00Z');
    return undefined;
  }
}
