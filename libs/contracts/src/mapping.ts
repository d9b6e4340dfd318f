import type { JsonValue } from './common.js';

/**
 * The field with a Liquid template in the inputs of built-in agents, by agent. Only this file decides how the texts of
 * a mapping are read. The check of configs and the engine both use it.
 */
const TEMPLATE_FIELDS: ReadonlyMap<string, string> = new Map([['synthesizer', 'template']]);

/** The tags of liquidjs. No expression begins with one of these names, because each begins with a root or a `$`. */
export const LIQUID_TAGS = [
  'assign',
  'block',
  'break',
  'capture',
  'case',
  'comment',
  'continue',
  'cycle',
  'decrement',
  'echo',
  'for',
  'if',
  'include',
  'increment',
  'layout',
  'liquid',
  'raw',
  'render',
  'tablerow',
  'unless',
  '#',
] as const;

const BEGINS_WITH_TAG = new RegExp(`^\\{%-?\\s*(?:#|(?:${LIQUID_TAGS.filter((tag) => tag !== '#').join('|')})\\b)`);

/**
 * The JSONata inside `{% … %}`, or undefined when the text is not an expression. The marks must enclose the whole text,
 * except for spaces around it.
 */
export function expressionIn(text: string): string | undefined {
  const marked = text.trim();
  return marked.length >= 4 && marked.startsWith('{%') && marked.endsWith('%}')
    ? marked.slice(2, -2).trim()
    : undefined;
}

/** The field with a Liquid template in an agent's input. Undefined for an agent without one. */
export function templateField(agent: string | undefined): string | undefined {
  return agent === undefined ? undefined : TEMPLATE_FIELDS.get(agent);
}

/**
 * Whether a text in a template field is Liquid. It is, unless it is enclosed by `{% … %}` and does not begin with a tag
 * of Liquid.
 */
export function isLiquid(text: string): boolean {
  return expressionIn(text) === undefined || BEGINS_WITH_TAG.test(text.trim());
}

/**
 * A text of a mapping: an expression (the JSONata inside its marks), a Liquid template, or a plain text. A `key` is the
 * name of a field that contains the mark of an expression; names of fields are not evaluated.
 */
export interface MappingText {
  /** JSON Pointer, relative to the mapping. */
  readonly path: string;
  readonly kind: 'expression' | 'template' | 'plain' | 'key';
  readonly text: string;
}

/**
 * Every text of a mapping, in document order. `agent`: the agent whose input the mapping makes; none for an output or a
 * message.
 */
export function mappingTexts(mapping: JsonValue, agent?: string): MappingText[] {
  const field = templateField(agent);
  const template = field === undefined ? undefined : `/${field}`;
  const found: MappingText[] = [];
  const pending: [string, JsonValue][] = [['', mapping]];
  for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
    const [path, value] = entry;
    if (typeof value === 'string') {
      const expression = path === template && isLiquid(value) ? undefined : expressionIn(value);
      if (expression !== undefined) found.push({ path, kind: 'expression', text: expression });
      else found.push({ path, kind: path === template ? 'template' : 'plain', text: value });
    } else if (value !== null && typeof value === 'object') {
      const children = Object.entries(value).map(([key, item]): [string, JsonValue] => {
        const child = `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
        if (key.includes('{%')) found.push({ path: child, kind: 'key', text: key });
        return [child, item];
      });
      for (const child of children.toReversed()) pending.push(child);
    }
  }
  return found;
}
