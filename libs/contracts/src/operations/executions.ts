import { EXECUTION_STATUSES } from '../codes.js';
import type { RefusalCode } from '../codes.js';
import type { JsonObject } from '../common.js';
import type {
  ExportExecutionReply,
  ExportExecutionRequest,
  GetExecutionReply,
  GetExecutionRequest,
  GetPayloadReply,
  GetPayloadRequest,
  GetStepReply,
  GetStepRequest,
  ListApprovalsReply,
  ListApprovalsRequest,
  ListEventsReply,
  ListEventsRequest,
  ListExecutionsReply,
  ListExecutionsRequest,
  ReadStreamReply,
  ReadStreamRequest,
  VerifyExecutionReply,
  VerifyExecutionRequest,
} from '../execution.js';
import {
  ExportExecutionReplySchema,
  ExportExecutionRequestSchema,
  GetExecutionReplySchema,
  GetExecutionRequestSchema,
  GetPayloadReplySchema,
  GetPayloadRequestSchema,
  GetStepReplySchema,
  GetStepRequestSchema,
  ListApprovalsReplySchema,
  ListApprovalsRequestSchema,
  ListEventsReplySchema,
  ListEventsRequestSchema,
  ListExecutionsReplySchema,
  ListExecutionsRequestSchema,
  ReadStreamReplySchema,
  ReadStreamRequestSchema,
  VerifyExecutionReplySchema,
  VerifyExecutionRequestSchema,
} from '../generated/batuta/execution/v1/queries_pb.js';
import { anotherRoute, defineCommand, defineOperation } from './define.js';
import type { BodySpec, HttpRoute, StreamCommand } from './define.js';
import { OFFSET } from './offset.js';
import {
  cursorParameter,
  integerParameter,
  limitParameter,
  placeParameter,
  textParameter,
  timeParameter,
  waitParameter,
  wordsParameter,
} from './parameters.js';

const PATH = '/api/v1/orchestrations';
const ONE = `${PATH}/executions/:id`;
const NEWEST_VERSION = 2_147_483_647;
const GONE = ['not_found', 'execution_deleted'] as const;
const ENDED = ['already_completed', 'already_failed', 'already_cancelled'] as const;
const DECISION = [
  'step_not_found',
  'not_awaiting_approval',
  'already_decided',
  'not_an_approver',
  ...ENDED,
  'compensating',
] as const;
const REASON = { schema: 'ReasonBody', says: 'Why.', optional: true } as const;

/** Query parameters of the routes. */
export const EXECUTION_QUERIES = {
  list: {
    config_id: textParameter('Executions of this config: its id or name.'),
    status: wordsParameter('Executions in this status; may be given several times.', EXECUTION_STATUSES),
    user: textParameter('Executions that this user started.'),
    session_id: textParameter('Executions of this session.'),
    created_from: timeParameter('Created at this time or later.'),
    created_to: timeParameter('Created before this time.'),
    limit: limitParameter(200),
    cursor: cursorParameter,
    ...OFFSET,
  },
  approvals: {
    config_id: textParameter('Approvals of executions of this config: its id or name.'),
    execution_id: textParameter('Approvals of this execution.'),
    approver: textParameter('Those that this user may decide, by the `approvers` of the step.'),
    limit: limitParameter(200),
    cursor: cursorParameter,
  },
  view: {
    at_version: integerParameter(
      'The state after the event with this version, from 1; the newest when left out.',
      1,
      NEWEST_VERSION,
    ),
  },
  remove: {
    reason: textParameter('Why; it is kept.'),
    if_version: integerParameter('Only while this is its newest version.', 1, NEWEST_VERSION),
  },
  events: {
    from_version: integerParameter('First version wanted; 1 when left out.', 1, NEWEST_VERSION),
    limit: limitParameter(1000, 100),
    cursor: cursorParameter,
  },
  stream: {
    attempt: integerParameter('Only what this attempt has said.', 1, NEWEST_VERSION),
    after: placeParameter,
    limit: limitParameter(1000, 500),
  },
  wait: { wait: waitParameter },
} as const;

/** A command to an execution. Its owner answers after the commit. */
function command(
  name: string,
  does: string,
  spec: Pick<HttpRoute, 'summary' | 'description' | 'tool'> & {
    readonly path: string;
    readonly says: string;
    readonly refuses: readonly RefusalCode[];
    readonly body: BodySpec;
  },
): StreamCommand {
  const { path, says, refuses, ...route } = spec;
  return defineCommand({
    name: `executions.${name}`,
    role: 'operator',
    does,
    refuses: [...GONE, 'execution_restored', ...refuses],
    http: {
      method: 'POST',
      path: `${ONE}/${path}`,
      once: 'command',
      ...route,
      answers: [{ status: 200, schema: 'Commanded', says }],
    },
  });
}

