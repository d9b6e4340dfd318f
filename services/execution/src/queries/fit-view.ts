import type {
  ApprovalView,
  ConsensusView,
  Event,
  ExecutionView,
  Failure,
  JsonObject,
  JsonValue,
  Omitted,
  StepView,
  ToolCallView,
} from '@batuta/contracts';
import { jsonBytes } from '../domain/index.js';
import { bytesLeftOut } from '../store/large-fields.js';

/** How many characters of messages (failures, approvals, progress) are kept when even the texts are too large. */
const SHORT_TEXT = 200;
/** How many approvers of one step are kept in that case. */
const FEW = 20;
/** An output up to this size is in its execution's view if it fits. A larger one is always requested in parts. */
const LARGEST_OWN_OUTPUT = 1024 * 1024;

/** A copy with writable fields. */
type Writable<T> = { -readonly [K in keyof T]: T[K] };

interface Payload {
  readonly bytes: number;
  omit(): void;
}

/** Only the execution's own payloads, without those of its steps. */
export function withoutStepPayloads(view: ExecutionView): ExecutionView {
  return {
    ...view,
    steps: view.steps.map(({ output: _output, approval, llm, ...rest }) => {
      const step = llm === undefined ? rest : { ...rest, llm: { turns: llm.turns } };
      if (approval === undefined) return step;
      const { input: _input, data: _data, ...asked } = approval;
      return { ...step, approval: asked };
    }),
  };
}

/** The start and status of the execution, without steps and output. */
export function withoutSteps(view: ExecutionView): ExecutionView {
  const { output: _output, consensus: _consensus, compensations: _compensations, ...rest } = view;
  return { ...rest, steps: [] };
}

/** A larger input is not in lists. */
const LARGEST_LISTED_INPUT = 8 * 1024;
/** What one execution of a list may have with its payloads, approximately. */
const LISTED_ROOM = 32 * 1024;

/** For lists: large payloads are left out, and the input without a mark, because lists know by themselves where it is. */
export function listedView({ input, ...rest }: ExecutionView): ExecutionView {
  const isSmall = input !== undefined && bytesLeftOut(input) === 0 && jsonBytes(input) <= LARGEST_LISTED_INPUT;
  const steps = rest.steps.map((step) => withoutLeftOut(step));
  const consensus = rest.consensus?.map((group) => withoutLeftOut(group));
  const view = withoutLeftOut({ ...rest, steps, ...(consensus === undefined ? {} : { consensus }) });
  return fitView(isSmall ? { ...view, input } : view, LISTED_ROOM);
}

interface WithPayloads {
  readonly output?: JsonValue;
  readonly outputOmitted?: Omitted;
  readonly approval?: ApprovalView;
}

/** Payloads that were not read whole are left out, with their approximate sizes. */
export function withoutLeftOut<T extends WithPayloads>(of: T): T {
  const copy: Writable<WithPayloads> = { ...of };
  omitLeftOut(copy, 'output', 'outputOmitted');
  if (copy.approval !== undefined) {
    const approval = { ...copy.approval };
    omitLeftOut(approval, 'input', 'inputOmitted');
    omitLeftOut(approval, 'data', 'dataOmitted');
    copy.approval = approval;
  }
  return copy as T;
}

function omitLeftOut<P extends string, M extends string>(
  holder: { [K in P]?: JsonValue } & { [K in M]?: Omitted },
  field: P,
  mark: M,
): void {
  const value: JsonValue | undefined = holder[field];
  const missing = bytesLeftOut(value);
  if (missing === 0) return;
  delete holder[field];
  (holder as { [K in M]?: Omitted })[mark] = { bytes: missing } as never;
}

/**
 * A view with at most `room` bytes as JSON. Payloads are left out, the largest first, and a mark gives the size of
 * each. If that is not enough, texts of failures and approvals are shortened.
 */
export function fitView(view: ExecutionView, room: number): ExecutionView {
  let bytes = jsonBytes(view as unknown as JsonValue);
  if (bytes <= room) return view;
  const fitted: Writable<ExecutionView> = { ...view };
  const steps = view.steps.map(copyStep);
  fitted.steps = steps;
  const payloads: Payload[] = steps.flatMap(payloadsOfStep);
  if (view.consensus !== undefined) {
    const groups = view.consensus.map((group): Writable<ConsensusView> => ({
      ...group,
      ...copyFailure(group.failure),
    }));
    fitted.consensus = groups;
    for (const group of groups) payloads.push(...payloadOf(group, 'output', 'outputOmitted'), ...detailsOf(group));
  }
  if (view.compensations !== undefined) {
    const undone = view.compensations.map((each) => ({ ...each, ...copyFailure(each.failure) }));
    fitted.compensations = undone;
    for (const each of undone) payloads.push(...detailsOf(each));
  }
  if (view.failure !== undefined) {
    fitted.failure = { ...view.failure };
    payloads.push(...detailsOf(fitted));
  }
  const [own] = payloadOf(fitted, 'output', 'outputOmitted');
  if (own !== undefined && own.bytes > LARGEST_OWN_OUTPUT) {
    own.omit();
    bytes -= own.bytes;
  }
  if (omitLargest(payloads, bytes, room) <= room) return fitted;
  if (fitted.output !== undefined) own?.omit();
  shortenTexts(fitted);
  return fitted;
}

