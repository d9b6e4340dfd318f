import type { ParentCommand } from '@batuta/contracts';
import type { ChildState } from '../kinds/orchestration/child-state.js';
import { unitState, isTerminal, type State } from '../state/state.js';
import type { Effect } from './effect.js';

export type ChildEffect = Extract<Effect, { type: 'startChild' | 'commandChild' }>;

/** The child of a step, by the step's id. */
export function childOf(state: State, stepId: string): ChildState | undefined {
  const index = state.config.unitIndex.get(stepId);
  return index === undefined ? undefined : unitState(state, index).child;
}

function isToStart(state: State, child: ChildState | undefined): child is ChildState {
  return child !== undefined && child.started === undefined && child.ended === undefined && !isTerminal(state.status);
}

/** Starts or continues the child of a step, as long as this has no answer. */
export function startOfChild(state: State, stepId: string): Effect[] {
  const child = childOf(state, stepId);
  return isToStart(state, child) ? [{ type: 'startChild', stepId, childId: child.id }] : [];
}

/** Sends children the commands of an event. Without a version: the last command to each. */
export function commandsOfChildren(state: State, order?: number): Effect[] {
  return state.config.childUnits.flatMap((index): Effect[] => {
    const { child } = unitState(state, index);
    const command = child?.ended === undefined ? child?.command : undefined;
    if (child === undefined || command === undefined || (order !== undefined && command.order !== order)) {
      return [];
    }
    return [
      { type: 'commandChild', stepId: state.config.units[index]?.id ?? '', childId: child.id, order: command.order },
    ];
  });
}

/** All effects for children after a takeover. */
export function wantedOfChildren(state: State): Effect[] {
  const starts = state.config.childUnits.flatMap((index) => startOfChild(state, state.config.units[index]?.id ?? ''));
  return [...starts, ...commandsOfChildren(state)];
}

/** Whether the effect is still wanted. */
export function isChildEffectWanted(state: State, effect: ChildEffect): boolean {
  const child = childOf(state, effect.stepId);
  if (child?.id !== effect.childId) {
    return false;
  }
  return effect.type === 'startChild'
    ? isToStart(state, child)
    : child.ended === undefined && child.command?.order === effect.order;
}

/** The message for a child. Undefined when there is no command for it. */
export function commandOfChild(state: State, stepId: string): ParentCommand | undefined {
  const command = childOf(state, stepId)?.command;
  if (command === undefined) {
    return undefined;
  }
  const { by, reason, now, compensate } = command;
  return {
    command: command.command,
    order: command.order,
    ...(now ? { now } : {}),
    ...(compensate ? { compensate } : {}),
    ...(by === '' ? {} : { by }),
    ...(reason === '' ? {} : { reason }),
  };
}
