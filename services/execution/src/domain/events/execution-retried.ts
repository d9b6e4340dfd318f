import { asksForEnds } from '../effects/dependencies.js';
import { lifecycle } from '../effects/effect.js';
import { noteControl } from '../fold/controls.js';
import { settleGroup, settleUnit } from '../fold/settle.js';
import type { Group } from '../graph/compiled.js';
import { waitsForDependencies, isMet } from '../state/dependencies.js';
import { loopAfterRetry } from '../repeat/loop-state.js';
import { putGroup, putUnit, rootNode } from '../state/nodes.js';
import { servingUnit } from '../state/results.js';
import { groupState, initialState, listItems, unitState, type Next, type State } from '../state/state.js';
import type { UnitState } from '../state/unit-state.js';
import { anew } from '../kinds/map/map-state.js';
import type { EventDefinition } from './definition.js';
import { executionsThat } from './metrics.js';

/** A member whose vote its group has not counted. */
const UNHEARD = { ballot: 'open', vote: undefined, voteText: '' } as const;

/** Reasons for which a step stays skipped: these were decisions and not consequences. */
function staysSkipped(unit: UnitState): boolean {
  return unit.skipReason === 'condition_false' || unit.skipReason === 'requested' || unit.skipReason === 'reused';
}

/**
 * Members that run again when their group failed: those that failed or were stopped. When none failed, they disagreed,
 * and all run again except those skipped by condition or request.
 */
function membersToRepeat(before: State, group: Group): readonly number[] {
  const outcomes = group.members.filter((member) => !isSkippedForGood(before, member));
  const open = outcomes.filter((member) => !hasOutput(before, member));
  const failed = open.filter((member) => unitState(before, member).skipReason !== 'consensus_reached');
  return failed.length > 0 ? open : outcomes;
}

function isSkippedForGood(before: State, node: number): boolean {
  const serving = servingUnit(before, node);
  return serving !== -1 && unitState(before, serving).phase === 'skipped' && staysSkipped(unitState(before, serving));
}

/** The group has its outcome, its own or through a fallback. Then the group and its members are done. */
function isDone(before: State, group: Group): boolean {
  const { phase } = groupState(before, group.index);
  const node = before.config.units.length + group.index;
  return phase === 'completed' || phase === 'skipped' || hasOutput(before, node) || isSkippedForGood(before, node);
}

/** An earlier approval, which is valid when the question is the same. */
function grantOf(unit: UnitState): UnitState['granted'] {
  const { approval, output, phase } = unit;
  const given = phase === 'completed' && approval?.decision?.approved === true && output !== undefined;
  return given ? { approval, output } : unit.granted;
}

function listOf(items: readonly number[]): State['undoable'] {
  let list: State['undoable'];
  for (const head of items.toReversed()) {
    list = { head, tail: list };
  }
  return list;
}

/** A step has completed, or a fallback has for a step or group. */
function hasOutput(before: State, node: number): boolean {
  const serving = servingUnit(before, node);
  return serving !== -1 && unitState(before, serving).phase === 'completed';
}

/** A node that a fallback served stays failed and served, up the chain. */
function restoreServed(before: State, next: Next, index: number): void {
  const target = before.config.units[index]?.fallbackFor ?? -1;
  if (target === -1) {
    return;
  }
  if (target >= before.config.units.length) {
    const group = target - before.config.units.length;
    const old = groupState(before, group);
    putGroup(next, group, { ...old, settled: false });
    return;
  }
  const old = unitState(before, target);
  const { waitingFor, ballot } = unitState(next, target);
  // A member of an undecided group votes again.
  const heard = ballot === 'open' ? UNHEARD : { ballot };
  putUnit(next, target, { ...old, ...heard, waitingFor, settled: false });
  restoreServed(before, next, target);
}

/**
 * Starts over from the config's initial state, and restores what was completed. So counters and heaps follow from the
 * same rules as in a first run. Attempt numbers continue, so that late results of old attempts stay recognisable.
 */
