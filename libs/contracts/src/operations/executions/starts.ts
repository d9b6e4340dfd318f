import type { RefusalCode } from '../../codes.js';
import { defineCommand } from '../define.js';
import type { BodySpec, HttpRoute, StreamCommand } from '../define.js';
import { EXECUTION_QUERIES, GONE, ONE, PATH } from './paths.js';

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

/** Operations that start executions. */
export const starts = {
  start: start('start', 'start an execution', {
    path: `${PATH}/execute/:config_id`,
    tool: true,
    summary: 'Start an execution of a config, by its id or name',
    description:
      'Answers when the start is committed: nothing that was answered is lost. With `wait`, answers 200 with the result when the execution ends in time, else 202.',
    refuses: [...GONE, 'input_invalid'],
    body: { schema: 'ExecuteBody', says: 'What it starts with.', optional: true, example: { input: { who: 'world' } } },
  }),
  fork: start('fork', 'fork an execution', {
    path: `${ONE}/fork`,
    tool: true,
    summary: 'Start a copy of an execution from one of its steps',
    description:
      'With the same config version and, unless given, the same input. Completed steps that do not depend on the step are taken over (`reused`) and do not run again. An approval is taken over only when the question is the same; otherwise a human is asked again.',
    refuses: [...GONE, 'step_not_found', 'input_invalid'],
    body: {
      schema: 'ForkBody',
      says: 'From where, and what is different.',
      example: { from_step_id: 'again', input: { who: 'everybody' } },
    },
  }),
} as const;
