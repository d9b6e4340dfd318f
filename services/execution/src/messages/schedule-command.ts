import type { JsonObject, JsonValue, ScheduleCommand, ScheduleDefinition } from '@batuta/contracts';
import { OVERLAP_POLICIES } from '@batuta/contracts';
import { MalformedRequest, fail, int, object, onlyKnown, optional, text, time } from './fields.js';
import { scheduleMistakes } from '@batuta/calendar';

const SCHEDULE_COMMANDS = ['create', 'update', 'pause', 'resume', 'trigger', 'backfill', 'delete'] as const;
const SCHEDULE = new Set<string>([...SCHEDULE_COMMANDS, 'expectedVersion']);

function scheduleDefinition(value: JsonValue | undefined, path: string): ScheduleDefinition {
  const [mistake] = scheduleMistakes(value);
  if (mistake !== undefined) throw new MalformedRequest(`${path}${mistake.path} ${mistake.message}`);
  return value as unknown as ScheduleDefinition;
}

export function scheduleCommand(found: JsonObject): ScheduleCommand {
  onlyKnown(found, 'schedule', SCHEDULE);
  const given = SCHEDULE_COMMANDS.filter((command) => found[command] !== undefined);
  const [command] = given;
  if (command === undefined || given.length > 1) {
    return fail('schedule', `exactly one of ${SCHEDULE_COMMANDS.join(', ')}`);
  }
  const path = `schedule.${command}`;
  const body = object(found[command], path);
  const expectedVersion = int(found.expectedVersion, 'schedule.expectedVersion');
  const base = expectedVersion === 0 ? {} : { expectedVersion };
  switch (command) {
    case 'create':
    case 'update':
      onlyKnown(body, path, new Set(['definition']));
      return { ...base, [command]: { definition: scheduleDefinition(body.definition, `${path}.definition`) } };
    case 'pause':
    case 'resume':
      onlyKnown(body, path, new Set(['reason']));
      return { ...base, [command]: optional('reason', text(body.reason, `${path}.reason`).slice(0, 2_000)) };
    case 'trigger': {
      onlyKnown(body, path, new Set(['overlap']));
      const overlap = OVERLAP_POLICIES.find((item) => item === body.overlap);
      if (body.overlap !== undefined && overlap === undefined) fail(`${path}.overlap`, OVERLAP_POLICIES.join(', '));
      return { ...base, trigger: overlap === undefined ? {} : { overlap } };
    }
    case 'backfill': {
      onlyKnown(body, path, new Set(['fromAt', 'toAt', 'overlap']));
      const overlap = (['allow', 'buffer_all'] as const).find((item) => item === body.overlap);
      if (body.overlap !== undefined && overlap === undefined) fail(`${path}.overlap`, 'allow or buffer_all');
      const range = { fromAt: time(body.fromAt, `${path}.fromAt`), toAt: time(body.toAt, `${path}.toAt`) };
      return { ...base, backfill: { ...range, ...(overlap === undefined ? {} : { overlap }) } };
    }
    case 'delete':
      onlyKnown(body, path, new Set());
      return { ...base, delete: {} };
  }
}
