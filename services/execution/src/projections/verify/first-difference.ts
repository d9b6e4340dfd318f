function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
}

/**
 * The first difference of two JSON documents, as `path: log value, stored value`. Undefined when they are equal. An
 * absent field equals only an absent field.
 */
export function firstDifference(expected: unknown, stored: unknown, path = ''): string | undefined {
  if (expected === stored) return undefined;
  if (Array.isArray(expected) && Array.isArray(stored)) {
    for (let index = 0; index < Math.max(expected.length, stored.length); index += 1) {
      const found = firstDifference(expected[index], stored[index], `${path}/${index}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (isRecord(expected) && isRecord(stored)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(stored)])) {
      const found = firstDifference(
        Object.hasOwn(expected, key) ? expected[key] : undefined,
        Object.hasOwn(stored, key) ? stored[key] : undefined,
        `${path}/${key}`,
      );
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return `${path === '' ? '/' : path}: the log says ${shown(expected)}, stored is ${shown(stored)}`;
}
