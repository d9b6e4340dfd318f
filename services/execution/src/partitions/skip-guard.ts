import { initialState, isTerminal, openApprovalNotOf, openChildrenOf } from '../domain/index.js';
import type { OpenChild, Rejection, State } from '../domain/index.js';
import type { StartableConfigs } from './effects/startable-configs.js';
import type { ConfigRegistry } from './ports/config-registry.js';

export interface SkipGuardParts {
  /** An execution of any partition. Undefined when it does not exist. */
  readonly load: (executionId: string) => Promise<State | undefined>;
  readonly startable: Pick<StartableConfigs, 'resolve'>;
  readonly configs: Pick<ConfigRegistry, 'find'>;
}

/** How many executions and configs below a step are looked at. */
const MOST = 1_000;

/** It cannot be decided now. Without an answer the sender asks again. */
export class UndecidedSkip extends Error {
  override readonly name = 'UndecidedSkip';
}

/**
 * Keeps those who are no approvers from skipping a step whose child asks for an approval. The parent's stream does not
 * know what its child asks, so the child is read before the command is decided. An approval that is not requested yet
 * counts too: otherwise a skip a moment earlier would go past it.
 */
export class SkipGuard {
  readonly #parts: SkipGuardParts;

  constructor(parts: SkipGuardParts) {
    this.#parts = parts;
  }

  /** Why the user may not skip the step. Undefined when the command may be decided. @throws UndecidedSkip. */
  async refusal(state: State, stepId: string, userId: string): Promise<Rejection | undefined> {
    const index = state.config.unitIndex.get(stepId);
    const tenantId = state.started?.tenantId;
    if (index === undefined || tenantId === undefined || isTerminal(state.status)) return undefined;
    const open = openChildrenOf(state, index);
    const seen = new Set<string>();
    for (let next = open.shift(); next !== undefined; next = open.shift()) {
      const found = await this.#find(tenantId, next, seen);
      if (found === undefined) continue;
      const approval = openApprovalNotOf(found, userId);
      if (approval !== undefined) {
        const message = `step ${stepId} runs config ${found.config.definition.name}, whose step ${approval.id} asks for an approval: only those who may decide about it may skip the step`;
        return { code: 'not_an_approver', message };
      }
      if (seen.size >= MOST) {
        const message = `step ${stepId} runs more than ${MOST} executions and configs, so nobody can say whose approvals a skip would go past: cancel the execution instead`;
        return { code: 'not_an_approver', message };
      }
      for (let child = 0; child < found.config.stepCount; child += 1) open.push(...openChildrenOf(found, child));
    }
    return undefined;
  }

  /** The child, or what it will begin as. Undefined when it has ended, cannot be started, or was looked at already. */
  async #find(tenantId: string, { id, config, version }: OpenChild, seen: Set<string>): Promise<State | undefined> {
    if (id !== undefined) {
      seen.add(id);
      const child = await this.#parts.load(id);
      if (child?.started !== undefined) {
        if (child.started.tenantId !== tenantId || child.status === 'completed') return undefined;
        // Its step waits for it, so a retry is about to make it continue, and it asks again.
        return isTerminal(child.status) ? initialState(child.config) : child;
      }
    }
    if (config === undefined) return undefined;
    const resolved = await this.#parts.startable.resolve(tenantId, config, version === 0 ? undefined : version);
    if ('unavailable' in resolved) throw new UndecidedSkip(resolved.unavailable);
    if ('refusal' in resolved) return undefined;
    const { configId, version: newest } = resolved.config;
    const key = `${configId}/${newest}`;
    if (seen.has(key)) return undefined;
    seen.add(key);
    const compiled = await this.#parts.configs.find(configId, newest);
    if (compiled.kind === 'unavailable') throw new UndecidedSkip(compiled.message);
    return compiled.kind === 'found' ? initialState(compiled.config) : undefined;
  }
}
