import { describe, expect, it } from '@jest/globals';
import type { OrchestrationDefinition } from '@batuta/contracts';
import { compile, initialState } from '../domain/index.js';
import type { State } from '../domain/index.js';
import { SkipGuard, UndecidedSkip } from './skip-guard.js';

const runs = (id: string, config: string): object => ({ id, name: id, orchestration: { config } });
const asks = (...approvers: string[]): object => ({ id: 'gate', name: 'Gate', approval: { approvers } });
const agent = { id: 'only', name: 'Only', agent: 'echo' };

const definition = (name: string, steps: readonly object[]): OrchestrationDefinition =>
  ({ name, strategy: 'parallel', steps }) as unknown as OrchestrationDefinition;

/** A parent that has begun nothing yet, beside these configs. `down`: a config that cannot be read now. */
function guardOf(configs: Readonly<Record<string, readonly object[]>>, down = ''): SkipGuard {
  return new SkipGuard({
    load: () => Promise.resolve(undefined),
    startable: {
      resolve: (_tenant, name) =>
        Promise.resolve(
          name === down
            ? { unavailable: 'the config service is away' }
            : configs[name] === undefined
              ? { refusal: { code: 'not_found' as const, message: '' } }
              : { config: { configId: name, version: 1, name } },
        ),
    },
    configs: {
      find: (id) => Promise.resolve({ kind: 'found', config: compile(definition(id, configs[id] ?? [])) }),
    },
  });
}

function parent(...steps: readonly object[]): State {
  const started = { tenantId: 'acme' } as State['started'];
  return { ...initialState(compile(definition('parent', steps))), status: 'running', started };
}

describe('the guard of skips', () => {
  const above = parent(runs('below', 'middle'), agent);

  it('refuses whoever is no approver of something below the step', async () => {
    const guard = guardOf({ middle: [agent, runs('lower', 'lowest')], lowest: [asks('grace')] });
    expect(await guard.refusal(above, 'below', 'eve')).toEqual({
      code: 'not_an_approver',
      message: expect.stringContaining('step below runs config lowest, whose step gate asks for an approval'),
    });
    expect(await guard.refusal(above, 'below', 'grace')).toBeUndefined();
    expect(await guard.refusal(above, 'only', 'eve')).toBeUndefined();
    expect(await guard.refusal(above, 'none', 'eve')).toBeUndefined();
  });

  it('lets every operator skip what asks every operator', async () => {
    expect(await guardOf({ middle: [asks()] }).refusal(above, 'below', 'eve')).toBeUndefined();
  });

  it('ends when configs run each other', async () => {
    const guard = guardOf({ middle: [runs('again', 'other')], other: [runs('again', 'middle')] });
    expect(await guard.refusal(above, 'below', 'eve')).toBeUndefined();
  });

  it('decides nothing while it cannot know, and nothing about a config that cannot be started', async () => {
    await expect(guardOf({}, 'middle').refusal(above, 'below', 'eve')).rejects.toThrow(UndecidedSkip);
    expect(await guardOf({}).refusal(above, 'below', 'eve')).toBeUndefined();
  });
});
