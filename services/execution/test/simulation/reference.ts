import { LIMITS, uuidV5 } from '@batuta/contracts';
import type {
  Budget,
  BudgetExceeded,
  ConsensusGroup,
  Event,
  Failure,
  FailurePolicy,
  JsonValue,
  Llm,
  LlmTool,
  OrchestrationDefinition,
  ReusedApproval,
  StepDefinition,
} from '@batuta/contracts';
import { ReferenceMap, chunkFrom, itemsOfConfig } from './reference-maps.js';
import type { ReferenceChunk } from './reference-maps.js';
import { tally } from './reference-consensus.js';
import type { Member } from './reference-consensus.js';
import { evaluateExpression, isPlainPath } from './expressions.js';

type Status = 'open' | 'completed' | 'failed' | 'skipped';

/** A step or a consensus group, and its outcome. */
interface Node {
  readonly id: string;
  readonly step: StepDefinition | undefined;
  readonly group: ConsensusGroup | undefined;
  readonly key: string;
  /** Its own dependencies, and for a fallback also those of the step that it serves. */
  dependencies: readonly string[];
  readonly policy: FailurePolicy;
  /** Its fallbacks, in listed order. */
  readonly alternatives: Node[];
  readonly members: Node[];
  servesFor: Node | undefined;
  status: Status;
  reason: string;
  /** Whether the log says that it is skipped. Until then no decision was made, however certain it is. */
  recorded: boolean;
  output: JsonValue;
  failure: Failure | undefined;
  failedAttempts: number;
  running: boolean;
  /** Whether an approval is open, or it waits for a time or a signal. */
  waiting: boolean;
  /** The deadline, or undefined. */
  decideBy: number | undefined;
  /** Evaluated values of `when` and `input`, when the log has them. */
  condition: JsonValue | undefined;
  values: readonly JsonValue[] | undefined;
  vote: { readonly value: JsonValue } | { readonly excluded: string } | undefined;
  /** An approval of the source execution of a fork. */
  granted: Pick<ReusedApproval, 'message' | 'input'> | undefined;
  /** The last question. */
  question: Pick<ReusedApproval, 'message' | 'input'> | undefined;
  /** For a step that asks a model, from its first answer on. */
  talk: Talk | undefined;
  /** The budget of its model's current call. */
  reserved: Budget | undefined;
  /** Of a step that chooses among candidates, from its first question or its decision on. */
  route: Routing | undefined;
  /** Of a step with a repeat, from the end of its first iteration on. */
  loop: Loop | undefined;
  /** Index in `alternatives` of the current one. */
  turn: number;
  /** For a step with a child: the latest child. */
  child:
    { readonly id: string; readonly number: number; readonly given: string; ended: string | undefined } | undefined;
  /** For a step with a map. */
  readonly map: ReferenceMap | undefined;
  /** A child makes its attempt, since its agent is made of a model. */
  delegated: boolean;
  servedBy: string | undefined;
  decided: Event | undefined;
}

interface Talk {
  turn: number;
  repairs: number;
  readonly messages: JsonValue[];
  /** The calls of the last answer, while they run. */
  calls: { readonly id: string; readonly name: string; readonly input: JsonValue; result: JsonValue | undefined }[];
  /** Which of them a place makes, and what was said about it. */
  readonly places: Map<string, number>;
  readonly guards: Map<string, Guard>;
  /** No call of the model is under way. */
  calling: boolean;
}

/** How far a route has come. */
interface Routing {
  /** What the model answered to each question. Undefined for an answer that does not fit. */
  readonly answers: (RouteChoice | undefined)[];
  /** The most similar in meaning, null when nothing was compared well. */
  similar: RouteChoice | null | undefined;
  decided: string | undefined;
  /** The place that works. */
  place: string | undefined;
  child: string | undefined;
  childEnd: string | undefined;
  failed: Failure | undefined;
}

interface RouteChoice {
  readonly chosen: string;
  readonly confidence: number;
}

/** How far a step with a repeat has come. */
interface Loop {
  done: number;
  /** Iterations before the last retry of the execution. */
  before: number;
  readonly results: JsonValue[];
  /** What follows the last iteration is not decided. */
  between: boolean;
  /** What the sandbox said of `until`. */
  verdict: JsonValue | undefined;
  /** The next iteration begins no earlier. */
  from: number;
}

/** What is known of a call that a place makes. */
interface Guard {
  /** Evaluated value of `approval.when`, once the log has it. */
  condition: JsonValue | undefined;
  /** A human is asked. */
  asked: boolean;
  decideBy: number | undefined;
  approved: boolean | undefined;
  child: string | undefined;
  childEnd: string | undefined;
}

/** What the reference says about an execution. */
export interface ReferenceResult {
  readonly status: string;
  readonly output: JsonValue | undefined;
  readonly failureCode: string | undefined;
  /** Codes of other failures that may have come first. */
  readonly otherFailures: ReadonlySet<string>;
  readonly failedStep: string | undefined;
  readonly steps: ReadonlyMap<string, { readonly status: string; readonly output: JsonValue | undefined }>;
  readonly compensated: readonly string[];
}

/** Stands for the place of a config with a limit among the executions that it waits for. */
const PLACE = 'place';

const TIMEOUTS = new Set([
  'approval_timeout',
  'signal_timeout',
  'timeout',
  'heartbeat_timeout',
  'schedule_to_start_timeout',
  'schedule_to_close_timeout',
]);
/** The ends of children that fail their steps. */
const CHILD_STATUS: Readonly<Record<string, string>> = {
  child_failed: 'failed',
  child_cancelled: 'cancelled',
  child_deleted: 'deleted',
  child_refused: 'refused',
};
const CHILD_FAILURES = new Set(Object.keys(CHILD_STATUS));
/** Failures of steps by time, and not by one of their attempts. */
const BY_TIME = new Set(['schedule_to_close_timeout', 'input_too_large']);

/**
 * A second implementation of docs/configs.md and the rules of the engine, written without the engine's code. It gets
 * the outcomes, the sandbox's answers and the commands of a log in order, and computes the result of the execution. It
 * plans nothing: the engine's own choices in the log are compared with it, not followed.
 */
export class Reference {
  readonly #id: string;
  readonly #definition: OrchestrationDefinition;
  readonly #isChunk: boolean;
  /** Of a chunk of a step with a map, once it has its input. */
  #chunk: ReferenceChunk | undefined;
  readonly #nodes = new Map<string, Node>();
  readonly #roots: Node[] = [];
  readonly #completed: Node[] = [];
  readonly #judged = new Map<string, JsonValue>();
  #status = 'running';
  #paused = false;
  /** Failures that may have ended the execution. During a pause they wait together for the resume. */
  readonly #ends = new Set<string>();
  #starting = false;
  #input: JsonValue = null;
  #depth = 0;
  #name = '';
  #output: JsonValue | undefined;
  #failure: Failure | undefined;
  #failedStep: string | undefined;
  #cause: 'failure' | 'cancel' | undefined;
  readonly #undone: string[] = [];
  #limits: { readonly tokens: number; readonly cost: number } = { tokens: Infinity, cost: Infinity };
  /** The spending since the start or the last retry. */
  #spent = { tokens: 0, cost: 0 };
  /** Whether spending counts: the execution has neither ended nor is it being undone. */
  #counting = true;
  #exceeded: BudgetExceeded | undefined;
  /** Signals that came before a step waited for them, oldest first. */
  readonly #kept: { readonly version: number; readonly name: string; readonly payload: JsonValue }[] = [];
  /** Executions that must end before anything begins, and how. */
  readonly #waitsFor = new Map<string, string>();
  #failedDependency = false;
  /** Keys of evaluations in the sandbox. */
  readonly #evaluating = new Set<string>();
  /** Steps whose model has given its final answer, by the runner's report. */
  readonly #awaitsEnd = new Set<Node>();
  /** Differences between the log and this reference. */
  readonly differences: string[] = [];