/**
 * An operation that starts an execution. Answers 202 when the execution is still running, and 200 with the result when
 * it has ended within `wait`.
 */
function start(
  name: string,
  does: string,
  spec: Pick<HttpRoute, 'path' | 'summary' | 'description' | 'tool'> & {
    readonly refuses: readonly RefusalCode[];
    readonly body: BodySpec;
  },
): StreamCommand {
  const { refuses, ...route } = spec;
  return defineCommand({
    name: `executions.${name}`,
    role: 'operator',
    does,
    refuses: [...refuses, 'limit_reached'],
    // Schedules start executions too.
    askedBy: ['gateway', 'execution'],
    http: {
      method: 'POST',
      once: 'start',
      traceparent: true,
      query: EXECUTION_QUERIES.wait,
      ...route,
      answers: [
        {
          status: 200,
          schema: 'ExecutionResult',
          says: 'With `wait`: it has ended.',
          location: true,
          rateLimit: true,
        },
        { status: 202, schema: 'Started', says: 'Started; it runs on.', location: true, rateLimit: true },
      ],
    },
  });
}

const reasoned = (example: JsonObject): BodySpec => ({ ...REASON, example });

const get = defineOperation<GetExecutionRequest, GetExecutionReply>({
  name: 'executions.get',
  service: 'execution',
  subject: 'batuta.execution.query.get',
  kind: 'read',
  role: 'viewer',
  does: 'see an execution',
  request: GetExecutionRequestSchema,
  reply: GetExecutionReplySchema,
  refuses: GONE,
  askedBy: ['gateway', 'step-runner'],
  http: {
    method: 'GET',
    path: ONE,
    tool: true,
    summary: 'Get an execution with its steps, as it is or as it was',
    description: 'Folded from its events: never stale. A version that it does not have is `not_found`.',
    query: EXECUTION_QUERIES.view,
    answers: [{ status: 200, schema: 'ExecutionView', says: 'The execution.' }],
  },
});

const payload = defineOperation<GetPayloadRequest, GetPayloadReply>({
  name: 'executions.output',
  service: 'execution',
  subject: 'batuta.execution.query.payload',
  kind: 'read',
  role: 'viewer',
  does: 'see an output',
  request: GetPayloadRequestSchema,
  reply: GetPayloadReplySchema,
  refuses: [...GONE, 'step_not_found'],
  http: {
    method: 'GET',
    path: `${ONE}/steps/:step_id/output`,
    tool: true,
    summary: 'Get the output of a step or consensus group',
    description: 'Also where a view leaves it out for its size. Null while there is none.',
    answers: [{ status: 200, schema: 'StepOutput', says: 'The output.' }],
  },
});

