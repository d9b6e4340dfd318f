import type { SandboxFailure } from '@batuta/sandbox';

/** A possible JSONata expression that joins the parts of a text, for the message. */
function joined(text: string): string | undefined {
  const parts: string[] = [];
  let end = 0;
  for (const found of text.matchAll(/\{%([\s\S]*?)%\}/g)) {
    const before = text.slice(end, found.index);
    if (before !== '') parts.push(JSON.stringify(before));
    const inner = (found[1] ?? '').trim();
    if (inner === '') return undefined;
    parts.push(`$string(${inner})`);
    end = found.index + found[0].length;
  }
  const rest = text.slice(end);
  if (rest.includes('{%')) return undefined;
  if (rest !== '') parts.push(JSON.stringify(rest));
  const expression = `{% ${parts.join(' & ')} %}`;
  return parts.length > 1 && expression.length <= 200 ? expression : undefined;
}

function mixes(text: string): string {
  const hint = joined(text);
  const example = hint === undefined ? 'join the parts with & inside one' : `write ${hint}`;
  return `a text is an expression only when all of it is one {% … %}; ${example}`;
}

/**
 * The mistake in a text of a mapping that contains an expression's mark but is not an expression. Undefined when there
 * is none.
 */
export function mixedText(text: string): string | undefined {
  if (!text.includes('{%')) return undefined;
  const lastOpen = text.lastIndexOf('{%');
  if (!text.includes('%}', lastOpen)) {
    return 'the "{%" is never closed with "%}"; a text that should hold "{%" itself is written as {% "…" %}';
  }
  return mixes(text);
}

/** The mistake in an expression. The text between its first and last mark may contain further marks. */
export function expressionMistake(expression: string, { message, position }: SandboxFailure): string {
  const open = expression.indexOf('{%');
  const close = expression.indexOf('%}');
  const mixed = close >= 0 && close < open ? mixes(`{% ${expression} %}`) : mixedText(expression);
  return mixed ?? (position === undefined ? message : `${message} (at position ${position})`);
}
