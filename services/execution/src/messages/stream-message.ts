import { LIMITER_LIMITS, ON_LIMIT, PRIORITIES } from '@batuta/contracts';
import type { AcquirePlace, JsonValue, ParentCommand, PlaceMessage, StreamMessage } from '@batuta/contracts';
import { fail, flag, id, int, limit, name, object, onlyKnown, optional, parse, text, time } from './fields.js';
import type { Payload } from './fields.js';
import { failure } from './failure.js';

const MESSAGE = new Set(['streamId', 'messageId', 'from', 'ended', 'parent', 'askEnd', 'acquire', 'release', 'place']);
const ACQUIRE = new Set([
  'tenantId',
  'order',
  'configId',
  'configName',
  'configVersion',
  'key',
  'limit',
  'onLimit',
  'priority',
]);
const ENDED = new Set(['status', 'at', 'version', 'output', 'failure', 'tokenCount', 'estimatedCost', 'deleted']);
const PARENT_COMMAND = new Set(['command', 'order', 'now', 'compensate', 'reason', 'by']);
const PARENT_COMMANDS = ['pause', 'resume', 'cancel', 'terminate', 'retry', 'ask'] as const;

/** Decodes a StreamMessage. Throws `MalformedRequest`. */
export function decodeMessage(payload: Payload): StreamMessage {
  const found = object(parse(payload), '');
  onlyKnown(found, '', MESSAGE);
  const base = {
    streamId: id(found.streamId, 'streamId'),
    messageId: name(found.messageId, 'messageId', 100),
    from: id(found.from, 'from'),
  };
  if (found.parent !== undefined) return { ...base, parent: parentCommand(found.parent) };
  if (found.askEnd !== undefined) {
    const asked = object(found.askEnd, 'askEnd');
    onlyKnown(asked, 'askEnd', new Set(['tenantId']));
    return { ...base, askEnd: { tenantId: name(asked.tenantId, 'askEnd.tenantId', 40) } };
  }
  if (found.acquire !== undefined) return { ...base, acquire: acquire(found.acquire) };
  if (found.release !== undefined) {
    const released = object(found.release, 'release');
    onlyKnown(released, 'release', new Set(['tenantId', 'order']));
    const tenantId = name(released.tenantId, 'release.tenantId', 40);
    return { ...base, release: { tenantId, order: int(released.order, 'release.order') } };
  }
  if (found.place !== undefined) return { ...base, place: placeMessage(found.place) };
  const ended = object(found.ended, 'ended');
  onlyKnown(ended, 'ended', ENDED);
  const status = (['completed', 'failed', 'cancelled'] as const).find((item) => item === ended.status);
  return {
    ...base,
    ended: {
      status: status ?? fail('ended.status', 'the status of an end'),
      at: time(ended.at, 'ended.at'),
      ...(ended.version === undefined ? {} : { version: int(ended.version, 'ended.version') }),
      ...(ended.output === undefined ? {} : { output: ended.output }),
      ...(ended.failure === undefined ? {} : { failure: failure(ended.failure, 'ended.failure') }),
      ...(ended.tokenCount === undefined ? {} : { tokenCount: int(ended.tokenCount, 'ended.tokenCount') }),
      ...optional('estimatedCost', limit(ended.estimatedCost, 'ended.estimatedCost')),
      ...(flag(ended.deleted, 'ended.deleted') ? { deleted: true } : {}),
    },
  };
}

function acquire(value: JsonValue): AcquirePlace {
  const found = object(value, 'acquire');
  onlyKnown(found, 'acquire', ACQUIRE);
  return {
    tenantId: name(found.tenantId, 'acquire.tenantId', 40),
    order: int(found.order, 'acquire.order'),
    configId: name(found.configId, 'acquire.configId', 40),
    configName: name(found.configName, 'acquire.configName', 255),
    configVersion: int(found.configVersion, 'acquire.configVersion'),
    key: text(found.key, 'acquire.key').slice(0, LIMITER_LIMITS.keyChars),
    limit: int(found.limit, 'acquire.limit'),
    onLimit: ON_LIMIT.find((item) => item === found.onLimit) ?? fail('acquire.onLimit', ON_LIMIT.join(', ')),
    priority: PRIORITIES.find((item) => item === found.priority) ?? fail('acquire.priority', PRIORITIES.join(', ')),
  };
}

function placeMessage(value: JsonValue): PlaceMessage {
  const found = object(value, 'place');
  onlyKnown(found, 'place', new Set(['order', 'what', 'by']));
  return {
    order: int(found.order, 'place.order'),
    what:
      (['granted', 'evicted'] as const).find((item) => item === found.what) ?? fail('place.what', 'granted, evicted'),
    ...(found.by === undefined ? {} : { by: id(found.by, 'place.by') }),
  };
}

function parentCommand(value: JsonValue): ParentCommand {
  const found = object(value, 'parent');
  onlyKnown(found, 'parent', PARENT_COMMAND);
  return {
    command:
      PARENT_COMMANDS.find((item) => item === found.command) ?? fail('parent.command', PARENT_COMMANDS.join(', ')),
    order: int(found.order, 'parent.order'),
    ...(flag(found.now, 'parent.now') ? { now: true } : {}),
    ...(flag(found.compensate, 'parent.compensate') ? { compensate: true } : {}),
    ...optional('reason', text(found.reason, 'parent.reason').slice(0, 2_000)),
    ...optional('by', text(found.by, 'parent.by')),
  };
}
