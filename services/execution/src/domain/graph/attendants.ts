import { DEFAULT_STEP_TIMEOUT_MS, type ConsensusGroup, type StepDefinition } from '@batuta/contracts';
import { AGENT_WORK } from '../kinds/index.js';
import { laneCount, mapOf } from '../kinds/map/rules.js';
import { toolRules } from '../kinds/llm/rules.js';
import { compileRoute } from '../kinds/route/rules.js';
import { parseTemplate } from '../expressions/expressions.js';
import { retryPolicy } from '../failures/retry.js';
import { MEANING_AGENT, MODEL_AGENT, MODEL_RETRY, type UnitDraft } from './step-unit.js';

// Units that serve a step or a group and have no step of their own. They come after the steps.

function attendantUnit(
  index: number,
  id: string,
  kind: 'compensation' | 'judge' | 'tool' | 'lane',
  of: Partial<UnitDraft>,
): UnitDraft {
  return {
    index,
    id,
    name: id,
    kind,
    agent: '',
    work: AGENT_WORK,
    takesSlot: true,
    timeoutMs: DEFAULT_STEP_TIMEOUT_MS,
    limitMs: 0,
    heartbeatMs: 0,
    scheduleToStartMs: 0,
    scheduleToCloseMs: 0,
    retry: retryPolicy(undefined),
    input: undefined,
    when: undefined,
    repeat: undefined,
    requireAll: false,
    chosenBy: [],
    outputKey: id,
    onFailure: 'continue',
    fallbackWhen: [],
    fallbackFor: -1,
    group: -1,
    compensation: -1,
    compensates: -1,
    places: [],
    tool: undefined,
    asksModel: false,
    caller: -1,
    order: index,
    dependencies: [],
    waitsFor: [],
    definition: undefined,
    ...of,
  };
}

export function addCompensations(units: UnitDraft[], steps: readonly StepDefinition[]): void {
  for (const [index, step] of steps.entries()) {
    const compensate = step.compensate;
    if (compensate !== undefined) {
      const unit = attendantUnit(units.length, `${step.id}:compensate`, 'compensation', {
        name: `Compensate ${step.name}`,
        agent: compensate.agent,
        timeoutMs: compensate.timeout_ms || DEFAULT_STEP_TIMEOUT_MS,
        limitMs: compensate.timeout_ms ?? 0,
        retry: retryPolicy(compensate.retry),
        input: compensate.input === undefined ? undefined : parseTemplate(compensate.input, compensate.agent),
        compensates: index,
      });
      (units[index] as UnitDraft).compensation = unit.index;
      units.push(unit);
    }
  }
}

/** Returns for each group the unit of its judge, or -1. */
export function addJudges(units: UnitDraft[], groups: readonly ConsensusGroup[]): number[] {
  return groups.map((group, index) => {
    if (!group.judge || !(group.mode === 'judge' || group.on_tie === 'judge')) {
      return -1;
    }
    units.push(
      attendantUnit(units.length, `${group.id}:judge`, 'judge', {
        name: `Judge of ${group.id}`,
        agent: group.judge,
        group: index,
      }),
    );
    return units.length - 1;
  });
}

/** As many units for a tool's calls as may run at once. Each makes one call after another. */
export function addToolPlaces(units: UnitDraft[], steps: readonly StepDefinition[]): void {
  for (const [index, { id, llm, timeout_ms: timeoutMs }] of steps.entries()) {
    const places: number[] = [];
    for (const tool of llm?.tools ?? []) {
      const rules = toolRules(tool);
      const { agent, config, name, parallel, condition } = rules;
      const called = agent !== '' || config !== undefined;
      for (let number = 1; called && number <= parallel; number++) {
        const unit = attendantUnit(units.length, `${id}:${name}:${number}`, 'tool', {
          name,
          agent,
          work: config === undefined ? AGENT_WORK : { kind: 'orchestration', rules: config },
          tool: rules,
          when: condition,
          limitMs: tool.timeout_ms ?? 0,
          timeoutMs: tool.timeout_ms || timeoutMs || DEFAULT_STEP_TIMEOUT_MS,
          retry: retryPolicy(tool.retry),
          // The calling step has a slot, and keeps it.
          takesSlot: false,
          caller: index,
          order: index,
        });
        places.push(unit.index);
        units.push(unit);
      }
    }
    (units[index] as UnitDraft).places = places;
  }
}

/** The lanes of steps with a map. Each has one child after the other. */
export function addLanes(units: UnitDraft[], steps: number, config: string): void {
  for (const step of units.slice(0, steps)) {
    const rules = mapOf(step);
    if (rules === undefined) {
      continue;
    }
    const places: number[] = [];
    for (let number = 1; number <= laneCount(rules); number++) {
      const lane = attendantUnit(units.length, `${step.id}:${number}`, 'lane', {
        name: step.name,
        work: {
          kind: 'orchestration',
          rules: { config: `${config}/${step.id}`, configVersion: 0, onParentClose: rules.onParentClose },
        },
        // The step has a slot, and keeps it.
        takesSlot: false,
        caller: step.index,
        order: step.index,
      });
      places.push(lane.index);
      units.push(lane);
    }
    step.places = places;
  }
}

/** A unit for each candidate of a route, and before them those that ask its models. */
export function addRoutePlaces(units: UnitDraft[], steps: readonly StepDefinition[]): void {
  for (const [index, step] of steps.entries()) {
    const rules = compileRoute(step);
    if (rules === undefined) continue;
    const places: number[] = [];
    const add = (name: string, number: number, of: Partial<UnitDraft>): void => {
      const more = { name, takesSlot: false, caller: index, order: index, ...of };
      const unit = attendantUnit(units.length, `${step.id}:${name}:${number}`, 'tool', more);
      places.push(unit.index);
      units.push(unit);
    };
    const timeoutMs = step.timeout_ms || DEFAULT_STEP_TIMEOUT_MS;
    // 0, since a candidate may have the same name.
    const asks = { asksModel: true, timeoutMs, retry: retryPolicy(step.retry ?? MODEL_RETRY) };
    if (rules.embeddingModel !== '') {
      add('semantic', 0, { ...asks, agent: MEANING_AGENT });
    }
    if (rules.model !== '') {
      add('model', 0, { ...asks, agent: MODEL_AGENT });
    }
    for (const { name, agent = '', config, config_version: version = 0, timeout_ms: own, retry } of rules.candidates) {
      add(name, 1, {
        agent: config === undefined ? agent : '',
        work:
          config === undefined
            ? AGENT_WORK
            : { kind: 'orchestration', rules: { config, configVersion: version, onParentClose: 'cancel' } },
        limitMs: own ?? 0,
        timeoutMs: own || timeoutMs,
        retry: retryPolicy(retry),
      });
    }
    (units[index] as UnitDraft).places = places;
  }
}
