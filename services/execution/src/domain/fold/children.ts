import type { Event } from '@batuta/contracts';
import type { ChildCommand } from '../kinds/orchestration/child-state.js';
import { orchestrationOf } from '../kinds/orchestration/rules.js';
import { compiledUnit, putUnit } from '../state/nodes.js';
import { unitState, type Next } from '../state/state.js';
import { waitsForChild } from '../state/unit-state.js';

function command(
  next: Next,
  index: number,
  event: Event,
  wanted: Pick<ChildCommand, 'command'> & Partial<ChildCommand>,
): void {
  const unit = unitState(next, index);
  if (unit.child === undefined || unit.child.ended !== undefined) {
    return;
  }
  const { by = '', reason = '' } = event.data as { by?: string; reason?: string };
  const full: ChildCommand = { now: false, compensate: false, by, reason, ...wanted, order: event.version };
  putUnit(next, index, { ...unit, child: { ...unit.child, command: full } });
}

/** The execution was paused, so its children are paused too. */
export function pauseChildren(next: Next, event: Event, now: boolean): void {
  for (const index of next.config.childUnits) {
    if (waitsForChild(unitState(next, index))) {
      command(next, index, event, { command: 'pause', now });
    }
  }
}

/** The execution continues, and so do the children that it paused. */
export function resumeChildren(next: Next, event: Event): void {
  for (const index of next.config.childUnits) {
    const unit = unitState(next, index);
    if (waitsForChild(unit) && unit.child?.command?.command === 'pause') {
      command(next, index, event, { command: 'resume' });
    }
  }
}

/**
 * The step ends before its child. The step's own rule decides about the child. Call it while the step still waits for
 * it.
 */
export function closeChild(next: Next, index: number, event: Event, compensate = false): void {
  // One that makes an attempt of an agent is nobody's but the step's.
  const close = orchestrationOf(compiledUnit(next, index))?.onParentClose ?? 'cancel';
  if (close === 'abandon' || !waitsForChild(unitState(next, index))) {
    return;
  }
  command(next, index, event, { command: close, compensate });
}

/** The execution ends, or is undone, while its steps still wait for children. */
export function closeChildren(next: Next, event: Event, compensate = false): void {
  for (const index of next.config.childUnits) {
    closeChild(next, index, event, compensate);
  }
}
