import { uuidV5 } from '@batuta/contracts';
import type {
  CommandReply,
  CommandRequest,
  ParentCommand,
  Principal,
  Refusal,
  StartExecution,
  StreamMessage,
  StreamMessageReply,
} from '@batuta/contracts';
import { spanIdOf, traceparentOf } from '@batuta/observability';
import {
  CHILD_SPAN,
  childOf,
  chunkConfig,
  commandOfChild,
  isChildEffectWanted,
  isTerminal,
  orchestrationOf,
  priorityOf,
  taskInput,
} from '../../domain/index.js';
import type { ChildEffect, State } from '../../domain/index.js';
import type { ChildAnswer, Input } from '../lane/inputs.js';
import type { HotExecution, Partition } from '../lane/partition.js';
import type { Clock, EngineLog, OwnStarts } from '../ports/ports.js';
import { recordOutcome } from '../lane/recorded-outcome.js';
import type { StartableConfigs, Unavailable } from './startable-configs.js';
import type { StreamSender } from './stream-sender.js';

interface ChildEffectParts {
  readonly clock: Clock;
  readonly startable: StartableConfigs;
  readonly starts?: OwnStarts | undefined;
  readonly sender: StreamSender;
  readonly log: EngineLog;
  readonly submit: (partition: Partition, input: Input) => void;
  /** Whether spans of a trace are recorded. Default: as the caller of the start decides. */
  readonly sampled?: ((traceId: string) => boolean) | undefined;
}

const RETRY_FIRST_MS = 100;
const RETRY_LONGEST_MS = 5_000;
/** Refusals that do not concern the start itself. */
const TRANSIENT: ReadonlySet<string> = new Set(['unavailable', 'internal']);
/** A child waits so long for its tenant's limits; then its step fails, so that parents never wait for each other for ever. */
const LIMITED_MS = 300_000;
const TRACE_ID = /^[0-9a-f]{32}$/;

type StartCommand = CommandRequest & { readonly start: StartExecution };

/**
 * Starts the children of steps and sends them the commands of their parents, on any owner. Everything here may happen
 * twice: a child's id is derived, a repeated start is answered with the child's status, and a child follows only the
 * newest command of its parent.
 */
export class ChildEffects {
  readonly #parts: ChildEffectParts;

  constructor(parts: ChildEffectParts) {
    this.#parts = parts;
  }

  /** Ends when the effect is done or not wanted any more. Never rejects. */
  async perform(execution: HotExecution, effect: ChildEffect): Promise<void> {
    for (let attempt = 0; this.#wanted(execution, effect); attempt++) {
      let problem: string | undefined;
      try {
        const tried =
          effect.type === 'startChild' ? await this.#start(execution, effect) : await this.#tell(execution, effect);
        if (tried === undefined) return;
        problem = tried.unavailable;
      } catch (error) {
        problem = error instanceof Error ? error.message : String(error);
      }
      const fields = { ...execution.named, step_id: effect.stepId, child_id: effect.childId, reason: problem };
      if (attempt > 1) this.#parts.log.warn(fields, 'a child cannot be reached now');
      await this.#parts.sender.pause(Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt, 10)));
    }
  }