/** A step with at most `room` bytes, as in `fitView`. Fields other than payloads are small. */
export function fitStep(step: StepView, room: number): StepView {
  const fitted = copyStep(step);
  omitLargest(payloadsOfStep(fitted), jsonBytes(step as unknown as JsonValue), room);
  return fitted;
}

/** Omits payloads while there are more bytes than `room`. Returns the remaining bytes. */
function omitLargest(payloads: readonly Payload[], bytes: number, room: number): number {
  let left = bytes;
  for (const payload of payloads.toSorted((a, b) => b.bytes - a.bytes)) {
    if (left <= room) break;
    payload.omit();
    left -= payload.bytes;
  }
  return left;
}

function copyFailure(failure: Failure | undefined): { failure?: Failure } {
  return failure === undefined ? {} : { failure: { ...failure } };
}

function copyStep(step: StepView): Writable<StepView> {
  return {
    ...step,
    ...copyFailure(step.failure),
    ...(step.approval === undefined ? {} : { approval: { ...step.approval } }),
    ...(step.llm?.calls === undefined ? {} : { llm: { ...step.llm, calls: step.llm.calls.map(copyCall) } }),
  };
}

function copyCall(call: ToolCallView): ToolCallView {
  return call.approval === undefined ? call : { ...call, approval: { ...call.approval } };
}

function payloadsOfStep(step: Writable<StepView>): Payload[] {
  return [
    ...payloadOf(step, 'output', 'outputOmitted'),
    ...approvalsOf(step).flatMap((asked) => [
      ...payloadOf(asked, 'input', 'inputOmitted'),
      ...payloadOf(asked, 'data', 'dataOmitted'),
    ]),
    ...detailsOf(step),
  ];
}

/** What a step asks humans, itself or about calls of its model. */
function approvalsOf({ approval, llm }: StepView): Writable<ApprovalView>[] {
  return [approval, ...(llm?.calls ?? []).map((call) => call.approval)].filter((each) => each !== undefined);
}

/** The approximate size of a mark. Leaving out anything smaller saves nothing. */
const MARK_BYTES = 100;

function payloadOf<P extends string, M extends string>(
  holder: { [K in P]?: JsonValue } & { [K in M]?: Omitted },
  field: P,
  mark: M,
): Payload[] {
  const value: JsonValue | undefined = holder[field];
  if (value === undefined) return [];
  const bytes = jsonBytes(value);
  if (bytes <= MARK_BYTES) return [];
  const omit = (): void => {
    delete holder[field];
    (holder as { [K in M]?: Omitted })[mark] = { bytes } as never;
  };
  return [{ bytes: bytes - MARK_BYTES, omit }];
}

function detailsOf({ failure }: { failure?: Failure }): Payload[] {
  if (failure?.details === undefined) return [];
  const bytes = jsonBytes(failure.details);
  const omit = (): void => {
    failure.details = { omitted_bytes: bytes };
  };
  return bytes <= MARK_BYTES ? [] : [{ bytes: bytes - MARK_BYTES, omit }];
}

/** When an event does not fit into a message, fields of its data that are larger than this are left out. */
const LARGE_FIELD = 64 * 1024;

/**
 * An event with at most `room` bytes. Large fields of its data are left out, and a mark gives the size of the whole.
 */
export function fitEvent(event: Event, room: number): Event {
  const bytes = jsonBytes(event.data as JsonValue);
  if (bytes <= room) return event;
  return { ...event, data: withoutLarge(event.data as JsonObject), dataOmitted: { bytes } } as unknown as Event;
}

function withoutLarge(fields: JsonObject): JsonObject {
  const kept: JsonObject = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (jsonBytes(value) <= LARGE_FIELD) kept[name] = value;
    // A failure keeps its code and message.
    else if (name === 'failure') kept[name] = withoutLarge(value as JsonObject);
  }
  return kept;
}

const shortened = (text: string): string => (text.length <= SHORT_TEXT ? text : `${text.slice(0, SHORT_TEXT)} …`);

function shortenTexts(view: ExecutionView): void {
  const failures = [...view.steps, ...(view.consensus ?? []), ...(view.compensations ?? [])].map(
    ({ failure }) => failure,
  );
  for (const failure of failures) {
    if (failure === undefined) continue;
    failure.message = shortened(failure.message);
    delete failure.trace;
  }
  for (const step of view.steps) {
    if (step.progressMessage !== undefined) step.progressMessage = shortened(step.progressMessage);
    for (const approval of approvalsOf(step)) {
      approval.message = shortened(approval.message);
      if (approval.approvers !== undefined) approval.approvers = approval.approvers.slice(0, FEW);
    }
  }
}
