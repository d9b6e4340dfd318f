import type { CommandRequest } from '@batuta/contracts';
import { LIMITS } from '@batuta/contracts';
import { fail, flag, id, int, name, object, onlyKnown, optional, parse, text, time, within } from './fields.js';
import type { Payload } from './fields.js';
import { principal } from './principal.js';
import { scheduleCommand } from './schedule-command.js';
import { start } from './start.js';

const COMMANDS = [
  'start',
  'cancel',
  'pause',
  'resume',
  'terminate',
  'skipStep',
  'decideApproval',
  'signal',
  'retry',
  'reschedule',
  'compensate',
  'deleteExecution',
  'restore',
  'schedule',
] as const;
const DELETION = new Set(['reason', 'ifVersion', 'policy', 'archive']);
const SIGNAL = new Set(['name', 'payload']);
const DECISION = new Set(['stepId', 'approved', 'comment', 'data']);

const COMMAND = new Set<string>(['commandId', 'executionId', 'principal', ...COMMANDS]);

/** Decodes a CommandRequest. Throws `MalformedRequest`. */
export function decodeCommand(payload: Payload): CommandRequest {
  const found = object(parse(payload), '');
  onlyKnown(found, '', COMMAND);
  const given = COMMANDS.filter((command) => found[command] !== undefined);
  const [command] = given;
  if (command === undefined || given.length > 1) return fail('', `exactly one of ${COMMANDS.join(', ')}`);
  const base = {
    commandId: name(found.commandId, 'commandId', 100),
    executionId: id(found.executionId, 'executionId'),
    principal: principal(found.principal),
  };
  // Ids of the engine's own inputs have a colon there.
  if (base.commandId.charAt(1) === ':') return fail('commandId', 'a text whose second character is no colon');
  const body = object(found[command], command);
  const reason = optional('reason', text(body.reason, `${command}.reason`).slice(0, 2_000));
  switch (command) {
    case 'start':
      return { ...base, start: start(body) };
    case 'cancel':
      onlyKnown(body, command, new Set(['reason', 'compensate']));
      return { ...base, cancel: { ...reason, compensate: flag(body.compensate, 'cancel.compensate') } };
    case 'pause':
      onlyKnown(body, command, new Set(['reason', 'now']));
      return { ...base, pause: { ...reason, now: flag(body.now, 'pause.now') } };
    case 'terminate':
      onlyKnown(body, command, new Set(['reason']));
      return { ...base, terminate: reason };
    case 'skipStep':
      onlyKnown(body, command, new Set(['stepId', 'reason']));
      return { ...base, skipStep: { stepId: name(body.stepId, 'skipStep.stepId'), ...reason } };
    case 'decideApproval':
      onlyKnown(body, command, DECISION);
      if (body.data !== undefined) within(body.data, 'decideApproval.data', LIMITS.payloadBytes);
      return {
        ...base,
        decideApproval: {
          stepId: name(body.stepId, 'decideApproval.stepId'),
          approved: flag(body.approved, 'decideApproval.approved'),
          ...optional('comment', text(body.comment, 'decideApproval.comment').slice(0, 2_000)),
          ...(body.data === undefined ? {} : { data: body.data }),
        },
      };
    case 'signal':
      onlyKnown(body, command, SIGNAL);
      if (body.payload !== undefined) within(body.payload, 'signal.payload', LIMITS.payloadBytes);
      return {
        ...base,
        signal: {
          name: name(body.name, 'signal.name'),
          ...(body.payload === undefined ? {} : { payload: body.payload }),
        },
      };
    case 'schedule':
      return { ...base, schedule: scheduleCommand(body) };
    case 'resume':
      onlyKnown(body, command, new Set(['reason']));
      return { ...base, resume: reason };
    case 'retry':
      onlyKnown(body, command, new Set(['reason']));
      return { ...base, retry: reason };
    case 'reschedule':
      onlyKnown(body, command, new Set(['startAt', 'reason']));
      return { ...base, reschedule: { startAt: time(body.startAt ?? 0, 'reschedule.startAt'), ...reason } };
    case 'compensate':
      onlyKnown(body, command, new Set(['reason']));
      return { ...base, compensate: reason };
    case 'restore':
      onlyKnown(body, command, new Set(['reason']));
      return { ...base, restore: reason };
    case 'deleteExecution': {
      onlyKnown(body, command, DELETION);
      const ifVersion = int(body.ifVersion, 'deleteExecution.ifVersion');
      return {
        ...base,
        deleteExecution: {
          ...reason,
          ...(ifVersion === 0 ? {} : { ifVersion }),
          ...optional('policy', text(body.policy, 'deleteExecution.policy').slice(0, 100)),
          ...optional('archive', text(body.archive, 'deleteExecution.archive').slice(0, 200)),
        },
      };
    }
  }
}