/** Start executions, follow them and control them. */
export const executions = {
  start: start('start', 'start an execution', {
    path: `${PATH}/execute/:config_id`,
    tool: true,
    summary: 'Start an execution of a config, by its id or name',
    description:
      'Answers when the start is committed: nothing that was answered is lost. With `wait`, answers 200 with the result when the execution ends in time, else 202.',
    refuses: [...GONE, 'input_invalid'],
    body: { schema: 'ExecuteBody', says: 'What it starts with.', optional: true, example: { input: { who: 'world' } } },
  }),
  status: anotherRoute(get, {
    name: 'executions.status',
    http: {
      method: 'GET',
      path: `${PATH}/status/:trace_id`,
      tool: true,
      summary: 'Where an execution stands, by its trace id',
      answers: [{ status: 200, schema: 'ExecutionStatus', says: 'The execution without the payloads of its steps.' }],
    },
  }),
  list: defineOperation<ListExecutionsRequest, ListExecutionsReply>({
    name: 'executions.list',
    service: 'execution',
    subject: 'batuta.execution.query.list',
    kind: 'read',
    // A list may be slow, and repeats would make it slower.
    again: false,
    role: 'viewer',
    does: 'list executions',
    request: ListExecutionsRequestSchema,
    reply: ListExecutionsReplySchema,
    askedBy: ['gateway', 'step-runner'],
    http: {
      method: 'GET',
      path: `${PATH}/executions`,
      tool: true,
      summary: 'List executions, newest first',
      query: EXECUTION_QUERIES.list,
      answers: [{ status: 200, schema: 'ExecutionPage', says: 'A page.' }],
    },
  }),
  approvals: defineOperation<ListApprovalsRequest, ListApprovalsReply>({
    name: 'executions.approvals',
    service: 'execution',
    subject: 'batuta.execution.query.approvals',
    kind: 'read',
    again: false,
    role: 'viewer',
    does: 'list approvals',
    request: ListApprovalsRequestSchema,
    reply: ListApprovalsReplySchema,
    http: {
      method: 'GET',
      path: `${PATH}/approvals`,
      tool: true,
      summary: 'List approvals that wait for a decision, oldest first',
      description:
        'A projection, a moment behind: what was asked for just now may be missing, and what was decided may still be there.',
      query: EXECUTION_QUERIES.approvals,
      answers: [{ status: 200, schema: 'ApprovalPage', says: 'A page.' }],
    },
  }),
  get,
  delete: defineCommand({
    name: 'executions.delete',
    // A deletion cannot be undone.
    role: 'admin',
    does: 'delete an execution',
    refuses: [...GONE, 'not_ended', 'version_conflict'],
    http: {
      method: 'DELETE',
      path: ONE,
      summary: 'Delete an execution that has ended',
      description:
        'For good: its events, payloads and what was sent of it are removed, and only who deleted it, when and why is left. From then on it is answered with `execution_deleted`, also a start under its idempotency key.',
      query: EXECUTION_QUERIES.remove,
      once: 'command',
      answers: [{ status: 200, schema: 'Commanded', says: 'Deleted. Its stored data are removed within a minute.' }],
    },
  }),
  restore: defineCommand({
    name: 'executions.restore',
    // It brings back what a policy of the tenant has put away.
    role: 'admin',
    does: 'restore an archived execution',
    refuses: ['not_found', 'execution_deleted', 'not_archived', 'archive_broken', 'not_applicable'],
    http: {
      method: 'POST',
      path: `${ONE}/restore`,
      summary: 'Put an archived execution back, to be read',
      description:
        'Its events are read from the archive file that its tombstone names, checked against the links that the log has kept, and put back at their places. It is then listed, viewed, verified and exported as before, with `restored` in its view. It does not run again: only a deletion is taken, other commands are refused with `execution_restored`; fork it to run it again. Retention policies leave it alone for `BATUTA_EXECUTION_RESTORED_KEPT`. Restoring it again changes nothing.',
      body: reasoned({ reason: 'asked for by the auditors' }),
      once: 'command',
      answers: [{ status: 200, schema: 'Commanded', says: 'Restored.' }],
    },
  }),
  events: defineOperation<ListEventsRequest, ListEventsReply>({
    name: 'executions.events',
    service: 'execution',
    subject: 'batuta.execution.query.events',
    kind: 'read',
    role: 'viewer',
    does: 'read events',
    request: ListEventsRequestSchema,
    reply: ListEventsReplySchema,
    refuses: GONE,
    http: {
      method: 'GET',
      path: `${ONE}/events`,
      tool: true,
      summary: "Read an execution's events",
      query: EXECUTION_QUERIES.events,
      answers: [{ status: 200, schema: 'EventPage', says: 'A page.' }],
    },
  }),
  event: anotherRoute(payload, {
    name: 'executions.event',
    refuses: GONE,
    http: {
      method: 'GET',
      path: `${ONE}/events/:version`,
      summary: 'Read one event with all of its data',
      description: 'Also where a page leaves it out for its size.',
      answers: [{ status: 200, schema: 'Event', says: 'The event.' }],
    },
  }),
  verify: defineOperation<VerifyExecutionRequest, VerifyExecutionReply>({
    name: 'executions.verify',
    service: 'execution',
    subject: 'batuta.execution.query.verify',
    kind: 'read',
    role: 'viewer',
    does: 'verify an execution',
    request: VerifyExecutionRequestSchema,
    reply: VerifyExecutionReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'GET',
      path: `${ONE}/verify`,
      summary: 'Verify that the stored events of an execution are those that were committed',
      description:
        'Walks the chain of its events and compares it with the newest signed checkpoint that holds a link of it. Of a deleted execution it says by whom it was deleted, and whether the rest of its chain still fits. What this finds and what it cannot find is described in the operations guide.',
      answers: [
        {
          status: 200,
          schema: 'ExecutionIntegrity',
          says: 'What was found; `intact` says whether it is nothing.',
        },
      ],
    },
  }),
  export: defineOperation<ExportExecutionRequest, ExportExecutionReply>({
    name: 'executions.export',
    service: 'execution',
    subject: 'batuta.execution.query.export',
    kind: 'read',
    role: 'viewer',
    does: 'export an execution',
    request: ExportExecutionRequestSchema,
    reply: ExportExecutionReplySchema,
    refuses: GONE,
    http: {
      method: 'GET',
      path: `${ONE}/export`,
      summary: 'Export an execution as a bundle that can be checked without the platform',
      description:
        'Lines of JSON: the config version, every event with its link, and the newest signed checkpoint with the way to it. `tools/check-bundle.mjs` checks it. That of an archived execution comes out of the archive.',
      answers: [{ status: 200, media: 'application/x-ndjson', says: 'The bundle.' }],
    },
  }),
  steps: anotherRoute(get, {
    name: 'executions.steps',
    http: {
      method: 'GET',
      path: `${ONE}/steps`,
      tool: true,
      summary: "Get an execution's steps with their outputs",
      answers: [{ status: 200, schema: 'ExecutionSteps', says: 'The steps in the order of the config.' }],
    },
  }),
  step: defineOperation<GetStepRequest, GetStepReply>({
    name: 'executions.step',
    service: 'execution',
    subject: 'batuta.execution.query.step',
    kind: 'read',
    role: 'viewer',
    does: 'see a step',
    request: GetStepRequestSchema,
    reply: GetStepReplySchema,
    refuses: [...GONE, 'step_not_found'],
    http: {
      method: 'GET',
      path: `${ONE}/steps/:step_id`,
      tool: true,
      summary: 'Get one step with what its agent got, its output and every attempt',
      description: 'The input is that of the newest attempt, as its mapping gave it then.',
      answers: [{ status: 200, schema: 'StepDetail', says: 'The step.' }],
    },
  }),
  output: payload,
  stream: defineOperation<ReadStreamRequest, ReadStreamReply>({
    name: 'executions.stream',
    service: 'execution',
    subject: 'batuta.execution.query.stream',
    kind: 'read',
    role: 'viewer',
    does: 'read what a step says while it runs',
    request: ReadStreamRequestSchema,
    reply: ReadStreamReplySchema,
    refuses: [...GONE, 'step_not_found'],
    http: {
      method: 'GET',
      path: `${ONE}/steps/:step_id/stream`,
      summary: 'Read what a step says while it runs',
      description:
        'Text, reasoning and calls of tools as a model writes them, and what other agents say before they are done. As JSON what there is behind `after`. With `Accept: text/event-stream` an event stream that goes on until the step is over; a client that comes back with `Last-Event-ID` (or `after`) misses nothing and gets nothing twice. What an attempt that failed has said is void (`end` with `void: true`). The output that counts is that of the step.',
      query: EXECUTION_QUERIES.stream,
      answers: [{ status: 200, schema: 'StepStream', says: 'What it has said.' }],
    },
  }),
  result: anotherRoute(get, {
    name: 'executions.result',
    http: {
      method: 'GET',
      path: `${ONE}/result`,
      tool: true,
      summary: "Get an execution's result",
      description: 'Answers 202 with the status while it has none; with `wait`, only after that time.',
      query: EXECUTION_QUERIES.wait,
      answers: [
        { status: 200, schema: 'ExecutionResult', says: 'It has ended.' },
        { status: 202, schema: 'ExecutionResult', says: 'It has not ended yet.', retryAfter: true },
      ],
    },
  }),
  pause: command('pause', 'pause an execution', {
    path: 'pause',
    tool: true,
    summary: 'Pause an execution',
    description: 'Running steps finish and nothing new starts; with `now`, running attempts are stopped too.',
    body: {
      schema: 'PauseBody',
      says: 'Why, and how.',
      optional: true,
      example: { reason: 'waits for the maintenance', now: false },
    },
    says: 'Paused.',
    refuses: [...ENDED, 'already_paused', 'compensating'],
  }),
  resume: command('resume', 'resume an execution', {
    path: 'resume',
    tool: true,
    summary: 'Resume a paused execution',
    description: 'What fell due meanwhile happens now.',
    body: reasoned({ reason: 'the maintenance is over' }),
    says: 'Resumed; the status says what became of it.',
    refuses: [...ENDED, 'not_paused'],
  }),
  cancel: command('cancel', 'cancel an execution', {
    path: 'cancel',
    tool: true,
    summary: 'Cancel an execution',
    description:
      'Final when answered: later results are not recorded. With `compensate`, what was completed is undone first.',
    body: {
      schema: 'CancelBody',
      says: 'Why, and how.',
      optional: true,
      example: { reason: 'not needed any more', compensate: false },
    },
    says: 'Cancelled, or being undone (`compensation`).',
    refuses: [...ENDED, 'compensating'],
  }),
  terminate: command('terminate', 'end an execution', {
    path: 'terminate',
    summary: 'End an execution at once',
    description: 'Nothing is undone, and an undoing that is under way is stopped. The status is `cancelled`.',
    body: reasoned({ reason: 'not needed any more' }),
    says: 'Ended.',
    refuses: ENDED,
  }),
  retry: command('retry', 'run an execution again', {
    path: 'retry',
    tool: true,
    summary: 'Run a failed or cancelled execution again from its failed steps',
    description: 'Completed steps are kept. The execution goes on under its id, with a new deadline.',
    body: reasoned({ reason: 'the cause is mended' }),
    says: 'It runs again.',
    refuses: ['already_completed', 'not_retryable', 'already_compensated', 'limit_reached'],
  }),
  compensate: command('compensate', 'undo an execution', {
    path: 'compensate',
    summary: 'Undo what an ended execution has not undone',
    description:
      'For a failed or cancelled execution: an undoing that had stopped goes on with the step that stopped it. The status is `compensation` meanwhile, then what it was.',
    body: reasoned({ reason: 'the order was withdrawn' }),
    says: 'Being undone (`compensation`), or the status it came to at once.',
    refuses: ['already_completed', 'not_applicable', 'compensating', 'nothing_to_compensate', 'limit_reached'],
  }),
  skip: command('skip', 'skip a step', {
    path: 'steps/:step_id/skip',
    tool: true,
    summary: 'Skip a step',
    description:
      'A running attempt is stopped; dependents go on and see null. Who is none of its approvers cannot skip an approval, nor what decides whether it is asked for.',
    body: reasoned({ reason: 'not needed any more' }),
    says: 'Skipped.',
    refuses: ['step_not_found', 'step_already_finished', 'not_applicable', 'not_an_approver', ...ENDED, 'compensating'],
  }),
  approve: command('approve', 'approve a step', {
    path: 'steps/:step_id/approve',
    tool: true,
    summary: 'Approve a step that waits for a human',
    description:
      'The step completes; `comment` and `data` are part of its output, and `data` must fit the schema of the approval. Also while the execution is paused: what follows then waits for the resume.',
    body: {
      schema: 'DecisionBody',
      says: 'What belongs to it.',
      optional: true,
      example: { comment: 'checked with the customer', data: { amount: 100 } },
    },
    says: 'Approved.',
    refuses: [...DECISION, 'input_invalid'],
  }),
  reject: command('reject', 'reject a step', {
    path: 'steps/:step_id/reject',
    tool: true,
    summary: 'Reject a step that waits for a human',
    description: 'The step fails with `approval_rejected`; its `on_failure` says what follows.',
    body: { schema: 'DecisionBody', says: 'What belongs to it.', optional: true, example: { comment: 'too much' } },
    says: 'Rejected.',
    refuses: DECISION,
  }),
  signal: command('signal', 'send a signal', {
    path: 'signals/:name',
    tool: true,
    summary: 'Send a signal that a step waits for',
    description:
      'The first step in the list that waits for it takes it, and its payload is the output of that step. One that comes before a step waits is kept for it. Also while the execution is paused: what follows then waits for the resume.',
    body: { schema: 'SignalBody', says: 'What it says.', optional: true, example: { payload: { amount: 100 } } },
    says: 'Received.',
    refuses: ['signal_not_found', 'not_awaiting_signal', ...ENDED, 'compensating', 'input_invalid'],
  }),
  fork: start('fork', 'fork an execution', {
    path: `${ONE}/fork`,
    tool: true,
    summary: 'Start a copy of an execution from one of its steps',
    description:
      'With the same config version and, unless given, the same input. Completed steps that do not depend on the step are taken over (`reused`) and do not run again; an approval only where the same is asked, else a human is asked again.',
    refuses: [...GONE, 'step_not_found', 'input_invalid'],
    body: {
      schema: 'ForkBody',
      says: 'From where, and what is other.',
      example: { from_step_id: 'again', input: { who: 'everybody' } },
    },
  }),
} as const;
