import type { NatsService } from './nats-services.js';
import { subjectsAskedBy, subjectsServedBy } from './operations/table.js';
import { LIFECYCLE_STREAM, PRIORITIES, STEPS_STREAM, subjects } from './subjects.js';

/** The permissions of a NATS user. Subjects may have wildcards. */
export interface NatsPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** Whether it may answer each request that reaches it once, whatever the subject of the answer. */
  readonly answers: boolean;
}

/** Each user gets answers under its own prefix, so that no other user can read them. */
export function inboxPrefix(user: string): string {
  return `_INBOX.${user}`;
}

/** The name of the NATS user of a pool's workers. It has a dot, so it cannot be the name of a service. */
export function poolUser(pool: string): string {
  return `pool.${pool}`;
}

const API = '$JS.API';
const inbox = (user: string): string => `${inboxPrefix(user)}.>`;
const changed = subjects.configChanged;

/** A pool's consumers. Its workers create them, read their state, delete stranded ones, and pull from them. */
function queueOf(pool: string): readonly string[] {
  return PRIORITIES.flatMap((priority) => {
    const name = subjects.stepConsumer(pool, priority);
    return [
      `${API}.CONSUMER.INFO.${STEPS_STREAM}.${name}`,
      // The filter is part of the subject, and the server compares it with the request. So it cannot be a filter for
      // other pools.
      `${API}.CONSUMER.CREATE.${STEPS_STREAM}.${name}.${subjects.stepFilter(pool, priority)}`,
      `${API}.CONSUMER.DELETE.${STEPS_STREAM}.${name}`,
      `${API}.CONSUMER.MSG.NEXT.${STEPS_STREAM}.${name}`,
      `$JS.ACK.${STEPS_STREAM}.${name}.>`,
      // Newer servers put a domain and an account before the stream.
      `$JS.ACK.*.*.${STEPS_STREAM}.${name}.>`,
    ];
  });
}

/**
 * The permissions of workers of these pools: take tasks of their own pools, and report on them. Workers cannot create
 * streams or read the log, and can neither see nor answer requests of others.
 */
function workers(user: string, pools: readonly string[]): NatsPermissions {
  return {
    publish: [
      'batuta.execution.*.result',
      'batuta.execution.*.heartbeat',
      'batuta.execution.*.check',
      'batuta.execution.*.output',
      subjects.ownerResult('*'),
      ...pools.flatMap((pool) => [subjects.runnerBeat(pool), ...queueOf(pool)]),
    ],
    subscribe: [
      inbox(user),
      subjects.stop,
      subjects.taken,
      subjects.runnerCall,
      ...pools.map((pool) => subjects.runnerTasks(pool, '*')),
    ],
    answers: true,
  };
}

/** The permissions of the workers of one pool. */
export function poolPermissions(pool: string): NatsPermissions {
  return workers(poolUser(pool), [pool]);
}

/** The permissions of a service. `pools`: those that the step-runner serves. */
export function servicePermissions(service: NatsService, pools: readonly string[]): NatsPermissions {
  switch (service) {
    case 'gateway':
      return {
        publish: [...subjectsAskedBy(service), subjects.follow],
        subscribe: [
          inbox(service),
          subjects.end('*'),
          subjects.event('*', '*'),
          subjects.outputOf('*'),
          'batuta.inbox.*.*',
          changed,
          subjects.taken,
        ],
        answers: false,
      };
    case 'config':
      return {
        publish: [changed, ...['gateway', 'execution', 'step-runner', 'notifications'].map(inbox)],
        subscribe: [inbox(service), ...subjectsServedBy(service)],
        answers: false,
      };
    case 'execution':
      return {
        publish: [
          // Every service sends it requests. Answers go only to inboxes, so a request cannot make it publish elsewhere.
          '_INBOX.>',
          subjects.allSteps,
          subjects.stop,
          subjects.runnerTasks('*', '*'),
          subjects.runnerCall,
          subjects.taken,
          subjects.released,
          subjects.waiting,
          subjects.end('*'),
          subjects.event('*', '*'),
          subjects.outputOf('*'),
          subjects.lifecycle('*', '*'),
          ...subjectsAskedBy(service),
          // Streams start and stop each other and send each other messages, whoever owns them.
          'batuta.execution.*.command',
          'batuta.execution.*.message',
          ...[STEPS_STREAM, LIFECYCLE_STREAM].flatMap((stream) =>
            ['INFO', 'CREATE', 'UPDATE'].map((operation) => `${API}.STREAM.${operation}.${stream}`),
          ),
          // Only the stream of tasks: when it accepts nothing it is recreated, and its tasks are dispatched again.
          `${API}.STREAM.DELETE.${STEPS_STREAM}`,
          `${API}.STREAM.MSG.GET.${STEPS_STREAM}`,
          `${API}.CONSUMER.INFO.${STEPS_STREAM}.*`,
          `${API}.CONSUMER.LIST.${STEPS_STREAM}`,
        ],
        subscribe: [inbox(service), 'batuta.execution.>', subjects.runnerBeat('*'), changed],
        answers: false,
      };
    case 'step-runner': {
      const { publish, subscribe, answers } = workers(service, pools);
      return {
        publish: [
          ...publish,
          // The first process creates the stream.
          `${API}.STREAM.INFO.${STEPS_STREAM}`,
          `${API}.STREAM.CREATE.${STEPS_STREAM}`,
          ...subjectsAskedBy(service),
        ],
        subscribe: [...subscribe, ...subjectsServedBy(service)],
        answers,
      };
    }
    case 'notifications':
      return {
        publish: [...['gateway'].map(inbox), 'batuta.inbox.*.*', ...subjectsAskedBy(service)],
        subscribe: [inbox(service), ...subjectsServedBy(service), subjects.allLifecycle, subjects.taken],
        answers: false,
      };
    default:
      return service satisfies never;
  }
}
