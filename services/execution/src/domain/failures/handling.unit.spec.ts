import { describe, expect, test } from '@jest/globals';
import type { FailurePolicy, OrchestrationDefinition } from '@batuta/contracts';
import { config, scenario, type StepInit } from '../../../test/engine/scenario.js';

const failing = (
  onFailure: FailurePolicy,
  steps: StepInit[],
  strategy: OrchestrationDefinition['strategy'] = 'sequential',
): string[] =>
  scenario(config(strategy, steps, { settings: { on_failure: onFailure } }))
    .start({})
    .fails('a').last;

describe('settings.on_failure', () => {
  test('is what a failure does when its step says nothing', () => {
    expect(failing('continue', [{ id: 'a' }, { id: 'b' }])).toEqual([
      'StepAttemptFailed a #1 broken final',
      'StepFailed a broken continue',
      'StepScheduled b #1',
    ]);
    expect(failing('abort', [{ id: 'a' }, { id: 'b' }]).at(-1)).toBe('ExecutionFailed a broken');
  });

  test('asks the fallbacks of a step', () => {
    const steps = [{ id: 'a' }, { id: 'b', fallback_for: 'a' }];
    expect(failing('fallback', steps).slice(1)).toEqual(['StepFailed a broken fallback b', 'StepScheduled b #1']);
  });

  test('gives way to what a step says, also when that is the usual', () => {
    expect(failing('continue', [{ id: 'a', on_failure: 'abort' }, { id: 'b' }]).at(-1)).toBe(
      'ExecutionFailed a broken',
    );
  });

  test('is what the failure of a group does', () => {
    const run = scenario(
      config(
        'consensus',
        [
          { id: 'a', consensus_group: 'g' },
          { id: 'b', dependencies: ['g'] },
        ],
        {
          settings: { on_failure: 'continue' },
        },
      ),
    );
    expect(run.start({}).fails('a').last).toContain('ConsensusFailed g no_consensus continue');
    expect(run.last.at(-1)).toBe('StepScheduled b #1');
  });
});
