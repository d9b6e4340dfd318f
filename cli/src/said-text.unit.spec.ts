import { expect, it } from '@jest/globals';
import type { StreamItem } from '@batuta/client';
import { saidText } from './said-text.js';

const part = (more: Partial<StreamItem>): StreamItem => ({
  type: 'part',
  step_id: 'draft',
  attempt: 1,
  place: '1.2',
  kind: 'text',
  text: '',
  ...more,
});

it('shows text as it comes, under a line for each step and kind, and says what is void', () => {
  const text = saidText({});
  const shown = [
    part({ type: 'start' }),
    part({ kind: 'reasoning', text: 'hm' }),
    part({ text: 'Otters ' }),
    part({ text: 'hold hands.' }),
    part({ kind: 'tool_call', name: 'look', text: '{"a":1}' }),
    part({ type: 'end', void: true, code: 'model_stalled', message: 'The model stalled.' }),
    part({ attempt: 2, text: 'Done.\n' }),
    part({ type: 'end', void: false }),
  ].map((item) => text(item));
  expect(shown.join('') + text()).toBe(
    '[draft]\nOtters hold hands.\n[draft tool_call look]\n{"a":1}\n[draft] void: model_stalled The model stalled.\n[draft]\nDone.\n',
  );
});

it('shows the reasoning of a model on request, and never control characters', () => {
  const text = saidText({ reasoning: true });
  expect(text(part({ kind: 'reasoning', text: 'a\u001b[2Jb\tc' }))).toBe('[draft reasoning]\na[2Jb\tc');
});