  constructor(id: string, given: OrchestrationDefinition) {
    const count = itemsOfConfig(given);
    const [item] = given.steps;
    // A chunk has its step once for each item.
    const definition =
      count === undefined || item === undefined
        ? given
        : { ...given, steps: Array.from({ length: count }, (_, place) => ({ ...item, id: `item-${place}` })) };
    this.#id = id;
    this.#definition = definition;
    this.#isChunk = count !== undefined;
    const { steps, consensus_groups: groups = [] } = definition;
    const usual: FailurePolicy = this.#isChunk ? 'continue' : definition.strategy === 'fallback' ? 'fallback' : 'abort';
    // `abort` is the default, and means the same in strategy fallback as an absent value.
    const policyOf = (said: FailurePolicy = definition.settings?.on_failure ?? 'abort'): FailurePolicy =>
      said === 'abort' ? usual : said;
    const expect = (holds: boolean, message: string): void => this.#expect(holds, message);
    for (const step of steps) {
      const map = step.map === undefined ? undefined : new ReferenceMap(id, step.id, step.map, expect);
      this.#nodes.set(step.id, newNode(step, undefined, policyOf(step.on_failure), [], map));
    }
    const declared = new Map(groups.map((group) => [group.id, group]));
    for (const name of new Set(steps.flatMap((step) => step.consensus_group ?? []))) {
      const group = declared.get(name) ?? { id: name };
      const members = steps.filter((step) => step.consensus_group === name).map((step) => this.#node(step.id));
      this.#nodes.set(name, newNode(undefined, group, policyOf(group.on_failure), members));
    }
    let main: StepDefinition | undefined;
    for (const step of steps) {
      const served = step.fallback_for ?? (step.is_fallback === true ? main?.id : undefined);
      if (served === undefined) {
        main = step;
        continue;
      }
      const node = this.#node(step.id);
      node.servesFor = this.#node(served);
      node.servesFor.alternatives.push(node);
    }
    const seen = (node: Node | undefined): string[] =>
      node === undefined
        ? []
        : [
            ...seen(node.servesFor),
            ...(node.step?.dependencies ?? node.members.flatMap((member) => member.dependencies)),
          ];
    for (const node of [...this.#nodes.values()].filter((each) => each.servesFor !== undefined)) {
      node.dependencies = [...new Set(seen(node))];
    }
    for (const node of this.#nodes.values()) {
      if (node.servesFor === undefined && node.step?.consensus_group === undefined) this.#roots.push(node);
    }
  }

  get result(): ReferenceResult {
    return {
      status: this.#status,
      output: this.#output,
      failureCode: this.#failure?.code,
      otherFailures: this.#ends,
      failedStep: this.#failedStep,
      compensated: this.#undone,
      steps: new Map(
        [...this.#nodes.values()]
          .filter((node) => node.step !== undefined)
          .map((node) => [
            node.id,
            { status: node.status, output: node.status === 'completed' ? node.output : undefined },
          ]),
      ),
    };
  }

  #node(id: string): Node {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new Error(`there is no ${id}`);
    return node;
  }

  /** Applies the next event of the log. */
  apply(event: Event): void {
    // The outputs that a fork copies come right after its start, before anything follows from either.
    if (this.#starting && event.type !== 'StepReused') {
      this.#starting = false;
      this.#settle();
    }
    if (this.#fact(event) && !this.#starting) this.#settle();
  }

  /** Whether the event is an outside fact, and not a choice of the engine. */
  #fact(event: Event): boolean {
    this.#audit(event);
    switch (event.type) {
      case 'ExecutionStarted':
        this.#limits = this.#limitsOf(event.data.budget);
        this.#input = event.data.input ?? null;
        if (this.#isChunk) this.#chunk = chunkFrom(this.#input);
        this.#name = this.#definition.name;
        this.#depth = event.data.parent?.depth ?? 0;
        for (const { executionId, on } of event.data.after ?? []) this.#waitsFor.set(executionId, on);
        this.#awaitPlace();
        this.#starting = true;
        return true;
      case 'StepReused':
        return this.#reused(event);
      case 'ApprovalRequested':
        if (isPlace(event.data.stepId)) this.#callAsked(event);
        else this.#asked(event);
        return false;
      case 'ApprovalDecided':
        return isPlace(event.data.stepId) ? this.#callDecided(event) : this.#decided(event);
      case 'ChoiceMade':
        return this.#chose(event);
      case 'SignalReceived':
        return this.#signalled(event);
      case 'SignalAwaited':
        return this.#awaits(event);
      case 'WaitStarted':
        this.#waits(event);
        return false;
      case 'ChildRequested':
        if (isPlace(event.data.stepId)) this.#callAdopts(event);
        else if (isLane(event.data.stepId)) this.#laneAdopts(event);
        else if (event.data.attempt !== undefined) this.#delegates(event);
        else this.#adopts(event);
        return false;
      case 'MapStarted':
        this.#maps(event);
        return false;
      case 'MapChunkEnded':
        this.#node(event.data.stepId).map?.chunkEnded(event.data);
        return false;
      case 'ChildStarted':
      case 'ParentCommanded':
      case 'WaiterAdded':
      case 'ExecutionRescheduled':
      case 'DependencyFound':
      case 'DependenciesChecked':
      case 'PlaceAwaited':
        return false;
      case 'PlaceRequested':
        this.#asksForPlace(event);
        return false;
      case 'PlaceTaken':
        this.#expect(this.#waitsFor.delete(PLACE), 'it has a place already');
        return true;
      case 'DependencyEnded':
        return this.#dependencyEnded(event);
      case 'ChildEnded':
        this.#childEnded(event);
        return false;
      case 'IterationCompleted':
        return this.#iterated(event);
      case 'IterationPlanned':
        this.#goesOn(event);
        return false;
      case 'ModelAnswered':
        return this.#answered(event);
      case 'ToolCalled':
        this.#called(event);
        return false;
      case 'RouteAsked':
        this.#routeAsked(event);
        return false;
      case 'RouteDecided':
        this.#routeDecided(event);
        return false;
      case 'StepCompleted':
        if (isPlace(event.data.stepId) && event.data.attempt === 0) {
          this.#told(event.data.stepId, event.data.output ?? null, false);
          return true;
        }
        if (this.#nodes.get(event.data.stepId)?.step?.repeat !== undefined) return this.#loopEnds(event);
        if (this.#nodes.get(event.data.stepId)?.step?.wait !== undefined) return this.#timeCame(event);
        if (this.#nodes.get(event.data.stepId)?.step?.signal !== undefined && this.#missed(event)) return true;
        if (this.#nodes.get(event.data.stepId)?.step?.orchestration !== undefined) return this.#childGives(event);
        if (this.#nodes.get(event.data.stepId)?.step?.map !== undefined) return this.#mapGives(event);
        if (isFree(this.#nodes.get(event.data.stepId)?.step) || event.data.attempt === 0) {
          const node = this.#node(event.data.stepId);
          if (this.#awaitsEnd.delete(node)) {
            this.#complete(node, event.data.output ?? null);
            return true;
          }
          this.#expect(node.status === 'completed', `${node.id} completes, expected ${node.status}`);
          this.#expect(same(event.data.output, node.output), `${node.id} gives ${canonical(event.data.output)}`);
          return false;
        }
        return this.#outcome(event.data.stepId, event.data.output ?? null, undefined, event);
      case 'StepAttemptFailed':
        return this.#outcome(event.data.stepId, null, event.data, event);
      case 'StepSkipped': {
        const node = this.#nodes.get(event.data.stepId);
        if (node === undefined) return false;
        node.recorded = true;
        const approvers = node.status === 'open' ? node.step?.approval?.approvers : undefined;
        if (event.data.reason === 'requested' && approvers !== undefined) {
          this.#expect(approvers.includes(event.data.by ?? ''), `${node.id} is skipped by ${event.data.by}`);
        }
        if (event.data.reason === 'requested' || event.data.reason === 'consensus_reached') {
          node.status = 'skipped';
          node.reason = event.data.reason;
          node.running = false;
          node.waiting = false;
          // A user who skips the current fallback wants no output in its place.
          if (node.servesFor?.alternatives[node.servesFor.turn] === node) this.#serve(node.servesFor, node.id, null);
          return true;
        }
        this.#expect(
          node.status === 'skipped',
          `${node.id} is skipped (${event.data.reason}), expected ${node.status}`,
        );
        return false;
      }
      case 'StepFailed': {
        const node = this.#nodes.get(event.data.stepId);
        if (node === undefined) {
          const { code, message } = event.data.failure;
          const routing = this.#routeOf(event.data.stepId)?.route;
          if (routing !== undefined) {
            Object.assign(routing, { failed: event.data.failure, place: undefined });
            return false;
          }
          this.#callFails(event.data.stepId, code);
          this.#told(event.data.stepId, { error: { code, message } }, true);
          return false;
        }
        if (event.data.failure.code === 'max_iterations_reached') {
          const { verdict, over } = this.#verdict(node);
          const { repeat } = node.step ?? {};
          this.#expect(verdict === false && over, `${node.id} has too many iterations: ${node.loop?.done}`);
          this.#expect(repeat?.on_max !== 'complete', `${node.id} was to complete with its last result`);
          this.#fail(node, event.data.failure);
          return true;
        }
        if (node.route?.failed !== undefined || event.data.failure.code === 'route_undecided') {
          this.#routeFails(node, event.data.failure);
          return true;
        }
        if (this.#awaitsEnd.delete(node)) {
          const over = (node.talk?.turn ?? 0) >= (node.step?.llm?.max_turns ?? 10);
          const why = over ? ['model_answer_invalid', 'max_turns_reached'] : ['model_answer_invalid'];
          this.#expect(why.includes(event.data.failure.code), `${node.id} fails (${event.data.failure.code})`);
          this.#fail(node, event.data.failure);
          return true;
        }
        // A node that has failed already fails as its last attempt did. The attempt may be an agent's own execution, and
        // it is that execution whose budget was too small.
        const tooSmall = event.data.failure.code === 'budget_too_small' && node.status !== 'failed';
        this.#expect(!tooSmall || node.step?.llm !== undefined, `${node.id} asks no model, and nothing was to reserve`);
        // When it is a fallback's turn is the engine's choice. Whether it applies is not.
        const passedOver = node.servesFor !== undefined && this.#reached(node) && this.#passedOver(node) !== undefined;
        const byTime = BY_TIME.has(event.data.failure.code) || tooSmall;
        if (node.map !== undefined && this.#mapFails(node, node.map, event.data.failure)) return true;
        if (CHILD_FAILURES.has(event.data.failure.code) && node.status !== 'failed') {
          const expected = CHILD_STATUS[event.data.failure.code];
          this.#expect(node.waiting, `${node.id} fails with its child and does not wait: ${node.status}`);
          this.#expect(node.child?.ended === expected, `${node.id} fails, and its child is ${node.child?.ended}`);
          this.#fail(node, event.data.failure);
          return true;
        }
        if (event.data.failure.code === 'nested_too_deep') {
          const nests = node.step?.orchestration !== undefined || node.map !== undefined;
          this.#expect(this.#mayStart(node) && nests, `${node.id} nests nothing`);
          this.#expect(this.#depth >= LIMITS.executionDepth, `${node.id} is said to be too deep at ${this.#depth}`);
          this.#fail(node, event.data.failure);
          return true;
        }
        if (event.data.failure.code === 'signal_timeout') {
          this.#expectLate(node, event);
          this.#expect(node.step?.signal?.on_timeout !== 'continue', `${node.id} fails for want of a signal`);
          this.#fail(node, event.data.failure);
          return true;
        }
        if (event.data.failure.code === 'wait_invalid') {
          this.#expect(this.#mayStart(node), `${node.id} cannot tell until when, and it may not: ${node.status}`);
          this.#expect(this.#until(node) === undefined, `${node.id} has a time to wait for`);
          this.#fail(node, event.data.failure);
          return true;
        }
        if (node.status === 'open' && (byTime || (event.data.failure.code === 'condition_false' && passedOver))) {
          this.#fail(node, event.data.failure);
          return true;
        }
        this.#expect(
          node.status === 'failed',
          `${node.id} fails (${event.data.failure.code}), expected ${node.status}`,
        );
        // The words are the engine's own, and dependents with merged inputs get them.
        if (node.failure !== undefined) node.failure = { ...node.failure, message: event.data.failure.message };
        return false;
      }
      case 'EvaluationRecorded':
        return this.#evaluated(event.data.key, event.data.values, event.data.failure);
      case 'CompensationStarted':
        if (event.data.cause === 'failure') this.#budgetEnds(event.data.failure);
        this.#counting = false;
        if (event.data.cause === 'cancel') this.#cause = 'cancel';
        else this.#expect(this.#cause === 'failure', 'compensation starts without a reason');
        this.#status = 'compensation';
        return true;
      // It does not change the result of the execution.
      case 'ExecutionDeleted':
      case 'ExecutionRestored':
        return false;
      case 'ExecutionRetried':
        this.#retry(event);
        return true;
      case 'ExecutionReopened':
        this.#counting = false;
        this.#expect(this.#status === 'failed' || this.#status === 'cancelled', `reopened while ${this.#status}`);
        this.#expect(
          event.data.cause === (this.#status === 'failed' ? 'failure' : 'cancel'),
          'reopened as something else',
        );
        this.#expect(this.#toUndo().length > 0, 'reopened with nothing to undo');
        this.#cause = event.data.cause;
        this.#status = 'compensation';
        return true;
      case 'ExecutionCancelled':
        this.#counting = false;
        this.#status = 'cancelled';
        this.#expect(
          event.data.compensation === undefined || event.data.terminated === true || this.#cause === 'cancel',
          'cancelled without a cancel',
        );
        this.#abandon();
        return false;
      case 'ExecutionFailed':
        if (event.data.failure.code === 'concurrency_limit') {
          const { on_limit: onLimit } = this.#definition.settings?.concurrency ?? {};
          this.#expect(onLimit === 'reject' && this.#waitsFor.has(PLACE), `it is refused a place: ${onLimit}`);
        }
        if (event.data.failure.code === 'execution_timeout' || event.data.failure.code === 'concurrency_limit') {
          this.#failure = event.data.failure;
          this.#failedStep = undefined;
          this.#abandon();
          this.#status = 'failed';
        }
        if (event.data.failure.code === 'dependency_failed') {
          this.#expect(this.#failedDependency && !this.#paused, 'it fails for a dependency, and none has failed');
          this.#failure = event.data.failure;
          this.#abandon();
          this.#status = 'failed';
        }
        if (this.#counting && this.#budgetEnds(event.data.failure)) {
          this.#counting = false;
          return true;
        }
        this.#counting = false;
        if (this.#status === 'compensation') this.#status = 'failed';
        return false;
      case 'StepScheduled': {
        const node = this.#nodes.get(event.data.stepId);
        if (isPlace(event.data.stepId)) this.#callMade(event.data.stepId, event.data.reserved);
        if (node === undefined) return false;
        this.#expect(
          this.#mayStart(node),
          `${node.id} starts (attempt ${event.data.attempt}), and it may not: ${node.status}`,
        );
        this.#expect(event.at >= (node.loop?.from ?? 0), `${node.id} goes on before ${node.loop?.from}`);
        node.running = true;
        this.#reserve(node, event.data.reserved);
        return false;
      }
      case 'ConsensusReached':
      case 'ConsensusFailed': {
        const node = this.#node(event.data.groupId);
        node.decided = event;
        const told = event.type === 'ConsensusReached' ? `reached by ${[...event.data.winners].join()}` : 'failed';
        const members = node.members.map((member) => this.#standing(member));
        const mine = tally(this.#definition, node.group as ConsensusGroup, members, this.#judged.get(node.id));
        const said = typeof mine === 'object' ? `reached by ${mine.winners.join()}` : (mine ?? 'open');
        this.#expect(told === said, `${node.id} ${told}, expected ${said}`);
        if (event.type === 'ConsensusReached') {
          node.output = typeof mine === 'object' ? mine.output : null;
          node.status = 'completed';
        } else {
          this.#fail(node, event.data.failure);
        }
        return true;
      }
      case 'ExecutionPaused':
        this.#paused = true;
        for (const node of this.#nodes.values()) {
          // A step whose tools work is not stopped itself: it goes on with what they give.
          if (event.data.now !== true) continue;
          if (node.talk?.calling !== true && node.route === undefined && !node.delegated) node.running = false;
          if (node.route !== undefined) node.reserved = undefined;
        }
        return false;
      case 'ExecutionResumed':
        this.#paused = false;
        return false;
      case 'BudgetExceeded': {
        const mine = this.#overspent();
        const { resource, limit } = event.data;
        const said = `${resource} over ${limit}`;
        this.#expect(this.#exceeded === undefined, 'the budget is exceeded twice in a run');
        this.#expect(this.#counting && !this.#paused, `${said} is found while nothing of it is to be done`);
        this.#expect(said === mine, `${said}, expected ${mine ?? 'nothing'}`);
        this.#exceeded = event.data;
        return false;
      }
      case 'EvaluationRequested':
        this.#evaluating.add(event.data.key);
        return false;
      case 'StepProgressed':
      case 'ExecutionCompleted':
        return false;
    }
  }

  /** The question to an approver, and the material to decide about. */
  #question(node: Node): { readonly text: string; readonly shown: JsonValue | undefined } {
    const scope = this.#scope(node);
    const filled = (template: JsonValue): JsonValue => map(template, (text) => evaluateExpression(text, scope) ?? null);
    const asked = filled(node.step?.approval?.message ?? '');
    const text = typeof asked === 'string' ? asked : asked === null ? '' : JSON.stringify(asked);
    return { text, shown: node.step?.input === undefined ? undefined : filled(node.step.input) };
  }

  #asked(event: Extract<Event, { type: 'ApprovalRequested' }>): void {
    const { stepId, message, input, deadlineAt, approvers = [] } = event.data;
    const node = this.#node(stepId);
    const rules = node.step?.approval;
    this.#expect(rules !== undefined, `${stepId} asks, and is no approval`);
    this.#expect(this.#mayStart(node) && !this.#paused, `${stepId} asks, and it may not: ${node.status}`);
    const { text, shown } = this.#question(node);
    this.#expect(message === text, `${stepId} asks ${message}, expected ${text}`);
    const known = node.granted?.message === text && canonical(node.granted.input) === canonical(shown);
    this.#expect(!known, `${stepId} asks what was approved already`);
    node.granted = undefined;
    this.#expect(canonical(input) === canonical(shown), `${stepId} shows ${canonical(input)}`);
    this.#expect(approvers.join() === (rules?.approvers ?? []).join(), `${stepId} asks ${approvers.join()}`);
    const by = rules?.timeout_ms === undefined ? undefined : event.at + rules.timeout_ms;
    this.#expect(deadlineAt === by, `${stepId} waits until ${deadlineAt}, expected ${by}`);
    node.question = { message, ...(input === undefined ? {} : { input }) };
    node.waiting = true;
    node.decideBy = by;
  }

  /** The first decision counts, and the timeout decides only after its deadline. */
  #decided(event: Extract<Event, { type: 'ApprovalDecided' }>): boolean {
    const { stepId, approved, by, comment, data, timedOut = false } = event.data;
    const node = this.#node(stepId);
    const rules = node.step?.approval;
    this.#expect(node.waiting, `${stepId} is decided and does not wait: ${node.status}`);
    if (timedOut) {
      this.#expect(event.at >= (node.decideBy ?? Infinity), `${stepId} times out early`);
      this.#expect(approved === (rules?.on_timeout === 'approve'), `${stepId} times out as ${approved}`);
      this.#expect(!this.#paused, `${stepId} times out in a pause`);
    } else {
      const may = rules?.approvers === undefined || rules.approvers.includes(by ?? '');
      this.#expect(may, `${stepId} is decided by ${by}`);
    }
    node.waiting = false;
    if (approved) {
      this.#complete(node, {
        approved: true,
        by: by ?? null,
        ...(comment === undefined ? {} : { comment }),
        ...(data === undefined ? {} : { data }),
        ...(timedOut ? { timed_out: true } : {}),
        decided_at: new Date(event.at).toISOString(),
      });
    } else {
      const code = timedOut ? 'approval_timeout' : 'approval_rejected';
      this.#fail(node, { code, message: '', retryable: false });
    }
    return true;
  }

  /** Epoch ms of a wait's `until`. Undefined when it is not a time. */
  #until(node: Node): number | undefined {
    const scope = this.#scope(node);
    const given = map(node.step?.wait?.until ?? null, (text) => evaluateExpression(text, scope) ?? null);
    if (typeof given === 'number') return Math.ceil(given);
    return typeof given === 'string' && given.endsWith('Z') ? Date.parse(given) : undefined;
  }

  #waits(event: Extract<Event, { type: 'WaitStarted' }>): void {
    const { stepId, untilAt } = event.data;
    const node = this.#node(stepId);
    const { wait } = node.step ?? {};
    this.#expect(wait !== undefined, `${stepId} waits for a time, and is no wait`);
    this.#expect(this.#mayStart(node) && !this.#paused, `${stepId} waits, and it may not: ${node.status}`);
    const until = wait?.duration_ms === undefined ? this.#until(node) : event.at + wait.duration_ms;
    this.#expect(untilAt === until, `${stepId} waits until ${untilAt}, expected ${until}`);
    node.waiting = true;
    node.decideBy = untilAt;
  }

  /** The first matching branch, or each of them; the default when none matches. */
  #chose(event: Extract<Event, { type: 'ChoiceMade' }>): boolean {
    const { stepId, branches, steps } = event.data;
    const node = this.#node(stepId);
    const rules = node.step?.choice;
    this.#expect(rules !== undefined, `${stepId} chooses, and is no choice`);
    this.#expect(this.#mayStart(node) && !this.#paused, `${stepId} chooses, and it may not: ${node.status}`);
    const scope = this.#scope(node);
    const fits = (when: string): boolean => isTrue(attempt(() => evaluateExpression(when, scope)) ?? null);
    const fitting = (rules?.branches ?? []).flatMap(({ when }, place) => (fits(when) ? [place] : []));
    const chosen = rules?.mode === 'all' ? fitting : fitting.slice(0, 1);
    const named = chosen.length > 0 ? chosen.flatMap((place) => rules?.branches[place]?.steps ?? []) : rules?.default;
    const expected = { branches: chosen, steps: [...new Set(named ?? [])] };
    this.#expect(
      same({ branches, steps }, expected),
      `${stepId} chooses ${steps.join()}, expected ${canonical(expected)}`,
    );
    this.#complete(node, expected);
    return true;
  }

