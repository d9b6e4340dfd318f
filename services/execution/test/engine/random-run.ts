import { expect } from '@jest/globals';
import type { DomainEvent, Event, OrchestrationDefinition } from '@batuta/contracts';
import { commandIds } from '../../src/domain/commands/command.js';
import type { Command } from '../../src/domain/commands/command.js';
import { compile } from '../../src/domain/graph/compile.js';
import { decide } from '../../src/domain/decide.js';
import { effectsOf, wantedEffects } from '../../src/domain/index.js';
import { evolve } from '../../src/domain/evolve.js';
import { initialState } from '../../src/domain/state/state.js';
import type { State } from '../../src/domain/state/state.js';
import { nextWake } from '../../src/domain/state/timers.js';
import { view } from '../../src/domain/view/view.js';
import type { Move } from './arbitraries.js';
import { EXECUTION, NOON, PRINCIPAL } from './scenario.js';

/** Everything that distinguishes a state, without the config that all states share. */
export function snapshot(state: State): unknown {
  const { config: _config, units, groups, ...rest } = state;
  return structuredClone({ ...rest, units: units.toArray(), groups: groups.toArray() });
}

export interface RandomRun {
  readonly events: Event[];
  readonly states: State[];
  state: State;
  now: number;
}

/** Performs random moves as a runtime would. `check` gets the state before and after every command. */
export function run(
  definition: OrchestrationDefinition,
  moves: readonly Move[],
  check: (before: State, command: Command, events: readonly DomainEvent[], after: State) => void,
): RandomRun {
  const state = initialState(compile(definition));
  const trace: RandomRun = { events: [], states: [state], state, now: NOON };
  const perform = (command: Command): void => {
    const before = trace.state;
    const decision = decide(command, before);
    if ('rejected' in decision) {
      return;
    }
    for (const { type, data } of decision.accepted) {
      const version = trace.state.version + 1;
      const envelope = {
        executionId: EXECUTION,
        version,
        at: command.at,
        commandId: command.id,
        partition: 0,
        position: 0,
      };
      const event = { ...envelope, type, data } as Event;
      trace.events.push(event);
      trace.state = evolve(trace.state, event);
      effectsOf(event, trace.state);
    }
    trace.states.push(trace.state);
    check(before, command, decision.accepted, trace.state);
    expect(snapshot(decision.next)).toEqual(snapshot(trace.state));
  };
  let serial = 0;
  const base = (): { id: string; at: number; seed: number } => {
    serial += 1;
    return { id: `id-${serial}`, at: trace.now, seed: serial * 7919 };
  };
  perform({
    ...base(),
    type: 'StartExecution',
    executionId: EXECUTION,
    principal: PRINCIPAL,
    start: {
      configId: 'c',
      configVersion: 1,
      traceId: 'ab'.repeat(16),
      input: { flag: true, list: [1, 2] },
      ...(moves.length % 4 === 0 ? { startAt: NOON + 500 } : {}),
    },
  });
  for (const move of moves) {
    for (const command of commandsOf(trace, move, base)) {
      perform(command);
    }
  }
  return trace;
}

export function outstanding(state: State): { stepId: string; attempt: number }[] {
  return wantedEffects(state).flatMap((effect) =>
    effect.type === 'dispatch' ? [{ stepId: effect.stepId, attempt: effect.attempt }] : [],
  );
}

/** Steps that wait for a human. */
export function waiting(state: State): string[] {
  return view(state).steps.flatMap(({ stepId, approval }) => (approval?.status === 'waiting' ? [stepId] : []));
}

export function commandsOf(
  trace: RandomRun,
  move: Move,
  base: () => { id: string; at: number; seed: number },
): Command[] {
  const { state } = trace;
  switch (move.kind) {
    case 'result': {
      const open = outstanding(state);
      const chosen = open[move.pick % Math.max(1, open.length)];
      if (chosen === undefined) {
        return [];
      }
      const attempt = chosen.attempt + move.shift;
      const id = commandIds.result(chosen.stepId, attempt);
      const result = move.ok
        ? { ok: true, output: move.output }
        : {
            ok: false,
            failure: { code: move.code, message: 'no', retryable: move.retryable, details: move.details ?? {} },
          };
      const times = { startedAt: trace.now, finishedAt: trace.now };
      const command: Command = {
        ...base(),
        id,
        type: 'RecordResult',
        result: { executionId: EXECUTION, stepId: chosen.stepId, attempt, ...times, ...result },
      };
      return move.twice ? [command, command] : [command];
    }
    case 'evaluation':
      return wantedEffects(state).flatMap((effect): Command[] =>
        effect.type === 'evaluate'
          ? [
              {
                ...base(),
                id: commandIds.evaluation(effect.key),
                type: 'RecordEvaluation',
                key: effect.key,
                ...(move.ok
                  ? { values: effect.expressions.map(() => move.output) }
                  : { failure: { code: 'expression_failed', message: 'no', retryable: false } }),
              },
            ]
          : [],
      );
    case 'wake':
      trace.now = move.far ? Math.max(trace.now, nextWake(state) ?? trace.now) : trace.now + move.by;
      return [{ ...base(), id: commandIds.wake, type: 'Wake' }];
    case 'heartbeat': {
      const open = outstanding(state);
      const chosen = open[move.pick % Math.max(1, open.length)];
      return chosen === undefined
        ? []
        : [
            {
              ...base(),
              id: commandIds.heartbeat(chosen.stepId, chosen.attempt),
              type: 'RecordHeartbeat',
              ...chosen,
              progress: 0.5,
            },
          ];
    }
    case 'decision': {
      const ids = move.stray ? state.config.units.map(({ id }) => id) : waiting(state);
      const stepId = ids[move.pick % Math.max(1, ids.length)];
      if (stepId === undefined) {
        return [];
      }
      const { approved, by, data } = move;
      const decision = { stepId, approved, by, ...(data === undefined ? {} : { data }) };
      const command: Command = { ...base(), type: 'DecideApproval', ...decision };
      // Again by the same user, and then by another one, too late.
      return move.twice ? [command, command, { ...command, ...base(), approved: !approved }] : [command];
    }
    case 'control':
      return [{ ...base(), ...move.command } as Command];
    default:
      return move satisfies never;
  }
}
