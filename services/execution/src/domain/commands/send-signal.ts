import { LIMITS } from '@batuta/contracts';
import { completeWith } from '../kinds/signal/delivery.js';
import { signalOf } from '../kinds/signal/rules.js';
import { listItems, unitState } from '../state/state.js';
import { jsonBytesBeyond } from '../structures/json.js';
import type { Outcome, Rejection, SendSignal } from './command.js';
import type { Draft } from '../draft.js';
import { COMPENSATING, endedRejection } from './ended.js';

/** How many names a refusal lists. */
const SHOWN = 10;

/**
 * A signal has arrived. The first step that waits for it takes it. If no step waits yet but one may later, it is kept.
 */
export function sendSignal(draft: Draft, { name, payload = null, by = '' }: SendSignal): Outcome | Rejection {
  const { state } = draft;
  const ended = endedRejection(state);
  if (ended !== undefined) {
    return ended;
  }
  if (state.status === 'compensation') {
    return COMPENSATING;
  }
  const units = state.config.units.filter((unit) => signalOf(unit)?.name === name);
  if (units.length === 0) {
    const names = new Set(state.config.units.flatMap((unit) => signalOf(unit)?.name ?? []));
    const known = names.size === 0 ? 'none' : [...names].slice(0, SHOWN).join(', ');
    return { code: 'signal_not_found', message: `no step waits for a signal ${name}; steps wait for: ${known}` };
  }
  const bytes = jsonBytesBeyond(LIMITS.signalBytes, payload);
  if (bytes !== undefined) {
    const message = `the payload has ${bytes} bytes, the limit is ${LIMITS.signalBytes}`;
    return { code: 'payload_too_large', message };
  }
  const data = { name, ...(payload === null ? {} : { payload }), ...(by === '' ? {} : { by }) };
  const waits = units.find(({ index }) => unitState(state, index).phase === 'awaiting');
  if (waits !== undefined) {
    draft.emit({ type: 'SignalReceived', data: { ...data, stepId: waits.id } });
    completeWith(draft, waits, payload);
    return 'done';
  }
  const open = units.filter(({ index }) => {
    const { phase, settled } = unitState(state, index);
    return !settled && phase !== 'completed' && phase !== 'failed' && phase !== 'skipped';
  });
  const kept = listItems(state.keptSignals);
  const same = kept.filter((signal) => signal.name === name).length;
  if (same >= open.length) {
    const message =
      open.length === 0
        ? `no step is left that waits for a signal ${name}`
        : `as many signals ${name} have come as steps are left that wait for one: ${same}`;
    return { code: 'not_awaiting_signal', message };
  }
  if (kept.length >= LIMITS.keptSignals) {
    const message = `${kept.length} signals are kept that no step has taken, and no more can be`;
    return { code: 'not_awaiting_signal', message };
  }
  draft.emit({ type: 'SignalReceived', data });
  return 'done';
}
