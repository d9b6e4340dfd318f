import { partitionOf } from '@batuta/contracts';
import type { AttemptCheckRequest } from '@batuta/contracts';
import { deletedRejection, forkFrom } from '../domain/index.js';
import type { EngineCounters } from './ports/counters.js';
import { decodeCheck, decodeHeartbeat, decodeOutput } from '../messages/attempt-reports.js';
import { decodeCommand } from '../messages/command.js';
import { MalformedRequest } from '../messages/fields.js';
import { decodeResults } from '../messages/results.js';
import { decodeMessage } from '../messages/stream-message.js';
import type { LoadedExecution } from './lane/execution-loader.js';
import { ResultGroup, WANTED } from './lane/inputs.js';
import type { CommandInput, Input } from './lane/inputs.js';
import type { OutputCheck } from './dispatch/output-check.js';
import type { Partition } from './lane/partition.js';
import type { EnginePorts, PartitionRequest } from './ports/ports.js';
import type { SkipGuard } from './skip-guard.js';

interface EngineRequestsParts {
  readonly ports: Pick<EnginePorts, 'clock' | 'log' | 'bus' | 'tokens' | 'outputs' | 'reportRefused' | 'restorer'>;
  readonly counters: EngineCounters;
  readonly outputs: OutputCheck;
  readonly partitionCount: () => number;
  /** The partition, if this process owns it now. */
  readonly partition: (id: number) => Partition | undefined;
  /** The subject at which this process takes results of all its partitions. */
  readonly ownSubject: () => string | undefined;
  /** Whether so many effects wait for another try that no start is accepted. */
  readonly overloaded: () => boolean;
  readonly skips: Pick<SkipGuard, 'refusal'>;
  readonly load: (executionId: string) => Promise<LoadedExecution | undefined>;
  /** Keeps the events of a deleted execution from removal until the returned function is called. */
  readonly keep: (executionId: string) => () => void;
  readonly submit: (partition: Partition, input: Input) => void;
}

/** A partition that does not answer by then may be gone: the sender asks again. */
const WANTED_WITHIN_MS = 5_000;
/** How long events that were put back are kept from removal while their command is decided. */
const KEPT_MS = 60_000;

/** Reads the requests that come over the bus, checks who sent them, and makes inputs of the partitions of them. */
export class EngineRequests {
  readonly #parts: EngineRequestsParts;

  constructor(parts: EngineRequestsParts) {
    this.#parts = parts;
  }

