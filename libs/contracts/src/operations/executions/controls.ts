import type { RefusalCode } from '../../codes.js';
import { defineCommand } from '../define.js';
import type { BodySpec, HttpRoute, StreamCommand } from '../define.js';
import { ENDED, GONE, ONE, reasoned } from './paths.js';

const DECISION = [
  'step_not_found',
  'not_awaiting_approval',
  'already_decided',
  'not_an_approver',
  ...ENDED,
  'compensating',
] as const;

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

/** Commands to executions that run or have ended. */
export const controls = {
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
    says: 'Resumed; the status says where it stands.',
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
    description: 'Nothing is undone. If it is being undone, that stops. The status is `cancelled`.',
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
      'For a failed or cancelled execution. If undoing had stopped, it goes on with the step that stopped it. The status is `compensation` meanwhile, and then the same as before.',
    body: reasoned({ reason: 'the order was withdrawn' }),
    says: 'Being undone (`compensation`), or the status that it has already reached.',
    refuses: ['already_completed', 'not_applicable', 'compensating', 'nothing_to_compensate', 'limit_reached'],
  }),
  skip: command('skip', 'skip a step', {
    path: 'steps/:step_id/skip',
    tool: true,
    summary: 'Skip a step',
    description:
      'A running attempt is stopped; dependents go on and see null. Only its approvers may skip an approval, or a step that decides whether the approval is asked for.',
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
      says: 'The comment and the data of the decision.',
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
    body: {
      schema: 'DecisionBody',
      says: 'The comment and the data of the decision.',
      optional: true,
      example: { comment: 'too much' },
    },
    says: 'Rejected.',
    refuses: DECISION,
  }),
  signal: command('signal', 'send a signal', {
    path: 'signals/:name',
    tool: true,
    summary: 'Send a signal that a step waits for',
    description:
      'The first step in the list that waits for it takes it, and its payload is the output of that step. A signal that comes before a step waits is kept for that step. Also while the execution is paused: what follows then waits for the resume.',
    body: { schema: 'SignalBody', says: 'What it says.', optional: true, example: { payload: { amount: 100 } } },
    says: 'Received.',
    refuses: ['signal_not_found', 'not_awaiting_signal', ...ENDED, 'compensating', 'input_invalid'],
  }),
} as const;
