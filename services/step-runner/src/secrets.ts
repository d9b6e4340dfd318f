import { secretNames, setOwn, withSecrets } from '@batuta/contracts';
import type { JsonValue, Task } from '@batuta/contracts';

/** The names of the secrets that a task's input refers to, at the places that the engine lists. */
export function secretsOfTask({ input = null, secrets = [] }: Task): string[] {
  return [...new Set(secrets.flatMap((pointer) => secretNames(textAt(input, pointer) ?? '')))];
}

/** The input of a task with values in place of the references. Parts without references are shared with the task. */
export function inputWithSecrets({ input = null, secrets = [] }: Task, values: ReadonlyMap<string, string>): JsonValue {
  return secrets.reduce<JsonValue>((filled, pointer) => replacedAt(filled, tokensOf(pointer), values), input);
}

function replacedAt(value: JsonValue, tokens: readonly string[], values: ReadonlyMap<string, string>): JsonValue {
  const [token, ...rest] = tokens;
  if (token === undefined) return typeof value === 'string' ? withSecrets(value, values) : value;
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, token)) return value;
  if (Array.isArray(value)) {
    return value.map((item, place) => (String(place) === token ? replacedAt(item, rest, values) : item));
  }
  const copy = { ...value };
  setOwn(copy, token, replacedAt(value[token] as JsonValue, rest, values));
  return copy;
}

function textAt(input: JsonValue, pointer: string): string | undefined {
  let value: JsonValue | undefined = input;
  for (const token of tokensOf(pointer)) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, token)) return undefined;
    value = (value as Record<string, JsonValue>)[token];
  }
  return typeof value === 'string' ? value : undefined;
}

const tokensOf = (pointer: string): string[] =>
  pointer === ''
    ? []
    : pointer
        .slice(1)
        .split('/')
        .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