  /** Whether all choices that name a step have chosen it. */
  #chosen(step: StepDefinition): boolean {
    return this.#definition.steps.every(({ id, choice }) => {
      const named =
        choice === undefined ? [] : [...choice.branches.flatMap(({ steps }) => steps), ...(choice.default ?? [])];
      if (!named.includes(step.id)) return true;
      const output = this.#outputOf(this.#node(id));
      return typeof output === 'object' && output !== null && !Array.isArray(output) && Array.isArray(output['steps'])
        ? output['steps'].includes(step.id)
        : false;
    });
  }

  /** It is the turn of a step with a child, or it gets another child because the previous one cannot continue. */
  #adopts(event: Extract<Event, { type: 'ChildRequested' }>): void {
    const { stepId, childId, number, config, resumed = false, budget } = event.data;
    const node = this.#node(stepId);
    const { child } = node;
    this.#expect(config === node.step?.orchestration?.config, `${stepId} wants ${config}`);
    this.#expect(childId === uuidV5(this.#id, `${stepId}/${number}`), `${stepId} has a child of another name`);
    const given = canonical(this.inputOf(stepId)?.value);
    if (node.waiting) {
      this.#expect(number === (child?.number ?? 0) + 1 && !resumed, `${stepId} has child ${number}`);
    } else {
      this.#expect(this.#mayStart(node) && !this.#paused, `${stepId} has a child, and it may not: ${node.status}`);
      const done = child?.ended === 'deleted' || (node.step?.repeat !== undefined && child?.ended === 'completed');
      const same = child !== undefined && child.given === given && !done;
      this.#expect(resumed === same, `${stepId} takes up ${resumed}, expected ${same}`);
      this.#expect(number === (child?.number ?? 0) + (same ? 0 : 1), `${stepId} has child ${number}`);
    }
    this.#expectRest(stepId, budget);
    this.#expect(event.at >= (node.loop?.from ?? 0), `${stepId} goes on before ${node.loop?.from}`);
    node.child = { id: childId, number, given, ended: undefined };
    node.waiting = true;
    node.decideBy = undefined;
  }

  /** What is left of the budget is what the child may spend. */
  #expectRest(stepId: string, budget: Budget | undefined): void {
    const left = (limit: number, spent: number, least: number): number | undefined =>
      limit === Infinity ? undefined : Math.max(least, limit - spent);
    this.#expect(
      budget?.maxTokens === left(this.#limits.tokens, this.#spent.tokens, 1),
      `${stepId}: other tokens left`,
    );
    const cost = left(this.#limits.cost, this.#spent.cost, 1e-9);
    this.#expect(
      Math.abs((budget?.maxCost ?? 0) - (cost ?? 0)) < 1e-6,
      `${stepId}: ${budget?.maxCost}, not ${cost} left`,
    );
  }

  /** The list of a step with a map. Undefined when the sandbox, or nobody, gives one. */
  #itemsOf(node: Node): JsonValue | undefined {
    const scope = this.#scope(node);
    return attempt(() => map(node.step?.map?.items ?? null, (text) => evaluateExpression(text, scope) ?? null));
  }

  /** It is the turn of a step with a map. */
  #maps(event: Extract<Event, { type: 'MapStarted' }>): void {
    const node = this.#node(event.data.stepId);
    this.#expect(this.#mayStart(node) && !this.#paused, `${node.id} has a list, and it may not: ${node.status}`);
    const items = this.#itemsOf(node);
    this.#expect(Array.isArray(items), `${node.id} works on ${canonical(items)}`);
    node.map?.start(event.data, Array.isArray(items) ? items : [], canonical(items));
    node.waiting = true;
    node.decideBy = undefined;
  }

  #laneAdopts(event: Extract<Event, { type: 'ChildRequested' }>): void {
    const { stepId, budget } = event.data;
    const node = this.#node(stepId.split(':')[0] ?? '');
    this.#expect(node.waiting && node.status === 'open', `${stepId} works, and its step is ${node.status}`);
    this.#expectRest(stepId, budget);
    const replaces = event.data.number > 1 && event.data.resumed !== true;
    this.#expect(
      replaces || this.#exceeded === undefined || !this.#counting,
      `${stepId} works although the budget is exceeded`,
    );
    this.#expect(replaces || !this.#paused, `${stepId} works in a pause`);
    node.map?.adopts(event.data, this.#name);
  }

  #mapGives({ data: { stepId, output = null } }: Extract<Event, { type: 'StepCompleted' }>): boolean {
    const node = this.#node(stepId);
    this.#expect(node.waiting && !this.#paused, `${stepId} is done and does not wait: ${node.status}`);
    this.#expect(node.map?.isDone === true && !node.map.hasTooMany, `${stepId} is done before its items`);
    this.#expect(same(node.map?.output, output), `${stepId} gives ${canonical(output)}`);
    this.#complete(node, output);
    return true;
  }

  /** Whether the step fails for its items, its list or the end of a chunk. */
  #mapFails(node: Node, of: ReferenceMap, failure: Failure): boolean {
    const { code } = failure;
    if (code === 'items_invalid') {
      this.#expect(this.#mayStart(node), `${node.id} has no list, and it may not: ${node.status}`);
      this.#expect(!Array.isArray(this.#itemsOf(node)), `${node.id} has a list`);
    } else if (code === 'items_failed') {
      this.#expect(node.waiting && of.hasTooMany && !this.#paused, `${node.id} fails for items that have not failed`);
    } else if (CHILD_FAILURES.has(code)) {
      this.#expect(node.waiting, `${node.id} fails with a chunk and does not wait: ${node.status}`);
      this.#expect(of.stopped === CHILD_STATUS[code], `${node.id} fails (${code}), and a chunk is ${of.stopped}`);
    } else {
      return false;
    }
    of.leave();
    this.#fail(node, failure);
    return true;
  }

  /** A run of a config with a limit begins with its place. */
  #awaitPlace(): void {
    if (this.#definition.settings?.concurrency !== undefined) this.#waitsFor.set(PLACE, 'finished');
  }

  #asksForPlace({ data: { key, limit, onLimit } }: Extract<Event, { type: 'PlaceRequested' }>): void {
    const { concurrency } = this.#definition.settings ?? {};
    const mine = concurrency?.key === undefined ? '' : String(this.#keyOf(concurrency.key) as string | number);
    this.#expect(key === mine, `it asks for a place of ${key}, expected ${mine}`);
    this.#expect(limit === concurrency?.limit, `it asks for one of ${limit}`);
    this.#expect(onLimit === (concurrency?.on_limit ?? 'queue'), `it wants ${onLimit}`);
    for (const other of this.#waitsFor.keys()) this.#expect(other === PLACE, `it asks and waits for ${other}`);
  }

  #keyOf(key: string): JsonValue {
    const source = /^\{%([\s\S]*)%\}$/.exec(key.trim())?.[1];
    if (source === undefined) return key;
    return evaluateExpression(source, { input: this.#input, session_id: null, user_id: 'ann' }) ?? null;
  }

  /** With the last of them it begins. Another end than required is its own end. */
  #dependencyEnded({ data: { executionId, status } }: Extract<Event, { type: 'DependencyEnded' }>): boolean {
    const on = this.#waitsFor.get(executionId);
    this.#expect(on !== undefined, `it is told of ${executionId}, and does not wait for it`);
    const good = status === 'completed';
    if (on === 'finished' || (on === 'success' && good) || (on === 'failed' && !good)) {
      this.#waitsFor.delete(executionId);
      return true;
    }
    this.#failedDependency = true;
    return false;
  }

  /** A step is done for one time; its result is what its attempt, or its child, gave. */
  #iterated(event: Extract<Event, { type: 'IterationCompleted' }>): boolean {
    const { stepId, iteration, output = null } = event.data;
    const node = this.#node(stepId);
    const loop: Loop = (node.loop ??= { done: 0, before: 0, results: [], between: false, verdict: undefined, from: 0 });
    this.#expect(node.step?.repeat !== undefined, `${stepId} has an iteration, and is no loop`);
    const worked = node.step?.orchestration === undefined ? node.running : node.child?.ended === 'completed';
    this.#expect(worked && !loop.between, `${stepId} has iteration ${iteration} of nothing`);
    loop.done += 1;
    this.#expect(iteration === loop.done, `${stepId} has iteration ${iteration}, expected ${loop.done}`);
    loop.results.push(withoutCosts(output));
    Object.assign(loop, { between: true, verdict: undefined });
    Object.assign(node, { running: false, waiting: false, delegated: false, failedAttempts: 0, route: undefined });
    // What is undone does not go on.
    if (this.#status === 'compensation') node.status = 'skipped';
    return true;
  }

  /** Whether the last iteration is the end; undefined while the sandbox has not said so. `over`: there may not be another. */
  #verdict(node: Node): { readonly verdict: boolean | undefined; readonly over: boolean } {
    const { loop } = node;
    const { until = '', max_iterations: most = 100 } = node.step?.repeat ?? {};
    if (loop?.between !== true) return { verdict: undefined, over: false };
    const value = isPlainPath(until) ? (evaluateExpression(until, this.#scope(node)) ?? null) : loop.verdict;
    return { verdict: value === undefined ? undefined : isTrue(value), over: loop.done - loop.before >= most };
  }

  #goesOn(event: Extract<Event, { type: 'IterationPlanned' }>): void {
    const { stepId, iteration, startAt } = event.data;
    const node = this.#node(stepId);
    const { verdict, over } = this.#verdict(node);
    const runs = this.#status === 'running' && this.#cause === undefined && !this.#paused && node.status === 'open';
    this.#expect(runs && verdict === false && !over, `${stepId} goes on, and its end is ${verdict}`);
    this.#expect(iteration === (node.loop?.done ?? 0) + 1, `${stepId} goes on with iteration ${iteration}`);
    const from = event.at + (node.step?.repeat?.delay_ms ?? 0);
    this.#expect(startAt === from, `${stepId} goes on at ${startAt}, expected ${from}`);
    if (node.loop !== undefined) Object.assign(node.loop, { between: false, verdict: undefined, from });
    node.values = undefined;
  }

  #loopEnds({ data: { stepId, output = null } }: Extract<Event, { type: 'StepCompleted' }>): boolean {
    const node = this.#node(stepId);
    const { verdict, over } = this.#verdict(node);
    const ends = verdict === true || (verdict === false && over && node.step?.repeat?.on_max === 'complete');
    this.#expect(ends, `${stepId} completes after ${node.loop?.done} iterations, and its end is ${verdict}`);
    this.#expect(same(output, node.loop?.results.at(-1)), `${stepId} gives ${canonical(output)}`);
    this.#complete(node, output);
    return true;
  }

  /** The agent of a running attempt is made of a model: a child makes the attempt. */
  #delegates(event: Extract<Event, { type: 'ChildRequested' }>): void {
    const { stepId, childId, number, config, resumed = false, configId } = event.data;
    const node = this.#node(stepId);
    this.#expect(node.running && config === node.step?.agent, `${stepId} has ${config} make an attempt`);
    this.#expect(configId === `config-${config}`, `${config} is said to be ${configId}`);
    this.#expect(childId === uuidV5(this.#id, `${stepId}/${number}`), `${stepId} has a child of another name`);
    this.#expect(number === (node.child?.number ?? 0) + 1 && !resumed, `${stepId} has child ${number}`);
    node.child = { id: childId, number, given: '', ended: undefined };
    node.delegated = true;
  }

  /** The route that a place belongs to. */
  #routeOf(place: string): Node | undefined {
    const node = isPlace(place) ? this.#nodes.get(place.split(':')[0] ?? '') : undefined;
    return node?.step?.route === undefined ? undefined : node;
  }

  /** Whether a place of a route asks its model. */
  #questions(place: string): boolean {
    return place.endsWith(':0');
  }

  /** The input of the candidates, and the words of the message. */
  #routed(node: Node): { readonly input: JsonValue; readonly words: readonly string[] } {
    const scope = this.#scope(node);
    const filled = (template: JsonValue): JsonValue => map(template, (text) => evaluateExpression(text, scope) ?? null);
    const input = this.#given(node);
    const own = typeof input === 'object' && input !== null && !Array.isArray(input) ? input['message'] : undefined;
    const { message = own ?? input } = node.step?.route ?? {};
    const said = message === (own ?? input) ? message : filled(message);
    return { input, words: wordsOf(typeof said === 'string' ? said : canonical(said)) };
  }

  /** The first candidate whose condition is true or whose keyword stands in the message. */
  #ruled(node: Node): string | undefined {
    const scope = this.#scope(node);
    const { candidates = [], mode } = node.step?.route ?? {};
    if (mode === 'model' || mode === 'semantic') return undefined;
    const { words } = this.#routed(node);
    return candidates.find(({ when, keywords = [] }) => {
      if (when !== undefined && isTrue(attempt(() => evaluateExpression(when, scope)) ?? null)) return true;
      return keywords.some((keyword) => {
        const wanted = wordsOf(keyword);
        return words.some((_, at) => wanted.every((word, index) => words[at + index] === word));
      });
    })?.name;
  }

  /** What a route that has not decided comes to: a choice, a question, or nothing. */
  #routesTo(node: Node): { readonly chosen: string; readonly by: string } | 'semantic' | 'model' | undefined {
    const {
      mode = 'rules',
      min_confidence: least = 0.5,
      fallback,
      embedding_model: vectors,
      model,
    } = node.step?.route ?? {};
    const { answers = [], similar } = node.route ?? {};
    const otherwise = fallback === undefined ? undefined : { chosen: fallback, by: 'fallback' };
    const ruled = answers.length === 0 && similar === undefined ? this.#ruled(node) : undefined;
    if (ruled !== undefined) return { chosen: ruled, by: 'rules' };
    if (vectors !== undefined && similar === undefined) return 'semantic';
    if ((similar?.confidence ?? -1) >= least) return { chosen: similar?.chosen ?? '', by: 'semantic' };
    if (mode === 'rules' || mode === 'semantic' || model === undefined) return otherwise;
    const last = answers.at(-1);
    if (last === undefined) return answers.length < 2 ? 'model' : otherwise;
    return last.confidence >= least ? { chosen: last.chosen, by: 'model' } : otherwise;
  }

  /** A route lets a place work: nothing of it works, and it may. */
  #routeBegins(node: Node, place: string, at: number): Routing {
    const begun = node.route !== undefined && node.running;
    this.#expect(begun || this.#mayStart(node), `${node.id} routes, and it may not: ${node.status}`);
    this.#expect(!this.#paused && at >= (node.loop?.from ?? 0), `${node.id} routes too early`);
    const route: Routing = (node.route ??= {
      answers: [],
      similar: undefined,
      decided: undefined,
      place: undefined,
      child: undefined,
      childEnd: undefined,
      failed: undefined,
    });
    this.#expect(route.decided === undefined, `${node.id} routes to ${place}, and has decided for ${route.decided}`);
    this.#expect(route.place === undefined, `${node.id} routes to ${place} while ${route.place} works`);
    route.place = place;
    node.running = true;
    return route;
  }

  #routeAsked({ at, data: { stepId, askedId, by } }: Extract<Event, { type: 'RouteAsked' }>): void {
    const node = this.#node(stepId);
    this.#expect(this.#routesTo(node) === by, `${stepId} asks ${by} for what is known`);
    this.#expect(askedId === `${stepId}:${by}:0`, `${stepId} asks ${askedId}`);
    this.#routeBegins(node, askedId, at);
  }

  #routeDecided({ at, data }: Extract<Event, { type: 'RouteDecided' }>): void {
    const { stepId, chosen, chosenId, by } = data;
    const node = this.#node(stepId);
    const mine = this.#routesTo(node);
    this.#expect(
      same({ chosen, by }, mine as JsonValue),
      `${stepId} routes to ${chosen} by ${by}: ${canonical(mine as JsonValue)}`,
    );
    this.#expect(chosenId === `${stepId}:${chosen}:1`, `${stepId} routes to ${chosenId}`);
    this.#routeBegins(node, chosenId, at).decided = chosen;
  }

  /** A place of a route has given something. */
  #routeHears(node: Node, place: string, content: JsonValue): void {
    const { route } = node;
    if (route?.place !== place) return;
    route.place = undefined;
    if (this.#questions(place)) {
      node.reserved = undefined;
      if (place.endsWith(':semantic:0')) {
        const { scores = [] } = content as { scores?: readonly { name: string; score: number }[] };
        const names = (node.step?.route?.candidates ?? []).map(({ name }) => name);
        const fit = scores.filter(({ name, score }) => names.includes(name) && score >= 0 && score <= 1);
        const best = Math.max(...fit.map(({ score }) => score));
        const chosen = names.find((name) => fit.some((each) => each.name === name && each.score === best));
        route.similar = chosen === undefined ? null : { chosen, confidence: best };
        return;
      }
      const { output, problem } = content as { output?: { chosen?: string; confidence?: number }; problem?: string };
      const { chosen = '', confidence = -1 } = problem === undefined ? (output ?? {}) : {};
      const known = node.step?.route?.candidates.some(({ name }) => name === chosen) === true;
      route.answers.push(known && confidence >= 0 && confidence <= 1 ? { chosen, confidence } : undefined);
      return;
    }
    const { child, childEnd } = route;
    this.#expect(child === undefined || childEnd === 'completed', `${place} gives what its child did not: ${childEnd}`);
    if (node.step?.repeat === undefined && node.status === 'open') this.#complete(node, content);
  }

  #routeFails(node: Node, failure: Failure): void {
    const { failed } = node.route ?? {};
    if (failed === undefined) {
      this.#expect(node.running || this.#mayStart(node), `${node.id} is undecided, and it may not: ${node.status}`);
      this.#expect(this.#routesTo(node) === undefined, `${node.id} is undecided, and could route`);
    } else {
      this.#expect(failure.code === failed.code, `${node.id} fails (${failure.code}), its candidate: ${failed.code}`);
    }
    this.#fail(node, failure);
  }

  /** The rules of the tool that a place calls, with the call that it makes. */
  #call(place: string) {
    const [owner = '', name = ''] = place.split(':');
    const node = this.#nodes.get(owner);
    const index = node?.talk?.places.get(place);
    const tool = node?.step?.llm?.tools?.find((each) => each.name === name);
    const call = index === undefined ? undefined : node?.talk?.calls[index];
    const guard = node?.talk?.guards.get(place);
    return node === undefined || tool === undefined || call === undefined || guard === undefined
      ? undefined
      : { node, tool, call, guard };
  }

  /** Whether a human has to be asked about a call; undefined when the log does not say yet. */
  #isGuarded(place: string): boolean | undefined {
    const found = this.#call(place);
    if (found?.tool.approval === undefined) return false;
    const { when } = found.tool.approval;
    if (when === undefined) return true;
    const value = isPlainPath(when)
      ? (evaluateExpression(when, this.#callScope(place)) ?? null)
      : found.guard.condition;
    return value === undefined ? undefined : isTrue(value);
  }

  #callScope(place: string): JsonValue {
    const found = this.#call(place);
    if (found === undefined) return {};
    const { node, tool, call } = found;
    return { ...(this.#scope(node) as { [key: string]: JsonValue }), call: { tool: tool.name, input: call.input } };
  }

  #callAsked({ at, version, data }: Extract<Event, { type: 'ApprovalRequested' }>): void {
    const { stepId, input, deadlineAt, approvers = [], decideAs } = data;
    this.#expect(decideAs === `${stepId}:${version}`, `${stepId} is decided as ${decideAs}`);
    const found = this.#call(stepId);
    if (found === undefined) return this.#expect(false, `${stepId} asks about no call`);
    const { guard, tool, call } = found;
    this.#expect(this.#isGuarded(stepId) === true && !this.#paused, `${stepId} asks about a call that is not guarded`);
    this.#expect(!guard.asked && guard.approved === undefined, `${stepId} asks about a call twice`);
    this.#expect(
      canonical(input) === canonical({ tool: tool.name, input: call.input }),
      `${stepId} shows another call`,
    );
    this.#expect(approvers.join() === (tool.approval?.approvers ?? []).join(), `${stepId} asks ${approvers.join()}`);
    const by = tool.approval?.timeout_ms === undefined ? undefined : at + tool.approval.timeout_ms;
    this.#expect(deadlineAt === by, `${stepId} waits until ${deadlineAt}, expected ${by}`);
    guard.asked = true;
    guard.decideBy = by;
  }

  #callDecided({ at, data }: Extract<Event, { type: 'ApprovalDecided' }>): boolean {
    const { stepId, approved, by, timedOut = false } = data;
    const found = this.#call(stepId);
    if (found === undefined) {
      this.#expect(false, `${stepId} is decided and makes no call`);
      return false;
    }
    const { guard, tool } = found;
    this.#expect(guard.asked && guard.approved === undefined, `${stepId} is decided and does not ask`);
    if (timedOut) {
      this.#expect(at >= (guard.decideBy ?? Infinity) && !this.#paused, `${stepId} times out early`);
      this.#expect(approved === (tool.approval?.on_timeout === 'approve'), `${stepId} times out as ${approved}`);
    } else {
      const { approvers } = tool.approval ?? {};
      this.#expect(approvers === undefined || approvers.includes(by ?? ''), `${stepId} is decided by ${by}`);
    }
    guard.approved = approved;
    return true;
  }

  /** A call begins, as an attempt or as an execution: nobody declined it, and whoever has to be asked has agreed. */
  #callMade(place: string, reserved?: Budget): void {
    const routing = this.#routeOf(place);
    if (routing !== undefined) {
      this.#expect(routing.route?.place === place, `${place} begins, and ${routing.route?.place} works`);
      if (this.#questions(place)) this.#reserve(routing, reserved);
      return;
    }
    const found = this.#call(place);
    this.#expect(found !== undefined, `${place} begins and makes no call`);
    if (found === undefined) return;
    const guarded = this.#isGuarded(place);
    this.#expect(guarded !== undefined, `${place} begins before its condition is known`);
    this.#expect(guarded !== true || found.guard.approved === true, `${place} begins without approval`);
  }

  #callFails(place: string, code: string): void {
    const guard = this.#call(place)?.guard;
    if (guard?.approved === false) {
      this.#expect(
        ['approval_rejected', 'approval_timeout'].includes(code),
        `${place} was declined and fails: ${code}`,
      );
    }
  }

  #callAdopts({ data }: Extract<Event, { type: 'ChildRequested' }>): void {
    const { stepId, childId, number, config, attempt, resumed = false } = data;
    const routing = this.#routeOf(stepId);
    if (routing?.route !== undefined) {
      const candidate = routing.step?.route?.candidates.find(({ name }) => name === routing.route?.decided);
      const wanted = attempt === undefined ? candidate?.config : candidate?.agent;
      this.#expect(routing.route.place === stepId && config === wanted, `${stepId} has ${config} work`);
      Object.assign(routing.route, { child: childId, childEnd: undefined });
      return;
    }
    const found = this.#call(stepId);
    this.#callMade(stepId);
    if (found === undefined) return;
    const { tool, guard } = found;
    this.#expect(
      config === (attempt === undefined ? tool.config : tool.agent),
      `${stepId} has ${config} make its call`,
    );
    this.#expect(childId === uuidV5(this.#id, `${stepId}/${number}`) && !resumed, `${stepId} has another child`);
    guard.child = childId;
    guard.childEnd = undefined;
  }

  #childEnded({ data: { stepId, childId, status } }: Extract<Event, { type: 'ChildEnded' }>): void {
    if (isPlace(stepId)) {
      const routing = this.#routeOf(stepId)?.route;
      if (routing?.child === childId) routing.childEnd = status;
      const guard = this.#call(stepId)?.guard;
      if (guard?.child === childId) guard.childEnd = status;
      return;
    }
    if (isLane(stepId)) {
      this.#node(stepId.split(':')[0] ?? '').map?.childEnded(stepId, childId, status);
      return;
    }
    const { child } = this.#node(stepId);
    this.#expect(child?.id === childId && child.ended === undefined, `${stepId} hears of ${childId}: ${status}`);
    if (child !== undefined) child.ended = status;
  }

  #childGives({ data: { stepId, output = null } }: Extract<Event, { type: 'StepCompleted' }>): boolean {
    const node = this.#node(stepId);
    this.#expect(node.waiting, `${stepId} is given something and does not wait: ${node.status}`);
    this.#expect(node.child?.ended === 'completed', `${stepId} completes, and its child is ${node.child?.ended}`);
    this.#complete(node, output);
    return true;
  }

  /** The first waiting step in the list gets the signal. Without one, the signal is kept. */
  #signalled(event: Extract<Event, { type: 'SignalReceived' }>): boolean {
    const { name, payload = null, stepId } = event.data;
    const all = [...this.#nodes.values()].filter((node) => node.step?.signal?.name === name);
    const waits = all.find((node) => node.waiting);
    this.#expect(stepId === waits?.id, `the signal ${name} is for ${stepId}, expected ${waits?.id}`);
    if (waits !== undefined) {
      this.#complete(waits, payload);
      return true;
    }
    const same = this.#kept.filter((kept) => kept.name === name).length;
    this.#expect(same < all.length, `${same + 1} signals ${name} are kept for ${all.length} steps`);
    this.#kept.push({ version: event.version, name, payload });
    return false;
  }

  #awaits(event: Extract<Event, { type: 'SignalAwaited' }>): boolean {
    const { stepId, name, deadlineAt, taken } = event.data;
    const node = this.#node(stepId);
    const rules = node.step?.signal;
    this.#expect(rules?.name === name, `${stepId} waits for ${name}, expected ${rules?.name}`);
    this.#expect(this.#mayStart(node) && !this.#paused, `${stepId} waits, and it may not: ${node.status}`);
    const place = this.#kept.findIndex((kept) => kept.name === name);
    this.#expect(
      taken === this.#kept[place]?.version,
      `${stepId} takes ${taken}, expected ${this.#kept[place]?.version}`,
    );
    const [kept] = place === -1 ? [] : this.#kept.splice(place, 1);
    const by = kept !== undefined || rules?.timeout_ms === undefined ? undefined : event.at + rules.timeout_ms;
    this.#expect(deadlineAt === by, `${stepId} waits until ${deadlineAt}, expected ${by}`);
    if (kept !== undefined) {
      this.#complete(node, kept.payload);
      return true;
    }
    node.waiting = true;
    node.decideBy = by;
    return false;
  }

  /** Whether the step continues because no signal came in time. */
  #missed(event: Extract<Event, { type: 'StepCompleted' }>): boolean {
    const node = this.#node(event.data.stepId);
    if (!node.waiting) return false;
    this.#expectLate(node, event);
    const rules = node.step?.signal;
    this.#expect(rules?.on_timeout === 'continue', `${node.id} goes on without a signal`);
    const given = rules?.default ?? null;
    this.#expect(same(event.data.output, given), `${node.id} gives ${canonical(event.data.output)}`);
    this.#complete(node, given);
    return true;
  }

  #expectLate(node: Node, event: Event): void {
    this.#expect(node.waiting && !this.#paused, `${node.id} times out and does not wait: ${node.status}`);
    this.#expect(event.at >= (node.decideBy ?? Infinity), `${node.id} times out early`);
  }

  #timeCame(event: Extract<Event, { type: 'StepCompleted' }>): boolean {
    const { stepId, output } = event.data;
    const node = this.#node(stepId);
    const until = node.decideBy ?? Infinity;
    this.#expect(node.waiting && !this.#paused, `${stepId} is over and does not wait: ${node.status}`);
    this.#expect(event.at >= until, `${stepId} is over at ${event.at}, expected ${until}`);
    const expected = { until: new Date(until).toISOString() };
    this.#expect(same(output, expected), `${stepId} gives ${canonical(output)}, expected ${canonical(expected)}`);
    this.#complete(node, expected);
    return true;
  }

  #limitsOf(own: { readonly maxTokens?: number; readonly maxCost?: number } | undefined) {
    const { max_tokens: tokens, max_cost: cost } = this.#definition.settings?.budget ?? {};
    return {
      tokens: Math.min(tokens ?? Infinity, own?.maxTokens ?? Infinity),
      cost: Math.min(cost ?? Infinity, own?.maxCost ?? Infinity),
    };
  }

  /** The exceeded limit, tokens first. A difference of a billionth is rounding. */
  #overspent(): string | undefined {
    const kinds = ['tokens', 'cost'] as const;
    const over = kinds.find((kind) => this.#spent[kind] - this.#limits[kind] > this.#limits[kind] / 1e9);
    return over === undefined ? undefined : `${over} over ${this.#limits[over]}`;
  }

  /** What budgets forbid, whatever the effect of the event. */
  #audit(event: Event): void {
    switch (event.type) {
      case 'ChildEnded':
        this.#spent.tokens += event.data.tokenCount ?? 0;
        this.#spent.cost += event.data.estimatedCost ?? 0;
        return;
      case 'ModelAnswered':
      case 'IterationCompleted':
      case 'StepCompleted':
      case 'StepAttemptFailed': {
        const byEngine = event.type === 'StepAttemptFailed' && event.data.byEngine === true;
        // A human's decision and waiting are free.
        if (event.data.attempt === 0) return;
        this.#expect(
          this.#exceeded === undefined || !this.#counting || byEngine || this.#byChild(event.data.stepId),
          `${event.data.stepId} runs on although the budget is exceeded`,
        );
        this.#spent.tokens += event.data.tokenCount ?? 0;
        this.#spent.cost += event.data.estimatedCost ?? 0;
        return;
      }
      case 'EvaluationRecorded':
        this.#evaluating.delete(event.data.key);
        return;
      case 'StepScheduled':
        this.#expect(
          this.#exceeded === undefined || !this.#counting,
          `${event.data.stepId} starts although the budget is exceeded`,
        );
        return this.#expectTold();
      case 'ExecutionCompleted':
        this.#expectTold();
        this.#counting = false;
        return;
      case 'ExecutionFailed':
        if (event.data.failure.code !== 'execution_timeout') this.#expectTold();
        return;
      case 'CompensationStarted':
        if (event.data.cause === 'failure') this.#expectTold();
        return;
      case 'ApprovalRequested':
      case 'ToolCalled':
      case 'ConsensusReached':
      case 'ConsensusFailed':
      case 'EvaluationRequested':
        return this.#expectTold();
      default:
        return;
    }
  }

  /** Whether a child makes the attempt: what it comes to costs nothing more. */
  #byChild(stepId: string): boolean {
    const routing = this.#routeOf(stepId)?.route;
    return (
      this.#nodes.get(stepId)?.delegated === true ||
      this.#call(stepId)?.guard.child !== undefined ||
      (routing?.place === stepId && routing.child !== undefined)
    );
  }

  #expectTold(): void {
    const over = this.#counting && this.#exceeded === undefined ? this.#overspent() : undefined;
    this.#expect(over === undefined, `${over} is spent, and nobody says so`);
  }

  /** Whether the budget ended it: something must be left to pay for, and no free work. */
  #budgetEnds(failure: Failure | undefined): boolean {
    if (failure?.code !== 'budget_exceeded') return false;
    this.#expect(this.#exceeded !== undefined, 'the budget ends it, and it is not exceeded');
    this.#expect(this.#toPay() || this.#evaluating.size === 0, 'the budget ends it while the sandbox is still asked');
    const asked = [...this.#nodes.values()].find((node) => node.waiting);
    this.#expect(this.#toPay() || asked === undefined, `the budget ends it while ${asked?.id} waits for a human`);
    const decidable = [...this.#nodes.values()].find((node) => {
      if (node.group === undefined || node.status !== 'open') return false;
      if (node.members.some((member) => !this.#heard(member) || this.#evaluating.has(`vote:${member.id}`))) {
        return false;
      }
      const members = node.members.map((member) => this.#standing(member));
      return tally(this.#definition, node.group, members, this.#judged.get(node.id)) !== 'judge';
    });
    this.#expect(decidable === undefined, `the budget ends it, and ${decidable?.id} can be decided`);
    if (this.#cause === undefined && this.#status === 'running') {
      this.#cause = 'failure';
      this.#failure = failure;
      this.#failedStep = undefined;
    }
    return true;
  }

  /** Whether an attempt runs, waits for its next try, or would have to begin. */
  #toPay(): boolean {
    return [...this.#nodes.values()].some((node) => {
      if (node.status !== 'open') return false;
      if (node.running) return true;
      if (node.loop?.between === true) return false;
      // Its child has its own budget.
      if (node.waiting && node.map !== undefined) return node.map.wantsMore;
      if (isFree(node.step) || node.waiting) return false;
      if (node.step === undefined) return node.members.length > 0 && node.members.every((member) => this.#done(member));
      if (!this.#reached(node)) return false;
      if (node.failedAttempts > 0) return true;
      const unknown = node.step.when !== undefined && !isPlainPath(node.step.when) && node.condition === undefined;
      return !unknown && this.#passedOver(node) === undefined;
    });
  }

  /** Whether a member's outcome is in the log. A certain skip without an event is not a vote yet. */
  #heard(member: Node): boolean {
    const serving = this.#serving(member);
    const skipped = serving.reason === 'condition_false' || serving.reason === 'dependency_skipped';
    return this.#done(member) && (!skipped || serving.recorded);
  }

  #serving(member: Node): Node {
    return member.servedBy === undefined ? member : this.#node(member.servedBy);
  }

  /** A member in the vote, with the output of its fallback if there was one. */
  #standing(member: Node): Member {
    if (member.servedBy === undefined) return member;
    const { status, reason } = this.#serving(member);
    return { id: member.id, step: member.step, output: member.output, vote: member.vote, status, reason };
  }

  #expect(holds: boolean, message: string): void {
    if (!holds) this.differences.push(message);
  }

  #outcome(
    id: string,
    output: JsonValue,
    failed: { readonly failure: Failure; readonly retryAt?: number } | undefined,
    event: Event,
  ): boolean {
    const [owner = '', role] = id.split(':');
    const node = this.#node(owner);
    if (role === 'judge') {
      if (failed === undefined) this.#judged.set(owner, output);
      else if (failed.retryAt === undefined) this.#judged.set(owner, null);
      return true;
    }
    if (role === 'compensate') {
      if (failed === undefined) this.#compensated(node);
      return true;
    }
    if (id.split(':').length === 3) {
      if (failed === undefined) this.#told(id, withoutCosts(output), false);
      return true;
    }
    node.running = false;
    if (failed === undefined) {
      const ended = node.child?.ended;
      this.#expect(!node.delegated || ended === 'completed', `${id} gives what its child did not: ${ended}`);
      this.#complete(node, node.delegated ? output : withoutCosts(output));
      node.delegated = false;
      return true;
    }
    node.delegated = false;
    node.failedAttempts += 1;
    const { retry } = node.step as StepDefinition;
    const { failure } = failed;
    const again =
      this.#status === 'running' &&
      this.#cause === undefined &&
      failure.retryable &&
      !(retry?.non_retryable ?? []).includes(failure.code) &&
      node.failedAttempts < (retry?.max_attempts ?? (node.step?.llm === undefined ? 1 : 5));
    // Whether another attempt would be too late depends on time, which the log shows.
    const timed = retry?.total_timeout_ms !== undefined || node.step?.schedule_to_close_ms !== undefined;
    this.#expect(
      again === (failed.retryAt !== undefined) || (timed && again) || this.#paused,
      `${id} fails at ${event.version}: retry ${again}`,
    );
    if (failed.retryAt === undefined) this.#fail(node, failure);
    return true;
  }

  /** The model has answered: its calls are made, it is told its mistake, or the step is done. */
  #answered(event: Extract<Event, { type: 'ModelAnswered' }>): boolean {
    const { stepId, turn, text, toolCalls = [], next, feedback, finishReason } = event.data;
    const node = this.#node(stepId);
    const { llm } = node.step ?? {};
    const talk: Talk = (node.talk ??= {
      turn: 0,
      repairs: 0,
      messages: [],
      calls: [],
      places: new Map(),
      guards: new Map(),
      calling: false,
    });
    this.#expect(llm !== undefined && node.running && !talk.calling, `${stepId} is answered and has not asked`);
    talk.turn += 1;
    this.#expect(turn === talk.turn, `${stepId} has turn ${turn}, expected ${talk.turn}`);
    node.failedAttempts = 0;
    node.reserved = undefined;
    const tools = new Map((llm?.tools ?? []).map((tool) => [tool.name, tool]));
    for (const { name, problem } of toolCalls) {
      this.#expect(tools.has(name) || problem !== undefined, `${stepId} may call ${name}, which it does not have`);
    }
    const finishing = toolCalls.find(({ name, problem }) => problem === undefined && tools.get(name)?.finish === true);
    const good = toolCalls.some(({ problem }) => problem === undefined);
    const over = talk.turn >= (llm?.max_turns ?? 10);
    const handing = toolCalls.filter(
      ({ name, problem }) => problem === undefined && tools.get(name)?.hand_over !== undefined,
    );
    const alone = toolCalls.filter(({ problem }) => problem === undefined).length === 1;
    this.#expect(handing.length === 0 || alone, `${stepId} hands over and calls more`);
    const asked = toolCalls.map(({ id, name, input = null }) => ({ id, name, input }));
    talk.messages.push({ role: 'assistant', content: text, ...(asked.length === 0 ? {} : { tool_calls: asked }) });
    let expected: string;
    if (finishing !== undefined) {
      expected = 'end';
      this.#complete(node, finishing.input ?? null);
    } else if (toolCalls.length > 0 && over && handing.length === 0) {
      expected = 'end';
      this.#fail(node, { code: 'max_turns_reached', message: '', retryable: false });
    } else if (toolCalls.length > 0) {
      expected = good ? 'tools' : 'model';
    } else if (llm?.output_schema === undefined) {
      expected = 'end';
      this.#complete(node, { text, finish_reason: finishReason });
    } else {
      // The runner decides whether an answer is valid, and the log has the result.
      const mayRepair = talk.repairs < (llm.max_repairs ?? 2);
      expected = next;
      this.#expect(next !== 'model' || (mayRepair && !over), `${stepId} is repaired too often`);
      this.#expect(next !== 'tools', `${stepId} calls nothing`);
      if (next === 'end') this.#awaitsEnd.add(node);
    }
    this.#expect(next === expected, `${stepId} goes on with ${next}, expected ${expected}`);
    talk.repairs = feedback === undefined ? 0 : talk.repairs + 1;
    talk.calling = true;
    if (next !== 'end') {
      talk.calls = toolCalls.map(({ id, name, input = null, problem }) => ({
        id,
        name,
        input,
        result: problem === undefined ? undefined : toolMessage(id, name, problem, true),
      }));
      this.#gather(talk);
      if (feedback !== undefined) talk.messages.push({ role: 'user', content: feedback });
      // A conversation does not continue during compensation.
      if (this.#status === 'compensation') {
        node.status = 'skipped';
        node.running = false;
      }
    }
    return true;
  }

  #called(event: Extract<Event, { type: 'ToolCalled' }>): void {
    const { stepId, callerId, index, callId } = event.data;
    const node = this.#node(callerId);
    const call = node.talk?.calls[index];
    const [, name] = stepId.split(':');
    const fits = call !== undefined && call.id === callId && call.name === name && call.result === undefined;
    this.#expect(fits && node.status === 'open' && node.running, `${stepId} makes a call that nobody asked for`);
    const taken = [...(node.talk?.places ?? [])].some(([place, other]) => place === stepId || other === index);
    this.#expect(!taken, `${stepId} makes a call that is made already`);
    node.talk?.places.set(stepId, index);
    node.talk?.guards.set(stepId, {
      condition: undefined,
      asked: false,
      decideBy: undefined,
      approved: undefined,
      child: undefined,
      childEnd: undefined,
    });
  }

  /** A call has ended, and the model will be told. */
  #told(place: string, content: JsonValue, failed: boolean): void {
    const [owner = '', name = ''] = place.split(':');
    const node = this.#nodes.get(owner);
    if (node?.step?.route !== undefined) return this.#routeHears(node, place, content);
    const { talk } = node ?? {};
    const index = talk?.places.get(place);
    if (node === undefined || talk === undefined || index === undefined) return;
    const guard = talk.guards.get(place);
    if (!failed && guard?.child !== undefined) {
      this.#expect(guard.childEnd === 'completed', `${place} gives what its child did not: ${guard.childEnd}`);
    }
    talk.places.delete(place);
    talk.guards.delete(place);
    const call = talk.calls[index];
    if (call === undefined) return;
    const limit = node.step?.llm?.tools?.find((tool) => tool.name === name)?.max_result_bytes ?? 65_536;
    const bytes = Buffer.byteLength(JSON.stringify(content));
    const beginning = (typeof content === 'string' ? content : JSON.stringify(content)).slice(0, limit);
    const cut = bytes > limit && !failed ? { truncated: true, bytes, beginning } : content;
    call.result = toolMessage(call.id, call.name, cut, failed);
    this.#gather(talk);
    const handsOver = node.step?.llm?.tools?.find((tool) => tool.name === name)?.hand_over !== undefined;
    if (handsOver && !failed && node.status === 'open') this.#complete(node, content);
  }

  /** Results follow the answer in the order of its calls, when all have arrived. */
  #gather(talk: Talk): void {
    if (talk.calls.some(({ result }) => result === undefined)) return;
    talk.messages.push(...talk.calls.map(({ result }) => result ?? null));
    talk.calls = [];
  }

  /** The reservations of model calls and the spending stay within the budget, whatever the calls cost. */
  #reserve(node: Node, reserved: Budget | undefined): void {
    if (node.step?.llm === undefined && node.step?.route === undefined) return;
    if (node.talk !== undefined) {
      this.#expect(node.talk.calls.length === 0, `${node.id} asks on while its tools work`);
      node.talk.calling = false;
    }
    node.reserved = reserved;
    const limited = this.#limits.tokens < Infinity || this.#limits.cost < Infinity;
    this.#expect(limited === (reserved !== undefined), `${node.id} reserves ${canonical(reserved as JsonValue)}`);
    if (reserved === undefined) return;
    const running = [...this.#nodes.values()].filter((each) => each.running && each.reserved !== undefined);
    const sum = (kind: 'maxTokens' | 'maxCost'): number =>
      running.reduce((total, each) => total + (each.reserved?.[kind] ?? 0), 0);
    const tokens = this.#spent.tokens + sum('maxTokens');
    const cost = this.#spent.cost + sum('maxCost');
    this.#expect(tokens <= this.#limits.tokens, `${tokens} tokens are reserved and spent`);
    this.#expect(cost <= this.#limits.cost * (1 + 1e-9), `a cost of ${cost} is reserved and spent`);
  }

  #complete(node: Node, output: JsonValue): void {
    node.status = 'completed';
    node.output = output;
    node.running = false;
    node.waiting = false;
    this.#completed.push(node);
    if (node.servesFor !== undefined) this.#serve(node.servesFor, node.id, output);
    this.#vote(node, output);
  }

  /** A member has its output, its own or a fallback's. */
  #vote(node: Node, output: JsonValue): void {
    const group = node.step?.consensus_group;
    if (group === undefined) return;
    const { group: rules } = this.#node(group);
    const key = rules?.mode === 'best' ? rules.score : rules?.vote_key;
    if (key === undefined || isPlainPath(key)) {
      node.vote = { value: key === undefined ? output : (evaluateExpression(key, output) ?? null) };
    }
  }

  /** Done in the source execution: it is not run, and not undone either. */
  #reused(event: Extract<Event, { type: 'StepReused' }>): boolean {
    const { stepId, output = null, approval, ifEqual = false } = event.data;
    const node = this.#node(stepId);
    if (ifEqual) {
      this.#expect(this.#starting && approval !== undefined, `${stepId} brings an approval that is none`);
      node.granted = approval;
      node.output = output;
      return false;
    }
    if (!this.#starting) {
      // The approval of the source is valid, because the question is the same.
      this.#expect(this.#mayStart(node) && !this.#paused, `${stepId} is taken over, and it may not: ${node.status}`);
      const { text, shown } = this.#question(node);
      const equal = node.granted?.message === text && canonical(node.granted.input) === canonical(shown);
      this.#expect(equal, `${stepId} is taken over although ${text} is asked`);
      node.question = node.granted;
      node.granted = undefined;
      this.#complete(node, output);
      return true;
    }
    node.status = 'completed';
    node.output = output;
    node.question = approval;
    for (const member of node.members) Object.assign(member, { status: 'skipped', reason: 'reused' });
    return true;
  }

  #serve(node: Node, by: string, output: JsonValue): void {
    node.servedBy = by;
    node.output = output;
    if (this.#node(by).status === 'completed') this.#vote(node, output);
    if (node.servesFor !== undefined) this.#serve(node.servesFor, by, output);
  }

  #fail(node: Node, failure: Failure): void {
    node.status = 'failed';
    node.failure = failure;
    node.running = false;
    node.waiting = false;
    const kinds = node.servesFor === undefined ? (node.step?.fallback_when ?? []) : [];
    const asked = kinds.length === 0 || kinds.includes(kindOf(failure));
    if (node.policy === 'fallback' && asked && this.#nextAlternative(node)) return;
    if (node.servesFor !== undefined) return this.#alternativeFailed(node);
    // The group decides about the failure of a member.
    const tooMany = this.#chunk !== undefined && this.#failedNodes.length > this.#chunk.tolerated;
    if (tooMany) return this.#abort(node, failure);
    if (node.policy === 'continue' || node.step?.consensus_group !== undefined) return;
    this.#abort(node, failure);
  }

  get #failedNodes(): readonly Node[] {
    return [...this.#nodes.values()].filter(({ status }) => status === 'failed');
  }

  get #results(): JsonValue[] {
    return [...this.#nodes.values()].map((node) => (node.status === 'completed' ? node.output : null));
  }

  /** Moves to the next fallback for this kind of failure. Returns false when there is none. */
  #nextAlternative(node: Node): boolean {
    const kind = kindOf(node.failure);
    for (node.turn += 1; node.turn < node.alternatives.length; node.turn++) {
      const alternative = node.alternatives[node.turn];
      const when = alternative?.step?.fallback_when ?? [];
      if (alternative?.status === 'skipped') continue;
      if (when.length === 0 || when.includes(kind)) return true;
    }
    return false;
  }

  #alternativeFailed(node: Node): void {
    const served = node.servesFor as Node;
    if (this.#nextAlternative(served)) return;
    if (served.servesFor !== undefined) return this.#alternativeFailed(served);
    if (served.step?.consensus_group !== undefined) return;
    this.#abort(served, served.failure as Failure);
  }

  #abort(node: Node, failure: Failure): void {
    this.#ends.add(failure.code);
    if (this.#cause !== undefined || this.#status !== 'running') return;
    this.#cause = 'failure';
    // Tried fallbacks are part of the reason.
    const tried = node.alternatives.some((item) => item.status === 'failed' || item.reason === 'requested');
    this.#failure = tried ? { code: 'all_fallbacks_failed', message: failure.message, retryable: false } : failure;
    this.#failedStep = node.id;
  }

  #evaluated(key: string, values: readonly JsonValue[] | undefined, failure: Failure | undefined): boolean {
    const colon = key.indexOf(':');
    const purpose = key.slice(0, colon);
    const subject = key.slice(colon + 1);
    if (isPlace(subject)) {
      const found = this.#call(subject);
      if (found === undefined || failure !== undefined) return false;
      found.guard.condition = values?.[0] ?? null;
      const mine = attempt(() => evaluateExpression(found.tool.approval?.when ?? '', this.#callScope(subject)));
      this.#expect(same(mine, found.guard.condition), `${key} is ${JSON.stringify(values)}`);
      return false;
    }
    if (purpose === 'output') {
      if (failure !== undefined && this.#cause === undefined) {
        this.#cause = 'failure';
        this.#failure = failure;
      }
      return true;
    }
    // The key that follows from it is compared when the execution asks for its place.
    if (purpose === 'concurrency') return false;
    if (subject.endsWith(':compensate')) return true;
    const node = this.#node(subject);
    if (purpose === 'vote') {
      node.vote = failure === undefined ? { value: values?.[0] ?? null } : { excluded: 'expression_failed' };
      return true;
    }
    if (failure !== undefined) {
      this.#fail(node, failure);
      return true;
    }
    if (purpose === 'when') {
      node.condition = values?.[0] ?? null;
      const mine = attempt(() => evaluateExpression(node.step?.when ?? '', this.#scope(node)));
      this.#expect(
        same(mine, node.condition),
        `${key} is ${JSON.stringify(node.condition)}, expected ${JSON.stringify(mine)}`,
      );
    } else if (purpose === 'until') {
      const mine = attempt(() => evaluateExpression(node.step?.repeat?.until ?? '', this.#scope(node)));
      const value = values?.[0] ?? null;
      this.#expect(same(mine, value), `${key} is ${canonical(value)}, expected ${canonical(mine)}`);
      if (node.loop?.between === true) node.loop.verdict = value;
    } else {
      node.values = values;
    }
    return true;
  }

  /** Everything that follows from the known facts. */
  #settle(): void {
    if (this.#waitsFor.size > 0) return;
    for (let changed = true; changed && this.#cause === undefined && this.#status === 'running';) {
      changed = false;
      for (const node of this.#nodes.values()) {
        if (node.status !== 'open' || node.running || node.waiting) continue;
        if (node.group !== undefined) {
          const standing = node.members.map((member) => this.#standing(member));
          if (standing.every(({ status, reason }) => status === 'skipped' && reason !== 'consensus_reached')) {
            node.status = 'skipped';
            changed = true;
          }
          continue;
        }
        if (!this.#reached(node)) continue;
        if (node.failedAttempts > 0) continue;
        const reason = this.#passedOver(node);
        if (reason === undefined || node.servesFor !== undefined) continue;
        changed = true;
        node.status = 'skipped';
        node.reason = reason;
      }
    }
    if (this.#cause !== undefined || this.#status !== 'running') return this.#end();
    if (!this.#roots.every((node) => this.#done(node))) return;
    this.#finish();
    // Fallbacks that were not used.
    if ((this.#status as string) === 'completed') this.#abandonOpen(false);
  }

  /** A step whose condition is false, or that requires a skipped dependency. */
  #passedOver(node: Node): string | undefined {
    const { step } = node;
    if (step === undefined) return undefined;
    if (step.require === 'all' && (step.dependencies ?? []).some((id) => this.#skipped(this.#node(id)))) {
      return 'dependency_skipped';
    }
    if (!this.#chosen(step)) return 'not_chosen';
    if (step.when === undefined) return undefined;
    const value = isPlainPath(step.when) ? (evaluateExpression(step.when, this.#scope(node)) ?? null) : node.condition;
    return value === undefined || isTrue(value) ? undefined : 'condition_false';
  }

  /** Skipped itself, or served by a skipped fallback. */
  #skipped(node: Node): boolean {
    return node.status === 'skipped' || (node.servedBy !== undefined && this.#node(node.servedBy).status === 'skipped');
  }

  #mayStart(node: Node): boolean {
    return (
      this.#waitsFor.size === 0 &&
      node.status === 'open' &&
      !node.waiting &&
      node.loop?.between !== true &&
      this.#cause === undefined &&
      this.#status === 'running' &&
      this.#reached(node) &&
      this.#passedOver(node) === undefined &&
      (node.step?.when === undefined || isPlainPath(node.step.when) || node.condition !== undefined)
    );
  }

  /** Its dependencies are done, so it may be its turn. */
  #reached(node: Node): boolean {
    const { servesFor } = node;
    if (servesFor !== undefined) {
      return (
        servesFor.status === 'failed' &&
        servesFor.alternatives[servesFor.turn] === node &&
        servesFor.servedBy === undefined
      );
    }
    // Members run together: none starts before the dependencies of all are done.
    const group = node.step?.consensus_group;
    const members =
      node.group === undefined ? (group === undefined ? [node] : this.#node(group).members) : node.members;
    return members.every((member) => {
      // Skipping a step between them does not bypass an approval.
      const gates = [...this.#ancestors(member)].filter((above) => isMain(above) && hasApproval(above));
      return [...member.dependencies.map((id) => this.#node(id)), ...gates].every((above) => this.#done(above));
    });
  }

  #done(node: Node): boolean {
    switch (node.status) {
      case 'open':
        return false;
      case 'completed':
      case 'skipped':
        return true;
      case 'failed':
        if (node.servedBy !== undefined || node.policy === 'continue') return true;
        return node.step?.consensus_group !== undefined && node.alternatives[node.turn] === undefined;
    }
  }

  #outputOf(node: Node): JsonValue {
    return node.status === 'completed' || node.servedBy !== undefined ? node.output : null;
  }

  #ancestors(node: Node, found: Set<Node> = new Set()): Set<Node> {
    for (const id of [...node.dependencies, ...node.members.map((member) => member.id)]) {
      const above = this.#node(id);
      if (found.has(above)) continue;
      found.add(above);
      this.#ancestors(above, found);
    }
    return found;
  }

  #scope(node: Node): JsonValue {
    if (this.#chunk !== undefined) {
      const place = [...this.#nodes.keys()].indexOf(node.id);
      const { items, first, scope: given } = this.#chunk;
      return { input: null, outputs: {}, ...given, item: items[place] ?? null, index: first + place };
    }
    const outputs = Object.fromEntries([...this.#ancestors(node)].map((above) => [above.key, this.#outputOf(above)]));
    const scope = { input: this.#input, outputs, execution: { id: this.#id, name: this.#name } };
    if (node.step?.repeat === undefined) return scope;
    const { done, between, results } = node.loop ?? { done: 0, between: false, results: [] };
    return { ...scope, iteration: between ? done : done + 1, result: results.at(-1) ?? null, results: [...results] };
  }

  /** The input of a step's attempt (ADR 0004). Undefined when it is not a step. */
  inputOf(stepId: string): { readonly value: JsonValue } | undefined {
    const node = this.#nodes.get(stepId);
    const place = stepId.split(':');
    if (place.length === 3) {
      const { talk, step } = this.#node(place[0] ?? '');
      // The question to a model is in the engine's own words.
      if (step?.route !== undefined) {
        return this.#questions(stepId) ? undefined : { value: this.#routed(this.#node(place[0] ?? '')).input };
      }
      const call = talk?.calls[talk.places.get(stepId) ?? -1];
      if (call === undefined) return undefined;
      const { tool } = this.#call(stepId) ?? {};
      return { value: this.#handsOn(this.#node(place[0] ?? ''), tool?.hand_over, call.input) };
    }
    if (node?.step === undefined) return undefined;
    if (node.step.llm !== undefined) return { value: this.#asks(node, node.step.llm) };
    return { value: this.#given(node) };
  }

  /** What a mapping or the dependencies of a step give. */
  #given(node: Node): JsonValue {
    const { input } = node.step ?? {};
    if (input !== undefined) {
      return map(input, (text) => evaluateExpression(text, this.#scope(node)) ?? null);
    }
    if (this.#chunk !== undefined) return this.#chunk.items[[...this.#nodes.keys()].indexOf(node.id)] ?? null;
    if (node.dependencies.length === 0) return this.#input;
    const base = typeof this.#input === 'object' && this.#input !== null && !Array.isArray(this.#input);
    const fields = base ? (this.#input as { [key: string]: JsonValue }) : { input: this.#input };
    if (this.#definition.settings?.default_input === 'merged') {
      const merged: { [key: string]: JsonValue } = { ...fields };
      for (const id of node.dependencies) {
        const from = this.#node(id);
        const failed = from.status === 'failed' && from.servedBy === undefined;
        const given: JsonValue = failed ? { error: from.failure?.message ?? '' } : this.#outputOf(from);
        merged[`dep_${id}`] = given;
        if (typeof given === 'object' && !Array.isArray(given)) Object.assign(merged, given);
      }
      return merged;
    }
    const outputs = node.dependencies.map((id) => [this.#node(id).key, this.#outputOf(this.#node(id))] as const);
    return { ...fields, ...Object.fromEntries(outputs) };
  }

  /** What the one is given that a conversation is handed over to. */
  #handsOn(node: Node, how: LlmTool['hand_over'], input: JsonValue): JsonValue {
    if (how === undefined || how === 'none' || node.step?.llm === undefined) return input;
    const { messages = [] } = this.#asks(node, node.step.llm) as { messages?: { [key: string]: JsonValue }[] };
    const said = messages.filter(({ role }) => role !== 'system');
    const last = said.at(-1);
    const spoken = said.filter(({ role, content }) => role === 'user' || (role === 'assistant' && content !== ''));
    const plain = (message: { [key: string]: JsonValue }): JsonValue => ({
      role: message['role'] ?? null,
      content: message['content'] ?? null,
    });
    const all = [...said.slice(0, -1), ...(last?.['content'] === '' || last === undefined ? [] : [plain(last)])];
    const handed =
      how === 'all'
        ? all
        : how === 'dialogue'
          ? spoken.map(plain)
          : spoken.filter(({ role }) => role === 'user').slice(-1);
    const own = typeof input === 'object' && input !== null && !Array.isArray(input) ? input : { input };
    return { ...own, messages: handed };
  }

  /** What a model is given: how its conversation began, and all that was said since. */
  #asks(node: Node, llm: Llm): JsonValue {
    const scope = this.#scope(node);
    const prompt = map(llm.prompt ?? null, (text) => evaluateExpression(text, scope) ?? null);
    const listed = map(llm.messages ?? null, (text) => evaluateExpression(text, scope) ?? null);
    const content = typeof prompt === 'string' ? prompt : canonical(prompt);
    const begun = Array.isArray(listed) ? listed : [{ role: 'user', content }];
    const { tools, max_turns: most = 10, on_max_turns: last, output_schema: schema } = llm;
    const final = last === 'answer' && (node.talk?.turn ?? 0) + 1 >= most;
    const { maxTokens: tokens, maxCost: cost } = node.reserved ?? {};
    return {
      model: llm.model,
      on_invalid: 'report',
      ...(schema === undefined ? {} : { output_schema: schema }),
      ...(tools === undefined
        ? {}
        : {
            tools: tools.map(({ name, agent, config }) => ({
              name,
              ...(agent === undefined ? {} : { agent }),
              ...(config === undefined ? {} : { config }),
            })),
          }),
      ...(tools !== undefined && final ? { tool_choice: 'none' } : {}),
      messages: [
        ...(llm.system === undefined ? [] : [{ role: 'system', content: llm.system }]),
        ...begun,
        ...(node.talk?.messages ?? []),
      ],
      ...(node.reserved === undefined
        ? {}
        : { budget: { ...(tokens === undefined ? {} : { tokens }), ...(cost === undefined ? {} : { cost }) } }),
    };
  }

  #finish(): void {
    if (this.#chunk !== undefined) {
      const failed = this.#failedNodes.length > 0;
      this.#status = failed ? 'failed' : 'completed';
      if (failed) this.#failure = { code: 'items_failed', message: '', retryable: false };
      else this.#output = this.#results;
      return;
    }
    const { output } = this.#definition;
    if (output === undefined) {
      const needed = new Set([...this.#nodes.values()].flatMap((node) => node.dependencies));
      const sinks = this.#roots.filter((node) => !needed.has(node.id));
      const [only] = sinks;
      this.#output =
        sinks.length === 1 && only !== undefined
          ? this.#outputOf(only)
          : Object.fromEntries(sinks.map((node) => [node.key, this.#outputOf(node)]));
      this.#status = 'completed';
      return;
    }
    const all = Object.fromEntries(
      [...this.#nodes.values()]
        .filter((node) => node.servesFor === undefined)
        .map((node) => [node.key, this.#outputOf(node)]),
    );
    const scope = { input: this.#input, outputs: all, execution: { id: this.#id, name: this.#name } };
    const mapped = attempt(() => map(output, (text) => evaluateExpression(text, scope) ?? null));
    // The sandbox's refusal is in the log. Until then the execution runs.
    if (mapped === undefined) return;
    this.#output = mapped;
    this.#status = 'completed';
  }

  /** The execution is ending. Running attempts may still report when something must be undone. */
  #end(): void {
    if (this.#cause === undefined || this.#status === 'cancelled' || this.#status === 'failed') return;
    this.#abandonOpen(this.#status === 'compensation');
    if (this.#status === 'running' && this.#cause === 'failure') {
      const undoes = this.#completed.some((node) => node.step?.compensate !== undefined);
      // A step with running tools whose model is not being asked has nothing that could be undone.
      const mayUndo = [...this.#nodes.values()].some(
        (node) => this.#reports(node) && node.step?.compensate !== undefined,
      );
      if (!undoes && !mayUndo) {
        this.#status = 'failed';
        this.#abandon();
      }
    }
  }

  /** Whether an attempt of the step itself runs. */
  #reports(node: Node): boolean {
    return node.running && node.talk?.calling !== true && node.route === undefined && !node.delegated;
  }

  #toUndo(): readonly Node[] {
    return this.#completed.filter((item) => item.step?.compensate !== undefined && !this.#undone.includes(item.id));
  }

  #compensated(node: Node): void {
    const left = this.#toUndo();
    this.#expect(left.at(-1) === node, `${node.id} is undone, expected ${left.at(-1)?.id}`);
    this.#undone.push(node.id);
  }

  #abandonOpen(keepRunning: boolean): void {
    for (const node of this.#nodes.values()) {
      if (node.status === 'open' && !(keepRunning && this.#reports(node))) {
        node.status = 'skipped';
        // A failure during a pause ends the execution at the resume. Until then decisions are still accepted.
        if (!this.#paused) node.waiting = false;
      }
    }
  }

  #abandon(): void {
    this.#abandonOpen(false);
    // What runs in a pause may still report until the resume.
    if (this.#paused) return;
    for (const node of this.#nodes.values()) node.running = false;
  }

  #retry(event: Extract<Event, { type: 'ExecutionRetried' }>): void {
    this.#status = 'running';
    this.#awaitPlace();
    this.#failedDependency = false;
    this.#cause = undefined;
    this.#failure = undefined;
    this.#failedStep = undefined;
    this.#output = undefined;
    const again = new Set<Node>();
    this.#spent = { tokens: 0, cost: 0 };
    this.#counting = true;
    this.#exceeded = undefined;
    this.#evaluating.clear();
    this.#paused = false;
    this.#ends.clear();
    const decidedSkip = (node: Node): boolean => {
      const { reason, recorded } = this.#serving(node);
      return reason === 'requested' || reason === 'reused' || (reason === 'condition_false' && recorded);
    };
    const main = (node: Node): Node => (node.servesFor === undefined ? node : main(node.servesFor));
    const done = new Set<Node>();
    for (const node of this.#nodes.values()) {
      if (node.group === undefined) continue;
      // A group with an outcome is completed, so none of its members runs again, whatever their results.
      if (node.status === 'completed' || node.servedBy !== undefined) {
        for (const member of node.members) done.add(member);
        continue;
      }
      // In a failed group: those that failed or were stopped, or all when none failed, because then they disagreed.
      if (node.status !== 'failed') continue;
      const voters = node.members.filter((member) => !decidedSkip(member));
      const open = voters.filter((member) => this.#standing(member).status !== 'completed');
      const failed = open.some((member) => member.reason !== 'consensus_reached');
      for (const member of failed ? open : voters) again.add(member);
    }
    const stays = (node: Node): boolean =>
      done.has(node) ||
      (!again.has(main(node)) && (node.status === 'completed' || node.servedBy !== undefined || decidedSkip(node)));
    // The question of an approval may change when a step before it runs again.
    const outdated = [...this.#nodes.values()].filter(
      (node) =>
        node.step?.approval !== undefined &&
        stays(node) &&
        [...this.#ancestors(node)].some((above) => isMain(above) && !stays(above)),
    );
    const told = [...(event.data.askAgain ?? [])].sort().join();
    const ids = outdated.map((node) => node.id).sort();
    this.#expect(told === ids.join(), `a retry asks ${told} again, expected ${ids.join()}`);
    for (const node of outdated) {
      if (node.status === 'completed') node.granted = node.question;
      const root = main(node);
      const group = root.step?.consensus_group === undefined ? root : this.#node(root.step.consensus_group);
      for (const part of [root, group, ...group.members]) {
        again.add(part);
        done.delete(part);
      }
    }
    for (const node of this.#nodes.values()) {
      node.running = false;
      node.waiting = false;
      node.delegated = false;
      if (stays(node)) continue;
      if (node.status === 'completed') {
        node.loop = undefined;
        node.map?.forget();
      }
      if (node.loop !== undefined) {
        Object.assign(node.loop, { before: node.loop.done, between: false, verdict: undefined, from: 0 });
      }
      Object.assign(node, {
        status: 'open',
        talk: undefined,
        reserved: undefined,
        route: undefined,
        reason: '',
        recorded: false,
        failure: undefined,
        failedAttempts: 0,
        turn: -1,
      });
      Object.assign(node, { condition: undefined, values: undefined, vote: undefined, servedBy: undefined });
      this.#judged.delete(node.id);
      const at = this.#completed.indexOf(node);
      if (at >= 0) this.#completed.splice(at, 1);
    }
  }
}

/** The words of a text, in lower case. */
function wordsOf(text: string): string[] {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .split(/[^\p{L}\p{M}\p{N}]+/u)
    .filter((word) => word !== '');
}

/** Whether it is a place for calls of a tool. */
function isPlace(stepId: string): boolean {
  return stepId.split(':').length === 3;
}

/** Whether it is a lane of a step with a map. */
function isLane(stepId: string): boolean {
  return /^[^:]+:\d+$/.test(stepId);
}

/** Whether no agent has to run for it. */
function isFree(step: StepDefinition | undefined): boolean {
  return (
    step?.approval !== undefined || step?.wait !== undefined || step?.signal !== undefined || step?.choice !== undefined
  );
}

function isMain(node: Node): boolean {
  return node.servesFor === undefined && node.step?.consensus_group === undefined;
}

/** Whether a human may take part in the node's outcome. */
function hasApproval(node: Node): boolean {
  return node.step?.approval !== undefined || [...node.alternatives, ...node.members].some(hasApproval);
}

function toolMessage(id: string, name: string, content: JsonValue, failed: boolean): JsonValue {
  return { role: 'tool', tool_call_id: id, name, content, ...(failed ? { is_error: true } : {}) };
}

function newNode(
  step: StepDefinition | undefined,
  group: ConsensusGroup | undefined,
  policy: FailurePolicy,
  members: Node[],
  map?: ReferenceMap,
): Node {
  const id = step?.id ?? group?.id ?? '';
  return {
    id,
    step,
    group,
    policy,
    members,
    key: step?.output_key ?? group?.output_key ?? id,
    dependencies: step?.dependencies ?? [],
    alternatives: [],
    servesFor: undefined,
    status: 'open',
    reason: '',
    recorded: false,
    output: null,
    failure: undefined,
    failedAttempts: 0,
    running: false,
    waiting: false,
    decideBy: undefined,
    condition: undefined,
    values: undefined,
    vote: undefined,
    granted: undefined,
    question: undefined,
    talk: undefined,
    reserved: undefined,
    route: undefined,
    child: undefined,
    map,
    loop: undefined,
    delegated: false,
    turn: -1,
    servedBy: undefined,
    decided: undefined,
  };
}

function kindOf(failure: Failure | undefined): 'error' | 'timeout' | 'no_consensus' {
  if (failure?.code === 'no_consensus') return 'no_consensus';
  return TIMEOUTS.has(failure?.code ?? '') ? 'timeout' : 'error';
}

/** Truth in JSONata (its $boolean). */
function isTrue(value: JsonValue): boolean {
  if (Array.isArray(value)) return value.some(isTrue);
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

function withoutCosts(output: JsonValue): JsonValue {
  if (typeof output !== 'object' || output === null || Array.isArray(output)) return output;
  return Object.fromEntries(Object.entries(output).filter(([key]) => key !== '_tokens' && key !== '_cost'));
}

function map(template: JsonValue, evaluate: (expression: string) => JsonValue): JsonValue {
  if (typeof template === 'string') {
    const found = /^\{%(.*)%\}$/s.exec(template);
    return found === null ? template : evaluate((found[1] ?? '').trim());
  }
  if (Array.isArray(template)) return template.map((item) => map(item, evaluate));
  if (typeof template !== 'object' || template === null) return template;
  return Object.fromEntries(Object.entries(template).map(([key, item]) => [key, map(item, evaluate)]));
}

function attempt(work: () => JsonValue | undefined): JsonValue | undefined {
  try {
    return work() ?? null;
  } catch {
    return undefined;
  }
}

/** JSON with sorted keys, for comparisons. */
export function canonical(value: JsonValue | undefined): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join()}}`;
}

function same(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  return a !== undefined && canonical(a) === canonical(b);
}
