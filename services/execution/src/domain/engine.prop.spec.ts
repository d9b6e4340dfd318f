import { describe, expect, test } from '@jest/globals';
import type { Event, JsonValue } from '@batuta/contracts';
import { propertyRuns } from '@batuta/testing';
import fc from 'fast-check';
import { overspending } from './budget/budget.js';
import type { Command } from './commands/command.js';
import { compile } from './graph/compile.js';
import { decide } from './decide.js';
import { wantedEffects } from './effects/wanted.js';
import { evolve } from './evolve.js';
import { taskInput } from './expressions/inputs.js';
import { approvalOf } from './kinds/approval/rules.js';
import { decodeSnapshot, encodeSnapshot } from './state/snapshot.js';
import { initialState, isTerminal, unitState, type State } from './state/state.js';
import { nextWake } from './state/timers.js';
import { view } from './view/view.js';
import { anyDefinition, anyMove } from '../../test/engine/arbitraries.js';
import { commandsOf, outstanding, run, snapshot } from '../../test/engine/random-run.js';

const RUNS = { numRuns: propertyRuns(150) };

function deepFreeze(value: unknown): void {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value) && !(value instanceof Map)) {
    Object.freeze(value);
    for (const child of Object.values(value)) {
      deepFreeze(child);
    }
  }
}

const anyRun = [anyDefinition, fc.array(anyMove, { maxLength: 60 })] as const;

