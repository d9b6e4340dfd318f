import type { CommandRequest, JsonObject } from '@batuta/contracts';
import { LIMITS } from '@batuta/contracts';
import { fail, flag, id, int, name, object, onlyKnown, optional, parse, text, time, within } from './fields.js';
import type { Payload } from './fields.js';
import { principal } from './principal.js';
import { scheduleCommand } from './schedule-command.js';
import { start } from './start.js';

const REASON = new Set(['reason']);
const CANCEL = new Set(['reason', 'compensate']);
const PAUSE = new Set(['reason', 'now']);
const SKIP = new Set(['stepId', 'reason']);
const RESCHEDULE = new Set(['startAt', 'reason']);
const DELETION = new Set(['reason', 'ifVersion', 'policy', 'archive']);
const SIGNAL = new Set(['name', 'payload']);
const DECISION = new Set(['stepId', 'approved', 'comment', 'data']);

type Name = Exclude<keyof CommandRequest, 'commandId' | 'executionId' | 'principal'>;

function reasonOf(body: JsonObject, command: Name): { reason?: string } {
  return optional('reason', text(body.reason, `${command}.reason`).slice(0, 2_000));
}

/** The body of a command that says only why. */
const reasoned =
  (command: Name) =>
  (body: JsonObject): { reason?: string } => {
    onlyKnown(body, command, REASON);
    return reasonOf(body, command);
  };

function deletion(body: JsonObject): CommandRequest['deleteExecution'] {
  onlyKnown(body, 'deleteExecution', DELETION);
  const ifVersion = int(body.ifVersion, 'deleteExecution.ifVersion');
  return {
    ...reasonOf(body, 'deleteExecution'),
    ...(ifVersion === 0 ? {} : { ifVersion }),
    ...optional('policy', text(body.policy, 'deleteExecution.policy').slice(0, 100)),
    ...optional('archive', text(body.archive, 'deleteExecution.archive').slice(0, 200)),
  };
}

function decision(body: JsonObject): CommandRequest['decideApproval'] {
  onlyKnown(body, 'decideApproval', DECISION);
  if (body.data !== undefined) within(body.data, 'decideApproval.data', LIMITS.payloadBytes);
  return {
    stepId: name(body.stepId, 'decideApproval.stepId'),
    approved: flag(body.approved, 'decideApproval.approved'),
    ...optional('comment', text(body.comment, 'decideApproval.comment').slice(0, 2_000)),
    ...(body.data === undefined ? {} : { data: body.data }),
  };
}

function signal(body: JsonObject): CommandRequest['signal'] {
  onlyKnown(body, 'signal', SIGNAL);
  if (body.payload !== undefined) within(body.payload, 'signal.payload', LIMITS.payloadBytes);
  return {
    name: name(body.name, 'signal.name'),
    ...(body.payload === undefined ? {} : { payload: body.payload }),
  };
}

/** Decodes the body of each command. */
const COMMANDS: { readonly [C in Name]-?: (body: JsonObject) => CommandRequest[C] } = {
  start,
  cancel: (body) => {
    onlyKnown(body, 'cancel', CANCEL);
    return { ...reasonOf(body, 'cancel'), compensate: flag(body.compensate, 'cancel.compensate') };
  },
  pause: (body) => {
    onlyKnown(body, 'pause', PAUSE);
    return { ...reasonOf(body, 'pause'), now: flag(body.now, 'pause.now') };
  },
  resume: reasoned('resume'),
  terminate: reasoned('terminate'),
  skipStep: (body) => {
    onlyKnown(body, 'skipStep', SKIP);
    return { stepId: name(body.stepId, 'skipStep.stepId'), ...reasonOf(body, 'skipStep') };
  },
  decideApproval: decision,
  signal,
  retry: reasoned('retry'),
  reschedule: (body) => {
    onlyKnown(body, 'reschedule', RESCHEDULE);
    return { startAt: time(body.startAt ?? 0, 'reschedule.startAt'), ...reasonOf(body, 'reschedule') };
  },
  compensate: reasoned('compensate'),
  deleteExecution: deletion,
  restore: reasoned('restore'),
  schedule: scheduleCommand,
};
const NAMES = Object.keys(COMMANDS) as readonly Name[];
const COMMAND = new Set<string>(['commandId', 'executionId', 'principal', ...NAMES]);

/** Decodes a CommandRequest. Throws `MalformedRequest`. */
export function decodeCommand(payload: Payload): CommandRequest {
  const found = object(parse(payload), '');
  onlyKnown(found, '', COMMAND);
  const given = NAMES.filter((command) => found[command] !== undefined);
  const [command] = given;
  if (command === undefined || given.length > 1) return fail('', `exactly one of ${NAMES.join(', ')}`);
  const base = {
    commandId: name(found.commandId, 'commandId', 100),
    executionId: id(found.executionId, 'executionId'),
    principal: principal(found.principal),
  };
  // Ids of the engine's own inputs have a colon there.
  if (base.commandId.charAt(1) === ':') return fail('commandId', 'a text whose second character is no colon');
  return { ...base, [command]: COMMANDS[command](object(found[command], command)) };
}
