/* eslint-disable no-control-regex -- control characters are what this file looks for */

/** All control characters except tab and line feed. */
const STEERING = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
/** What JSON leaves as it is, although a terminal obeys it. */
const UNESCAPED = /[\x7f-\x9f]/g;

/** A text that other people wrote, without what would control a terminal: colours, movements, titles, answers to it. */
export const terminalText = (text: string): string => text.replaceAll(STEERING, '');

/** JSON with escapes for every character that would control a terminal. Its value is the same. */
export const terminalJson = (json: string): string =>
  json.replaceAll(UNESCAPED, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** A text that other people wrote, on one line and no longer than it may be. */
export function terminalLine(text: string, longest = 200): string {
  const line = text.replaceAll(/[\s\p{Cc}\p{Cf}]+/gu, ' ').trim();
  const characters = Array.from(line.slice(0, 2 * longest + 2));
  return characters.length <= longest ? line : `${characters.slice(0, longest - 1).join('')}…`;
}