describe('the engine, whatever the config and whatever happens', () => {
  test('folds without throwing and without changing any state that somebody holds', () => {
    fc.assert(
      fc.property(...anyRun, (definition, moves) => {
        const kept: { state: State; image: unknown }[] = [];
        run(definition, moves, (before, _command, _events, after) => {
          deepFreeze(before);
          kept.push({ state: after, image: snapshot(after) });
        });
        for (const { state, image } of kept) {
          expect(snapshot(state)).toEqual(image);
        }
      }),
      RUNS,
    );
  });

  test('gives the same state when its events are read back as JSON and folded from the beginning', () => {
    fc.assert(
      fc.property(...anyRun, (definition, moves) => {
        const trace = run(definition, moves, () => undefined);
        const events = JSON.parse(JSON.stringify(trace.events)) as Event[];
        const replayed = events.reduce(evolve, initialState(compile(definition)));
        expect(snapshot(replayed)).toEqual(snapshot(trace.state));
        expect(view(replayed)).toEqual(view(trace.state));
      }),
      RUNS,
    );
  });

  test('goes on from a snapshot, read back as JSON, as if every event had been folded', () => {
    fc.assert(
      fc.property(...anyRun, fc.nat(), (definition, moves, cut) => {
        const trace = run(definition, moves, () => undefined);
        const config = compile(definition);
        const at = cut % (trace.events.length + 1);
        const half = trace.events.slice(0, at).reduce(evolve, initialState(config));
        const restored = decodeSnapshot(config, JSON.parse(JSON.stringify(encodeSnapshot(half))) as JsonValue);
        expect(restored).toBeDefined();
        const whole = trace.events.slice(at).reduce(evolve, restored ?? initialState(config));
        expect(view(whole)).toEqual(view(trace.state));
        expect(nextWake(whole)).toBe(nextWake(trace.state));
        expect(wantedEffects(whole)).toEqual(wantedEffects(trace.state));
        const {
          ready: _r,
          readyApprovals: _a,
          retries: _t,
          deadlines: _d,
          ...kept
        } = snapshot(whole) as Record<string, unknown>;
        expect(snapshot(trace.state)).toMatchObject(kept);
      }),
      RUNS,
    );
  });

  test('decides the same again, numbers its events without a gap and never looks back in time', () => {
    fc.assert(
      fc.property(...anyRun, (definition, moves) => {
        const trace = run(definition, moves, (before, command, events) => {
          const again = decide(command, before);
          expect('accepted' in again ? again.accepted : undefined).toEqual(events);
        });
        expect(trace.events.map((event) => event.version)).toEqual(trace.events.map((_, index) => index + 1));
      }),
      RUNS,
    );
  });

  test('always has a deadline before its end, and a wake at it never leads to the same wake again', () => {
    fc.assert(
      fc.property(...anyRun, (definition, moves) => {
        run(definition, moves, (_before, command, _events, after) => {
          const wakeAt = nextWake(after);
          expect(wakeAt === undefined).toBe(isTerminal(after.status));
          if (command.type === 'Wake' && wakeAt !== undefined) {
            expect(wakeAt).toBeGreaterThan(command.at);
          }
        });
      }),
      RUNS,
    );
  });

  test('stays as it is after its end, but for a retry', () => {
    fc.assert(
      fc.property(...anyRun, (definition, moves) => {
        run(definition, moves, (before, command, events) => {
          if (
            isTerminal(before.status) &&
            command.type !== 'RetryExecution' &&
            command.type !== 'CompensateExecution'
          ) {
            expect(events).toEqual([]);
          }
        });
      }),
      RUNS,
    );
  });

  test('records at most one outcome of an attempt, and none of a result that came before', () => {
    fc.assert(
      fc.property(...anyRun, (definition, moves) => {
        const outcomes = new Set<string>();
        run(definition, moves, (before, command, events, after) => {
          for (const { type, data } of events) {
            // A human makes no attempts, so decisions are counted separately.
            if ((type === 'StepCompleted' || type === 'StepAttemptFailed') && data.attempt > 0) {
              const key = `${data.stepId}#${data.attempt}`;
              expect(outcomes.has(key)).toBe(false);
              outcomes.add(key);
            }
          }
          if (command.type === 'RecordResult') {
            const again = decide(command, after);
            expect('accepted' in again && again.accepted).toEqual([]);
            if ('accepted' in again && before.version !== after.version) {
              expect(again.outcome).toBe('recorded');
            }
          }
        });
      }),
      RUNS,
    );
  });

  test('has one decision for each approval that it asks for, taken while it waits, by who may and with its effect', () => {
    let decided = 0;
    fc.assert(
      fc.property(...anyRun, (definition, moves) => {
        const waiting = new Set<string>();
        run(definition, moves, (before, command, events, after) => {
          for (const [place, { type, data }] of events.entries()) {
            if (type === 'ApprovalRequested') {
              expect(waiting.has(data.stepId)).toBe(false);
              waiting.add(data.stepId);
            } else if (type === 'ApprovalDecided') {
              decided += 1;
              expect(waiting.delete(data.stepId)).toBe(true);
              const index = before.config.unitIndex.get(data.stepId) ?? -1;
              const unit = before.config.units[index];
              const rules = unit === undefined ? undefined : approvalOf(unit);
              if (data.timedOut === true) {
                expect(command.at).toBeGreaterThanOrEqual(unitState(before, index).approval?.deadlineAt || Infinity);
                expect(data.approved).toBe(rules?.approvesOnTimeout);
              } else {
                expect(rules?.approvers.length === 0 || rules?.approvers.includes(data.by ?? '')).toBe(true);
              }
              const effect = events[place + 1];
              expect(effect?.type).toBe(data.approved ? 'StepCompleted' : 'StepFailed');
              expect(effect?.data).toMatchObject({ stepId: data.stepId });
            } else if (type === 'StepSkipped') {
              waiting.delete(data.stepId);
            } else if (type === 'CompensationStarted' || type.startsWith('Execution')) {
              if (type !== 'ExecutionPaused' && type !== 'ExecutionResumed' && type !== 'ExecutionStarted') {
                waiting.clear();
              }
            }
          }
          const shown = view(after).steps.filter(({ approval }) => approval?.status === 'waiting');
          expect(new Set(shown.map(({ stepId }) => stepId))).toEqual(waiting);
        });
      }),
      RUNS,
    );
    expect(decided).toBeGreaterThan(15);
  });

  test('spends no more attempts than the policy has and runs no more at once than the limit', () => {
    fc.assert(
      fc.property(...anyRun, (definition, moves) => {
        run(definition, moves, (_before, _command, _events, after) => {
          let running = 0;
          for (const unit of after.config.units) {
            const { failures, phase } = unitState(after, unit.index);
            expect(failures).toBeLessThanOrEqual(unit.retry.maxAttempts);
            running += phase === 'running' ? 1 : 0;
          }
          expect(running).toBe(after.running);
          expect(running).toBeLessThanOrEqual(after.config.parallelLimit);
        });
      }),
      RUNS,
    );
  });

  test('says once a run that its budget is exceeded, and starts nothing after', () => {
    fc.assert(
      fc.property(...anyRun, (definition, moves) => {
        let told = false;
        run(definition, moves, (_before, _command, events, after) => {
          for (const { type, data } of events) {
            if (type === 'ExecutionRetried') {
              told = false;
            }
            if (type === 'BudgetExceeded') {
              expect(told).toBe(false);
              expect(data.spent).toBeGreaterThan(data.limit);
              told = true;
            }
            if (type === 'StepScheduled' && told && after.compensation === undefined) {
              expect(data.stepId).toBeUndefined();
            }
          }
          if (after.status === 'running') {
            expect(overspending(after) === undefined || after.exceeded !== undefined).toBe(true);
          }
        });
      }),
      RUNS,
    );
  });

  test('starts no step before its dependencies have an outcome, and none while paused or after the end', () => {
    fc.assert(
      fc.property(...anyRun, (definition, moves) => {
        run(definition, moves, (before, command, events, after) => {
          const scheduled = events.flatMap((event) =>
            event.type === 'StepScheduled' || event.type === 'ApprovalRequested' ? [event.data.stepId] : [],
          );
          if (before.status === 'paused' && command.type !== 'ResumeExecution') {
            // A compensation is not part of the paused work.
            expect(scheduled.filter((stepId) => !stepId.endsWith(':compensate'))).toEqual([]);
          }
          for (const stepId of scheduled) {
            const unit = after.config.units[after.config.unitIndex.get(stepId) ?? -1];
            if (unit !== undefined && unit.kind === 'step') {
              expect(unitState(after, unit.index).waitingFor).toBe(0);
            }
            expect(taskInput(after, stepId)).toBeDefined();
          }
        });
      }),
      RUNS,
    );
  });

  test('ends once every outstanding attempt and evaluation is answered and time goes on', () => {
    fc.assert(
      fc.property(...anyRun, fc.boolean(), (definition, moves, ok) => {
        const trace = run(definition, moves, () => undefined);
        let rounds = 0;
        const base = (): { id: string; at: number; seed: number } => ({
          id: `z-${rounds}`,
          at: trace.now,
          seed: rounds,
        });
        const perform = (command: Command): void => {
          const decision = decide(command, trace.state);
          trace.state = 'accepted' in decision ? decision.next : trace.state;
        };
        perform({ ...base(), type: 'ResumeExecution' });
        for (; !isTerminal(trace.state.status) && rounds < 1000; rounds++) {
          const open = outstanding(trace.state);
          for (const move of [
            { kind: 'result', pick: rounds, shift: 0, ok, output: { n: 1 }, code: 'x', retryable: true, twice: false },
            { kind: 'evaluation', ok, output: rounds },
          ] as const) {
            for (const command of commandsOf(trace, move, base)) {
              perform(command);
            }
          }
          const asked = view(trace.state).steps.filter(({ approval }) => approval?.status === 'waiting');
          for (const { stepId, approval } of asked) {
            const by = approval?.approvers?.[0] ?? 'ann';
            perform({ ...base(), id: `z-${rounds}-${stepId}`, type: 'DecideApproval', stepId, approved: ok, by });
          }
          const signals = view(trace.state).steps.flatMap(({ signal }) =>
            signal?.status === 'waiting' ? [signal.name] : [],
          );
          for (const [place, name] of signals.entries()) {
            perform({ ...base(), id: `z-${rounds}-signal-${place}`, type: 'SendSignal', name });
          }
          if (open.length === 0 && asked.length === 0 && signals.length === 0) {
            const wakeAt = nextWake(trace.state);
            // An execution may only wait for the next attempt of a step. One that waits for its deadline hangs.
            expect(
              isTerminal(trace.state.status) ||
                (wakeAt ?? 0) < trace.state.deadlineAt ||
                wantedEffects(trace.state).length > 0,
            ).toBe(true);
            for (const command of commandsOf(trace, { kind: 'wake', far: true, by: 0 }, base)) {
              perform(command);
            }
          }
        }
        expect(isTerminal(trace.state.status)).toBe(true);
        // Only a fallback that waits for the step that it serves can wait for ever.
        if (trace.state.failure?.code === 'stalled') {
          expect(definition.steps.some((step) => step.is_fallback && (step.dependencies ?? []).length > 0)).toBe(true);
        }
      }),
      RUNS,
    );
  });
});
