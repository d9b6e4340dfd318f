/** A name that may stand as one token of a NATS subject: step ids, agents, pools, consensus groups. */
export const TOKEN = /^[A-Za-z0-9_-]{1,64}$/;
/** Tenant ids: tokens in lower case. */
export const TENANT_ID = /^[a-z0-9-]{1,40}$/;

export const STEPS_STREAM = 'STEPS';
export const LIFECYCLE_STREAM = 'LIFECYCLE';
export const PRIORITIES = ['high', 'normal', 'low'] as const;
export type Priority = (typeof PRIORITIES)[number];

function base64Url(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64url');
}

/** Every subject of the platform. Functions that take ids expect them to be valid tokens. */
export const subjects = {
  /** Something that is kept in caches has changed: ConfigChanged. */
  configChanged: 'batuta.config.changed',
  /** Notices of one user's inbox. User ids may hold anything, so they are encoded to be a token. */
  inbox: (tenant: string, userId: string): string => `batuta.inbox.${tenant}.${base64Url(userId)}`,
  command: (partition: number): string => `batuta.execution.${partition}.command`,
  /** What streams tell each other. */
  message: (partition: number): string => `batuta.execution.${partition}.message`,
  result: (partition: number): string => `batuta.execution.${partition}.result`,
  /** Where one owner process takes results of all its partitions; `owner` is a token of this run of it. */
  ownerResult: (owner: string): string => `batuta.execution.owner.${owner}.result`,
  check: (partition: number): string => `batuta.execution.${partition}.check`,
  heartbeat: (partition: number): string => `batuta.execution.${partition}.heartbeat`,
  step: (pool: string, priority: Priority, agent: string, executionId: string, stepId: string): string =>
    `batuta.step.${pool}.${priority}.${agent}.${executionId}.${stepId}`,
  stepFilter: (pool: string, priority: Priority): string => `batuta.step.${pool}.${priority}.>`,
  stepConsumer: (pool: string, priority: Priority): string => `${pool}-${priority}`,
  allSteps: 'batuta.step.>',
  stop: 'batuta.control.stop',
  /** Direct dispatch to one pool of one run of a runner's process. */
  runnerTasks: (pool: string, incarnation: string): string => `batuta.runner.${pool}.${incarnation}.tasks`,
  /** Beats of the runners of one pool. The pool is in the subject, so that NATS can refuse beats for others' pools. */
  runnerBeat: (pool: string): string => `batuta.runner.${pool}.beat`,
  /** Asks every runner for a beat now. */
  runnerCall: 'batuta.runner.call',
  /** An owner has taken partitions: {partitions}. What the owner before it knew by heart, it does not. */
  taken: 'batuta.execution.taken',
  /** Owners tell each other that partitions are free. */
  released: 'batuta.execution.released',
  /** Owners tell each other how many tasks wait in their memory: {owner, pools}. */
  waiting: 'batuta.execution.waiting',
  /** A gateway wants the events of executions: FollowExecutions. */
  follow: 'batuta.execution.follow',
  /** Ends of executions that were started through one run of a gateway. */
  end: (gateway: string): string => `batuta.end.${gateway}`,
  event: (tenant: string, executionId: string): string => `batuta.event.${tenant}.${executionId}`,
  lifecycle: (tenant: string, type: string): string => `batuta.lifecycle.${tenant}.${type}`,
  allLifecycle: 'batuta.lifecycle.>',
} as const;

export const headers = {
  traceparent: 'traceparent',
  tenant: 'Batuta-Tenant',
  messageId: 'Nats-Msg-Id',
  /** On a start: where the owner says besides how the execution ended. Only a shortcut, which is lost with the owner. */
  end: 'Batuta-End',
} as const;