export const executionRetried: EventDefinition<'ExecutionRetried'> = {
  evolve(next, data, event) {
    const before: State = { ...next };
    noteControl(next, 'retry', data, event);
    const fresh = initialState(before.config);
    const { config } = before;
    // An execution that has not ended as required may still do so, so it is asked again.
    const dependencies = before.dependencies?.map((each) =>
      isMet(each)
        ? each
        : {
            ...each,
            found: false,
            missing: false,
            ended: undefined,
            asked: event.version,
            askedAt: event.at,
            since: event.at,
          },
    );
    // A run needs a place of its own.
    const waits = waitsForDependencies({ dependencies }) || config.concurrency !== undefined;
    Object.assign(next, {
      units: fresh.units,
      groups: fresh.groups,
      ready: fresh.ready,
      readyApprovals: fresh.readyApprovals,
      retries: undefined,
      toolRetries: undefined,
      deadlines: undefined,
      running: 0,
      slots: 0,
      active: 0,
      unsettled: fresh.unsettled,
      votesToEvaluate: undefined,
      decidable: undefined,
      evaluatingOutput: false,
      outputValues: undefined,
      aborted: undefined,
      compensation: undefined,
      failure: undefined,
      failedStepId: '',
      // A user who retries accepts the cost.
      spentTokens: 0,
      spentCost: 0,
      exceeded: undefined,
      status: waits ? 'pending' : 'running',
      startedAt: waits ? 0 : before.startedAt || event.at,
      dependencies,
      place: undefined,
      completedAt: 0,
      deadlineAt: data.deadlineAt,
    } satisfies Partial<State>);

    const repeated = new Set<number>();
    const decided = new Set<number>();
    const asked = new Set((data.askAgain ?? []).flatMap((stepId) => config.unitIndex.get(stepId) ?? []));
    for (const index of asked) {
      // The node that it served and the group that it voted in run again with it.
      const root = rootNode(before, index);
      const group = config.units[root]?.group ?? -1;
      repeated.add(root);
      repeated.add(group === -1 ? root : config.units.length + group);
    }
    for (const group of config.groups) {
      const state = groupState(before, group.index);
      if (repeated.has(config.units.length + group.index)) {
        for (const member of group.members) {
          repeated.add(member);
        }
      } else if (isDone(before, group)) {
        putGroup(next, group.index, { ...state, settled: false });
        for (const member of group.members) {
          decided.add(member);
        }
      } else if (state.phase === 'failed') {
        for (const member of membersToRepeat(before, group)) {
          repeated.add(member);
        }
      }
    }
    const kept: number[] = [];
    for (const { index } of config.units) {
      const old = unitState(before, index);
      const clean = unitState(next, index);
      const keep =
        config.units[index]?.kind === 'step' &&
        !repeated.has(rootNode(before, index)) &&
        (old.phase === 'completed' || (old.phase === 'skipped' && staysSkipped(old)));
      if (decided.has(index)) {
        // Its vote was counted, or came too late and is not requested again.
        const ballot = old.ballot === 'cast' ? 'cast' : 'none';
        kept.push(index);
        putUnit(next, index, { ...old, waitingFor: clean.waitingFor, settled: false, ballot });
      } else if (keep) {
        kept.push(index);
        putUnit(next, index, { ...old, ...UNHEARD, waitingFor: clean.waitingFor, settled: false });
      } else {
        const outstanding = old.phase === 'running';
        putUnit(next, index, {
          ...clean,
          attempt: old.attempt,
          unreported: outstanding ? [...old.unreported, old.attempt] : old.unreported,
          tokenCount: old.tokenCount,
          cost: old.cost,
          child: old.child,
          map: old.phase === 'completed' && old.map !== undefined ? anew(old.map) : old.map,
          loop: old.phase === 'completed' ? undefined : loopAfterRetry(old.loop),
          granted: asked.has(index) ? grantOf(old) : old.granted,
        });
      }
    }
    // A step that runs again can be undone once, for its new completion.
    const completed = new Set(kept);
    next.undoable = listOf(listItems(before.undoable).filter((index) => completed.has(index)));
    for (const index of kept) {
      restoreServed(before, next, index);
      settleUnit(next, index);
    }
    for (const group of config.groups) {
      const state = groupState(next, group.index);
      if (state.phase === 'completed' || state.phase === 'skipped') {
        settleGroup(next, group.index);
      }
    }
  },
  effects: (event, stateAfter) => [...lifecycle(event), ...asksForEnds(stateAfter, event.version)],
  spans: () => [{ change: 'execution reopened', as: 'retry' }],
  measures: executionsThat('retried'),
  command: 'retry',
};
