import type { Budget, CommandRequest, Dependency, JsonValue, ParentLink } from '@batuta/contracts';
import { DEPENDENCY_ENDS, LIMITS, PRIORITIES } from '@batuta/contracts';
import { fail, id, int, limit, list, name, object, onlyKnown, optional, text, time, within } from './fields.js';

const START = new Set([
  'configId',
  'configVersion',
  'input',
  'traceId',
  'sessionId',
  'callbackUrl',
  'metadata',
  'requestHash',
  'traceparent',
  'startAt',
  'fork',
  'priority',
  'budget',
  'endTo',
  'parent',
  'after',
  'waiters',
]);
const DEPENDENCY = new Set(['executionId', 'on', 'process']);
const PARENT = new Set(['executionId', 'stepId', 'depth']);
const BUDGET = new Set(['maxTokens', 'maxCost']);
const FORK = new Set(['executionId', 'fromStepId']);

function budget(value: JsonValue): Budget {
  const found = object(value, 'start.budget');
  onlyKnown(found, 'start.budget', BUDGET);
  return {
    ...optional('maxTokens', limit(found.maxTokens, 'start.budget.maxTokens')),
    ...optional('maxCost', limit(found.maxCost, 'start.budget.maxCost')),
  };
}

function dependencies(value: JsonValue): Dependency[] {
  return list(value, 'start.after', LIMITS.dependencies).map((each, place) => {
    const path = `start.after.${place}`;
    const found = object(each, path);
    onlyKnown(found, path, DEPENDENCY);
    return {
      executionId: id(found.executionId, `${path}.executionId`),
      on: DEPENDENCY_ENDS.find((item) => item === found.on) ?? fail(`${path}.on`, DEPENDENCY_ENDS.join(', ')),
      ...optional('process', text(found.process, `${path}.process`)),
    };
  });
}

function parentLink(value: JsonValue): ParentLink {
  const found = object(value, 'start.parent');
  onlyKnown(found, 'start.parent', PARENT);
  return {
    executionId: id(found.executionId, 'start.parent.executionId'),
    stepId: name(found.stepId, 'start.parent.stepId'),
    depth: int(found.depth, 'start.parent.depth'),
  };
}

export function start(value: JsonValue): NonNullable<CommandRequest['start']> {
  const found = object(value, 'start');
  onlyKnown(found, 'start', START);
  if (found.input !== undefined) within(found.input, 'start.input', LIMITS.payloadBytes);
  const fork = found.fork === undefined ? undefined : object(found.fork, 'start.fork');
  if (fork !== undefined) onlyKnown(fork, 'start.fork', FORK);
  const priority =
    found.priority === undefined
      ? undefined
      : (PRIORITIES.find((item) => item === found.priority) ?? fail('start.priority', PRIORITIES.join(', ')));
  return {
    configId: name(found.configId, 'start.configId'),
    configVersion: int(found.configVersion, 'start.configVersion'),
    traceId: name(found.traceId, 'start.traceId', 64),
    ...(found.input === undefined ? {} : { input: found.input }),
    ...optional('sessionId', text(found.sessionId, 'start.sessionId')),
    ...optional('callbackUrl', text(found.callbackUrl, 'start.callbackUrl')),
    ...(found.metadata === undefined ? {} : { metadata: object(found.metadata, 'start.metadata') }),
    ...optional('requestHash', text(found.requestHash, 'start.requestHash')),
    ...optional('traceparent', text(found.traceparent, 'start.traceparent')),
    ...optional('startAt', time(found.startAt, 'start.startAt')),
    ...(priority === undefined ? {} : { priority }),
    ...(found.budget === undefined ? {} : { budget: budget(found.budget) }),
    ...(found.endTo === undefined ? {} : { endTo: id(found.endTo, 'start.endTo') }),
    ...(found.parent === undefined ? {} : { parent: parentLink(found.parent) }),
    ...(found.after === undefined ? {} : { after: dependencies(found.after) }),
    ...(found.waiters === undefined
      ? {}
      : { waiters: list(found.waiters, 'start.waiters', LIMITS.waiters).map((each) => id(each, 'start.waiters')) }),
    ...(fork === undefined
      ? {}
      : {
          fork: {
            executionId: id(fork.executionId, 'start.fork.executionId'),
            fromStepId: name(fork.fromStepId, 'start.fork.fromStepId'),
          },
        }),
  };
}