  #wanted({ committed, partition }: HotExecution, effect: ChildEffect): boolean {
    return partition.owned && committed !== undefined && isChildEffectWanted(committed, effect);
  }

  /** Returns undefined when it is done. */
  async #start(execution: HotExecution, effect: ChildEffect): Promise<Unavailable | undefined> {
    const child = execution.committed === undefined ? undefined : childOf(execution.committed, effect.stepId);
    if (child === undefined) return undefined;
    const answer = child.resumed
      ? await this.#takeUp(execution, effect, child.requested)
      : await this.#ask(execution, effect);
    if (answer === undefined) return undefined;
    if ('unavailable' in answer) return answer;
    await this.#record(execution, effect, answer);
    return undefined;
  }

  /** Makes the child of an earlier run continue where it failed. Starts it if it does not exist. */
  async #takeUp(
    execution: HotExecution,
    effect: ChildEffect,
    order: number,
  ): Promise<ChildAnswer | Unavailable | undefined> {
    const reply = await this.#deliver(execution, effect, { command: 'retry', order });
    if (reply === undefined) return undefined;
    const { outcome, child } = reply;
    if (outcome === 'unknown') return this.#ask(execution, effect);
    if (child === undefined) return { outcome: 'gone' };
    // The child could not be retried (it is deleted, or was undone) and has no result, so a new one is needed.
    const lost = outcome === 'stale' && child.ended?.status !== 'completed';
    return lost || child.ended?.deleted === true ? { outcome: 'gone' } : { outcome: 'started', facts: child };
  }

  /** Sends the start. A repeat is answered with the child's status. */
  async #ask(execution: HotExecution, effect: ChildEffect): Promise<ChildAnswer | Unavailable | undefined> {
    const state = execution.committed;
    const found = state === undefined ? undefined : await this.#command(state, effect);
    const made = found !== undefined && 'command' in found ? await this.#admitted(execution, effect, found) : found;
    if (made === undefined || 'unavailable' in made) return made;
    if ('refusal' in made) {
      // The start may have arrived before its config was deleted.
      const known = await this.#deliver(execution, effect, { command: 'ask', order: 0 });
      if (known === undefined) return undefined;
      return known.child === undefined
        ? { outcome: 'refused', refusal: made.refusal }
        : { outcome: 'started', facts: known.child };
    }
    const { command } = made;
    const text = await this.#parts.sender.deliver('command', effect.childId, command, () =>
      this.#wanted(execution, effect),
    );
    if (text === undefined) return undefined;
    const { accepted, rejected } = JSON.parse(text) as CommandReply;
    if (accepted?.child !== undefined) return { outcome: 'started', facts: accepted.child };
    if (rejected === undefined) return { unavailable: 'the answer to a start says nothing' };
    if (TRANSIENT.has(rejected.code)) return { unavailable: rejected.message };
    return rejected.code === 'execution_deleted' ? { outcome: 'gone' } : { outcome: 'refused', refusal: rejected };
  }

  /** The same start when the limits of its tenant let it begin. */
  async #admitted(
    execution: HotExecution,
    effect: ChildEffect,
    made: { readonly command: StartCommand },
  ): Promise<{ readonly command: StartCommand } | { readonly refusal: Refusal } | undefined> {
    const { commandId, executionId, principal, start } = made.command;
    const refusal = await this.#parts.starts?.admitted({
      tenantId: principal.tenantId,
      commandId,
      executionId,
      input: start.input,
      child: true,
      waitMs: LIMITED_MS,
      wanted: () => this.#wanted(execution, effect),
    });
    if (refusal === 'unwanted') return undefined;
    return refusal === undefined ? made : { refusal };
  }

  async #command(
    state: State,
    { stepId, childId }: ChildEffect,
  ): Promise<{ readonly command: StartCommand } | { readonly refusal: Refusal } | Unavailable | undefined> {
    const { started, executionId, config } = state;
    const child = childOf(state, stepId);
    const unit = config.units[config.unitIndex.get(stepId) ?? -1];
    const rules = unit === undefined ? undefined : orchestrationOf(unit);
    if (started === undefined || child === undefined) return undefined;
    const { tenantId } = started;
    const { startable } = this.#parts;
    const { attempt } = child;
    const chunk = unit?.kind === 'lane' ? chunkConfig(state, unit) : undefined;
    const found =
      chunk !== undefined
        ? await startable.chunk(tenantId, chunk)
        : attempt === undefined
          ? await startable.resolve(tenantId, child.config, rules?.configVersion || undefined)
          : await startable.version(attempt.configId, attempt.version, child.config);
    if (!('config' in found)) return found;
    const input = taskInput(state, stepId);
    const problem = await startable.inputProblem(tenantId, found.config, found.config.name, input);
    if (problem !== undefined) return problem;
    const traceparent = this.#traceparent(state, stepId, child.requested);
    const principal: Principal = { tenantId, userId: started.userId, role: 'operator', keyId: '' };
    return {
      command: {
        commandId: uuidV5(childId, 'start'),
        executionId: childId,
        principal,
        start: {
          configId: found.config.configId,
          configVersion: found.config.version,
          input,
          traceId: childId.replaceAll('-', ''),
          priority: priorityOf(state),
          endTo: executionId,
          // A lane is nothing that users know.
          parent: {
            executionId,
            stepId: chunk === undefined ? stepId : chunk.stepId,
            depth: (started.parent?.depth ?? 0) + 1,
          },
          ...(traceparent === undefined ? {} : { traceparent }),
          ...(child.budget === undefined ? {} : { budget: child.budget }),
          ...(started.sessionId === undefined ? {} : { sessionId: started.sessionId }),
        },
      },
    };
  }

  /** The parent span of the child: the waiting step in the parent's trace. */
  #traceparent({ started }: State, stepId: string, version: number): string | undefined {
    if (started === undefined || !TRACE_ID.test(started.traceId)) return undefined;
    const { sampled } = this.#parts;
    const recorded = sampled === undefined ? started.traceparent?.endsWith('-01') === true : sampled(started.traceId);
    return traceparentOf(started.traceId, spanIdOf(started.traceId, CHILD_SPAN, stepId, version), recorded);
  }

  /** Sends the child its parent's command. Returns undefined when that is done. */
  async #tell(execution: HotExecution, effect: ChildEffect): Promise<Unavailable | undefined> {
    const state = execution.committed;
    const command = state === undefined ? undefined : commandOfChild(state, effect.stepId);
    if (state === undefined || command === undefined) return undefined;
    const reply = await this.#deliver(execution, effect, command);
    if (reply?.outcome !== 'unknown') return undefined;
    // The child's start may still be in transit, from here or from an earlier owner. After it has arrived, no start can
    // be missed.
    if (!isTerminal(state.status)) return { unavailable: 'the child is not there yet' };
    const answer = await this.#ask(execution, effect);
    if (answer !== undefined && 'unavailable' in answer) return answer;
    return answer?.outcome === 'started' ? { unavailable: 'the child is there only now' } : undefined;
  }

  async #deliver(
    execution: HotExecution,
    effect: ChildEffect,
    parent: ParentCommand,
  ): Promise<StreamMessageReply | undefined> {
    const message: StreamMessage = {
      streamId: effect.childId,
      messageId: `${execution.id}/${parent.order}`,
      from: execution.id,
      parent,
    };
    return this.#parts.sender.tell(message, () => this.#wanted(execution, effect));
  }

  #record(execution: HotExecution, effect: ChildEffect, answer: ChildAnswer): Promise<void> {
    const { id: executionId, partition } = execution;
    const { childId } = effect;
    return new Promise((done) => {
      recordOutcome(this.#parts, partition, {
        wanted: () => this.#wanted(execution, effect),
        inputOf: (settled) => ({ kind: 'child_answer', executionId, childId, answer, settled }),
        done,
      });
    });
  }
}
