import type { StreamItem } from '@batuta/client';

/** All control characters except tab and line feed. The text of a model must not control a terminal. */
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const STEERING = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/**
 * The output of steps as text for a terminal: a line with the name of the step and the kind of output, then the text as it comes.
 * It is called without an item at the end, and where something else is shown in between.
 */
export function saidText({ reasoning = false }: { readonly reasoning?: boolean }): (item?: StreamItem) => string {
  let open = '';
  let atLineStart = true;
  const line = (text: string): string => {
    const whole = `${atLineStart ? '' : '\n'}${text}\n`;
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
    const shown = text.replaceAll(STEERING, '');
    if (shown !== '') atLineStart = shown.endsWith('\n');
    return heading + shown;
  };
}