  /** A request to one partition. */
  request(id: number, request: PartitionRequest): void {
    const partition = this.#parts.partition(id);
    // No answer: the sender asks again, and by then the partition has an owner.
    if (partition?.serves !== true) return;
    this.#guarded(request, id, () => {
      switch (request.kind) {
        case 'command':
          return this.#command(partition, request);
        case 'message': {
          const message = decodeMessage(request.payload);
          this.#expect(partition, message.streamId);
          const { streamId: executionId } = message;
          return this.#parts.submit(partition, { kind: 'message', executionId, message, reply: request.reply });
        }
        case 'result':
          return this.#results(request, false, (executionId) => {
            this.#expect(partition, executionId);
            return partition;
          });
        case 'check': {
          const check = decodeCheck(request.payload);
          this.#expect(partition, check.executionId);
          if (!this.#isHolder(check, check.token)) {
            return request.reply?.('{"wanted":false,"reason":"unknown_execution"}');
          }
          const reply = this.#withRuns(check, request.reply);
          return this.#parts.submit(partition, { kind: 'check', executionId: check.executionId, check, reply });
        }
        case 'heartbeat': {
          const heartbeat = decodeHeartbeat(request.payload);
          this.#expect(partition, heartbeat.executionId);
          const { executionId } = heartbeat;
          if (!this.#isHolder(heartbeat, heartbeat.token)) {
            return request.reply?.('{"wanted":false,"reason":"unknown_execution"}');
          }
          return this.#parts.submit(partition, { kind: 'heartbeat', executionId, heartbeat, reply: request.reply });
        }
        case 'output': {
          const output = decodeOutput(request.payload);
          this.#expect(partition, output.executionId);
          const { outputs } = this.#parts.ports;
          if (outputs === undefined || !this.#isHolder(output, output.token)) {
            return request.reply?.('{"wanted":false,"reason":"unknown_execution"}');
          }
          return outputs.take(output, () => this.#isWanted(partition.id, output), request.reply);
        }
      }
    });
  }

  /** Whether an attempt is still outstanding; undefined when this process cannot tell now. */
  #isWanted(
    partitionId: number,
    { executionId, stepId, attempt }: Pick<AttemptCheckRequest, 'executionId' | 'stepId' | 'attempt'>,
  ): Promise<boolean | undefined> {
    const partition = this.#parts.partition(partitionId);
    if (partition?.serves !== true) return Promise.resolve(undefined);
    const { clock } = this.#parts.ports;
    return new Promise((resolve) => {
      const giveUp = clock.after(WANTED_WITHIN_MS, () => resolve(undefined));
      this.#parts.submit(partition, {
        kind: 'check',
        executionId,
        check: { executionId, stepId, attempt },
        reply: (text) => {
          giveUp();
          resolve(text === WANTED);
        },
      });
    });
  }

  /** Tells a runner that is about to begin which other runners have the attempt, and which had it. */
  #withRuns(check: AttemptCheckRequest, reply: PartitionRequest['reply']): PartitionRequest['reply'] {
    const { executionId, stepId, attempt, incarnation = '', redelivered = false, alone = false } = check;
    if (reply === undefined || incarnation === '') return reply;
    return (text, problem) => {
      if (text !== WANTED) return reply(text, problem);
      const attemptKey = `${executionId}/${stepId}/${attempt}`;
      const runs = this.#parts.ports.bus.taskBegins?.({ attemptKey, incarnation, redelivered, alone });
      reply(runs === undefined ? text : JSON.stringify({ wanted: true, ...runs }));
    };
  }

  /**
   * Handles results of any partitions. The sender must ask other owners about results that do not belong to this one.
   */
  shared(request: PartitionRequest): void {
    this.#guarded(request, undefined, () =>
      this.#results(request, true, (executionId) => {
        const partition = this.#parts.partition(partitionOf(executionId, this.#parts.partitionCount()));
        return partition?.serves === true ? partition : undefined;
      }),
    );
  }

  /** Answers a malformed request with its mistake. */
  #guarded(request: PartitionRequest, partition: number | undefined, work: () => void): void {
    const { log } = this.#parts.ports;
    try {
      work();
    } catch (error) {
      if (!(error instanceof MalformedRequest)) {
        log.error({ err: error, kind: request.kind, partition }, 'a request failed');
        return;
      }
      log.warn({ kind: request.kind, partition, reason: error.message }, 'malformed request');
      request.reply?.(refusal(request.kind, error.message), error.message);
    }
  }

  /**
   * Passes the results of one request to their partitions. `shared`: the sender may ask other owners about results
   * without a partition here.
   */
  #results(
    request: PartitionRequest,
    shared: boolean,
    partitionFor: (executionId: string) => Partition | undefined,
  ): void {
    const { results, tokens } = decodeResults(request.payload);
    const { bus } = this.#parts.ports;
    const keys = results.map(({ executionId, stepId, attempt }) => `${executionId}/${stepId}/${attempt}`);
    const trusted = results.map((result, place) => tokens === undefined || this.#isHolder(result, tokens[place]));
    const group = new ResultGroup(results.length, request.reply, this.#parts.ownSubject(), shared, () => {
      for (const [place, key] of keys.entries()) if (trusted[place] === true) bus.taskAnswered?.(key);
    });
    if (results.length === 0) request.reply?.('{"replies":[]}');
    for (const [place, result] of results.entries()) {
      const partition = partitionFor(result.executionId);
      if (trusted[place] !== true) {
        group.settle(place, 'unknown_execution');
        continue;
      }
      bus.taskReported?.(keys[place] ?? '');
      if (partition === undefined) {
        group.settle(place, undefined);
      } else {
        this.#parts.outputs.take(partition, { kind: 'result', executionId: result.executionId, result, group, place });
      }
    }
  }

  /** Whether a report has the token of its attempt's task. If not, the answer is that there is no such execution. */
  #isHolder(
    { executionId, stepId, attempt }: Pick<AttemptCheckRequest, 'executionId' | 'stepId' | 'attempt'>,
    token = '',
  ): boolean {
    const { tokens, log, reportRefused } = this.#parts.ports;
    if (tokens === undefined || tokens.isOf(`${executionId}/${stepId}/${attempt}`, token)) return true;
    this.#parts.counters.refusedReports += 1;
    reportRefused?.(executionId, stepId, attempt);
    // One log line for the first of a thousand, because a forger may send any number.
    if (this.#parts.counters.refusedReports % 1_000 === 1) {
      const fields = {
        execution_id: executionId,
        step_id: stepId,
        attempt,
        refused: this.#parts.counters.refusedReports,
      };
      log.warn(fields, 'a report without the token of its task is refused');
    }
    return false;
  }

  #expect(partition: Partition, executionId: string): void {
    if (partition.executions.has(executionId)) return;
    const right = partitionOf(executionId, this.#parts.partitionCount());
    if (right !== partition.id) {
      throw new MalformedRequest(`execution ${executionId} belongs to partition ${right}, not ${partition.id}`);
    }
  }

  #command(partition: Partition, request: PartitionRequest): void {
    const command = decodeCommand(request.payload);
    this.#expect(partition, command.executionId);
    const input: CommandInput = {
      kind: 'command',
      executionId: command.executionId,
      request: command,
      reply: request.reply,
      endSubject: request.endSubject,
    };
    if (command.start !== undefined && this.#parts.overloaded()) {
      this.#parts.counters.droppedInputs += 1;
      return;
    }
    if (command.restore !== undefined) return void this.#restore(input, partition);
    if (command.skipStep !== undefined) return void this.#skip(input, partition, command.skipStep.stepId);
    if (command.start?.fork === undefined) return this.#parts.submit(partition, input);
    void this.#readFork(input).then((reused) => {
      if (reused === undefined) return;
      input.reused = reused;
      const current = this.#parts.partition(partition.id);
      if (current !== undefined) this.#parts.submit(current, input);
    });
  }

  /** Puts the events of an archived execution back, and then decides the command. The remover waits meanwhile. */
  async #restore(input: CommandInput, { id, epoch }: Partition): Promise<void> {
    const { restorer, log, clock } = this.#parts.ports;
    const { executionId, request, reply } = input;
    const release = this.#parts.keep(executionId);
    try {
      const loaded = await this.#parts.load(executionId);
      const rejected =
        loaded === undefined ? undefined : await restorer?.restore(loaded.state, request.principal.tenantId);
      if (rejected !== undefined) input.reused = { rejected };
      const current = this.#parts.partition(id);
      const known = current?.executions.get(executionId);
      // Memory may have the state of the tombstone alone. In use it stays, and the sender is told to try again.
      if (known?.idle === true && known.committed !== undefined) current?.forgetEnded(known);
      // Another owner may have removed the events again, so the sender asks it.
      if (current?.epoch !== epoch) return release();
      // Without an answer nobody holds it for ever.
      const cancel = clock.after(KEPT_MS, release);
      this.#parts.submit(current, {
        ...input,
        reply: (answer, problem) => {
          cancel();
          release();
          reply?.(answer, problem);
        },
      });
    } catch (error) {
      release();
      log.warn({ err: error, execution_id: executionId }, 'an execution cannot be restored now');
    }
  }

  /** Reads what the step's child asks before it is decided who may skip the step. */
  async #skip(input: CommandInput, { id }: Partition, stepId: string): Promise<void> {
    const { executionId, request } = input;
    try {
      const loaded = await this.#parts.load(executionId);
      const { tenantId, userId } = request.principal;
      if (loaded !== undefined && loaded.state.started?.tenantId === tenantId) {
        const rejected = await this.#parts.skips.refusal(loaded.state, stepId, userId);
        if (rejected !== undefined) input.reused = { rejected };
      }
    } catch (error) {
      this.#parts.ports.log.warn({ err: error, execution_id: executionId }, 'a skip cannot be decided now');
      return;
    }
    const current = this.#parts.partition(id);
    if (current !== undefined) this.#parts.submit(current, input);
  }

  /** The outputs that a fork copies from its source. Undefined when they cannot be read now. */
  async #readFork(input: CommandInput): Promise<CommandInput['reused'] | undefined> {
    const { fork, input: given } = input.request.start ?? {};
    if (fork === undefined) return [];
    try {
      const source = await this.#parts.load(fork.executionId);
      const started = source?.state.started;
      const deleted = source === undefined ? undefined : deletedRejection(source.state);
      if (source === undefined || started?.tenantId !== input.request.principal.tenantId) {
        const message = `There is no execution ${fork.executionId} to fork.`;
        return { rejected: { code: 'not_found', message } };
      }
      if (deleted !== undefined) return { rejected: deleted };
      const found = forkFrom(source.state, fork.fromStepId, given);
      return 'rejected' in found ? found : found.reused;
    } catch (error) {
      this.#parts.ports.log.warn(
        { err: error, execution_id: fork.executionId },
        'the execution to fork cannot be read',
      );
      return undefined;
    }
  }
}

function refusal(kind: PartitionRequest['kind'], message: string): string {
  switch (kind) {
    case 'command':
      return JSON.stringify({ rejected: { code: 'validation_failed', message } });
    case 'message':
      return '{"outcome":"unknown"}';
    case 'result':
      return '{"replies":[]}';
    case 'check':
    case 'heartbeat':
    case 'output':
      return JSON.stringify({ wanted: false, reason: `malformed: ${message}` });
  }
}
