import type { JsonValue } from '@batuta/contracts';

/** The JSONata inside `{% … %}`, or undefined when the text is not an expression. The whole text must be marked; spaces around it do not matter. */
export function expressionIn(text: string): string | undefined {
  const marked = text.trim();
  return marked.length >= 4 && marked.startsWith('{%') && marked.endsWith('%}')
    ? marked.slice(2, -2).trim()
    : undefined;
}

/** Where an expression stands in a mapping: `path` is the JSON Pointer of its string, relative to the mapping. */
export interface PlacedExpression {
  readonly path: string;
  readonly expression: string;
}

/** Every `{% … %}` of a mapping, in document order. */
export function expressionsOf(mapping: JsonValue): PlacedExpression[] {
  const found: PlacedExpression[] = [];
  const pending: [string, JsonValue][] = [['', mapping]];
  for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
    const [path, value] = entry;
    if (typeof value === 'string') {
      const expression = expressionIn(value);
      if (expression !== undefined) found.push({ path, expression });
    } else if (value !== null && typeof value === 'object') {
      const children: [string, JsonValue][] = Object.entries(value).map(([key, item]) => [
        `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`,
        item,
      ]);
      pending.push(...children.toReversed());
    }
  }
  return found;
}
