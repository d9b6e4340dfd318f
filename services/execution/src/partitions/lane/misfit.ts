import type { ValidationOutcome } from '../ports/ports.js';

const MESSAGE_CHARACTERS = 300;
const TEXT_CHARACTERS = 2_000;

/**
 * The mistakes in an agent's input or output, for people: the first violations with their JSON Pointers. Undefined when
 * it fits its schema. The text is bounded, because users write the schema and the value.
 */
export function misfit(
  what: 'input' | 'output',
  agent: string,
  outcome: Exclude<ValidationOutcome, { readonly unavailable: string }>,
): string | undefined {
  if ('failure' in outcome) {
    return `the ${what} of the agent "${agent}" cannot be checked against its ${what}_schema: ${shortened(outcome.failure)}`;
  }
  const { violations, total } = outcome;
  if (total === 0) return undefined;
  const named = violations.map(({ path, message }) => shortened(`/${what}${path}: ${message}`));
  const more = total > violations.length ? `; and ${total - violations.length} more` : '';
  return `the ${what} of the agent "${agent}" does not fit its ${what}_schema: ${named.join('; ')}${more}`.slice(
    0,
    TEXT_CHARACTERS,
  );
}

function shortened(text: string): string {
  return text.length > MESSAGE_CHARACTERS ? `${text.slice(0, MESSAGE_CHARACTERS)}…` : text;
}
