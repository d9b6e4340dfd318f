import type { JsonValue } from '@batuta/contracts';

/**
 * Whether a text is the beginning of a JSON text of a value, whatever the order of keys in objects. What the engine writes has them in
 * the order of the agent's answer, and what is read from the log in the order of `jsonb`.
 */
export function isBeginningOf(text: string, value: JsonValue): boolean {
  const reading = new Reading(text);
  return reading.matches(value) && reading.ended;
}

class Reading {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get ended(): boolean {
    return this.#at === this.#text.length;
  }

  /** Reads a value. Also true when the text ends within it. */
  matches(value: JsonValue): boolean {
    if (Array.isArray(value)) return this.#matchesList(value);
    if (typeof value === 'object' && value !== null) return this.#matchesObject(value);
    return this.#reads(JSON.stringify(value));
  }

  #reads(token: string): boolean {
    const found = this.#text.slice(this.#at, this.#at + token.length);
    this.#at += found.length;
    return found === token || (this.ended && token.startsWith(found));
  }

  #matchesList(list: readonly JsonValue[]): boolean {
    if (!this.#reads('[')) return false;
    for (const [index, item] of list.entries()) {
      if (this.ended) return true;
      if ((index > 0 && !this.#reads(',')) || !this.matches(item)) return false;
    }
    return this.#reads(']');
  }

  #matchesObject(object: Readonly<Record<string, JsonValue>>): boolean {
    if (!this.#reads('{')) return false;
    const left = new Set(Object.keys(object));
    const count = left.size;
    while (left.size > 0) {
      if (this.ended) return true;
      if (left.size < count && !this.#reads(',')) return false;
      if (this.ended) return true;
      const key = this.#key(left);
      if (key === undefined) return false;
      left.delete(key);
      if (!this.#reads(':') || !this.matches(object[key] as JsonValue)) return false;
    }
    return this.#reads('}');
  }

  /** The key that comes next. One of the possible ones when the text ends within it. */
  #key(left: ReadonlySet<string>): string | undefined {
    const end = /"(?:[^"\\]|\\.)*"/y;
    end.lastIndex = this.#at;
    const [token] = end.exec(this.#text) ?? [];
    if (token === undefined) {
      const rest = this.#text.slice(this.#at);
      this.#at = this.#text.length;
      return [...left].find((key) => JSON.stringify(key).startsWith(rest));
    }
    this.#at += token.length;
    const key = textIn(token);
    return key !== undefined && left.has(key) ? key : undefined;
  }
}

/** The text of a JSON string, which may be damaged. */
function textIn(token: string): string | undefined {
  try {
    return JSON.parse(token) as string;
  } catch {
    return undefined;
  }
}
