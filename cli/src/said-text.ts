import type { StreamItem } from '@batuta/client';
import { terminalText } from './terminal-text.js';

/**
 * The output of steps as text for a terminal: a line with the name of the step and the kind of output, then the text as it comes.
 * It is called without an item at the end, and where something else is shown in between.
 */
export function saidText({ reasoning = false }: { readonly reasoning?: boolean }): (item?: StreamItem) => string {
  let open = '';
  let atLineStart = true;
  const line = (text: string): string => {
    const whole = `${atLineStart ? '' : '\n'}${terminalText(text)}\n`;
    atLineStart = true;
    open = '';
    return whole;
  };
  return (item) => {
    if (item === undefined) {
      const end = atLineStart ? '' : '\n';
      atLineStart = true;
      open = '';
      return end;
    }
    const { type, step_id: step, kind = '', text = '', name = '' } = item;
    if (type === 'end') {
      return item.void === true
        ? line(`[${step}] void: ${item.code ?? 'stopped'} ${item.message ?? ''}`.trimEnd())
        : '';
    }
    if (type === 'start' || text === '' || (kind === 'reasoning' && !reasoning)) return '';
    const of = `${step}${kind === 'text' ? '' : ` ${kind}`}${name === '' ? '' : ` ${name}`}`;
    const heading = of === open ? '' : line(`[${of}]`);
    open = of;
    const shown = terminalText(text);
    if (shown !== '') atLineStart = shown.endsWith('\n');
    return heading + shown;
  };
}
