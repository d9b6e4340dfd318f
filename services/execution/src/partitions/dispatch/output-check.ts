import { FAILURE_CODES } from '@batuta/contracts';
import { storableJson } from '@batuta/event-store';
import { isAttemptWanted, spendingDetails, takeSpending } from '../../domain/index.js';
import type { State } from '../../domain/index.js';
import type { EngineCounters } from '../ports/counters.js';
import type { AgentCache } from './agent-cache.js';
import { settle } from '../lane/inputs.js';
import type { Input, ResultInput } from '../lane/inputs.js';
import { misfit } from '../lane/misfit.js';
import { asExecution } from '../lane/partition.js';
import type { Partition } from '../lane/partition.js';
import type { EngineLog, Evaluator } from '../ports/ports.js';

interface OutputCheckParts {
  readonly agents: Pick<AgentCache, 'known' | 'agent'>;
  readonly evaluator: Evaluator;
  readonly log: EngineLog;
  readonly counters: EngineCounters;
  /** How many results may be checked at once. Further results are dropped, and their senders ask again. */
  readonly limit: number;
  /** Passes an input to the execution's partition. */
  readonly submit: (partition: Partition, input: Input) => void;
}

/**
 * Checks agents' outputs against their output_schema before they are decided. An output that does not fit becomes the
 * attempt's failure. This class answers nothing: a result that cannot be checked now is dropped, and its runner sends
 * it again.
 */
export class OutputCheck {
  readonly #parts: OutputCheckParts;
  #checking = 0;

  constructor(parts: OutputCheckParts) {
    this.#parts = parts;
  }

  /** Submits a result, at once unless its agent has an output_schema. */
  take(partition: Partition, input: ResultInput): void {
    const { submit } = this.#parts;
    if (!input.result.ok) return submit(partition, input);
    const hot = partition.executions.get(input.executionId);
    const execution = hot === undefined ? undefined : asExecution(hot);
    const state = execution?.current ?? execution?.committed;
    if (state !== undefined) return this.#take(partition, input, state, execution?.committed);
    submit(partition, {
      kind: 'visit',
      executionId: input.executionId,
      visit: (stream) => {
        const { current, committed } = asExecution(stream) ?? {};
        const loaded = current ?? committed;
        if (loaded === undefined) submit(stream.partition, input);
        else this.#take(stream.partition, input, loaded, committed);
      },
      missed: (dropped) => {
        if (dropped) return this.#drop(input);
        const found = partition.executions.get(input.executionId);
        const begun = found === undefined ? undefined : asExecution(found)?.current;
        if (begun === undefined) submit(partition, input);
        else this.#take(partition, input, begun, undefined);
      },
    });
  }

  #take(partition: Partition, input: ResultInput, state: State, committed: State | undefined): void {
    const { agents, submit, limit } = this.#parts;
    const { stepId, attempt } = input.result;
    const unit = state.config.units[state.config.unitIndex.get(stepId) ?? -1];
    if (unit === undefined) return submit(partition, input);
    const tenantId = state.started?.tenantId ?? '';
    const known = agents.known(tenantId, unit.agent);
    if (known !== undefined && known.outputSchema === undefined) return submit(partition, input);
    // A repeated or late result is answered even when it cannot be checked. An uncommitted state may still be reverted.
    const wanted = [state, committed].some((one) => one !== undefined && isAttemptWanted(one, stepId, attempt));
    if (!wanted) return submit(partition, input);
    if (this.#checking >= limit) return this.#drop(input);
    this.#checking += 1;
    void this.#check(partition, input, tenantId, unit.agent);
  }

  async #check(partition: Partition, input: ResultInput, tenantId: string, agent: string): Promise<void> {
    const { agents, evaluator, log, submit } = this.#parts;
    try {
      const schema = (await agents.agent(tenantId, agent))?.outputSchema;
      if (schema !== undefined) {
        const { output: given, ...rest } = input.result;
        const outcome = await evaluator.validate({ tenantId, schema, value: takeSpending(given).output });
        if ('unavailable' in outcome) throw new Error(outcome.unavailable);
        const problem = misfit('output', agent, outcome);
        if (problem !== undefined) {
          // Another attempt may give a better answer.
          const failure = {
            code: FAILURE_CODES.outputInvalid,
            message: storableJson(problem),
            retryable: true,
            ...spendingDetails(given),
          };
          input.result = { ...rest, ok: false, failure };
        }
      }
    } catch (error) {
      log.warn({ err: error, execution_id: input.executionId, agent }, 'an output cannot be checked now');
      return this.#drop(input);
    } finally {
      this.#checking -= 1;
    }
    if (!partition.serves) return this.#drop(input);
    submit(partition, input);
  }

  #drop(input: ResultInput): void {
    this.#parts.counters.droppedInputs += 1;
    settle(input, { kind: 'dropped' });
  }
}
