import { liquidEngine } from './liquid-engine.js';

/** The synthesizer takes no longer ones. */
const LONGEST_TEMPLATE = 100_000;

const liquid = liquidEngine({ characters: LONGEST_TEMPLATE, renderMs: 0, memoryUnits: 0 });

/**
 * What is wrong with the syntax of a Liquid template; null when nothing is. liquidjs names line and column in its message.
 * @param {string} template
 */
export function checkTemplate(template) {
  try {
    liquid.parse(template);
    return null;
  } catch (error) {
    return { code: 'syntax_error', message: messageOf(error instanceof Error ? error.message : String(error)) };
  }
}

/** @param {string} message */
function messageOf(message) {
  if (/call stack/i.test(message)) return 'the template is nested too deeply';
  if (/parse length limit/i.test(message)) return `a template may have at most ${LONGEST_TEMPLATE} characters`;
  return message.slice(0, 1000);
}
