/** A name that can be one token of a NATS subject: step ids, agents, pools, consensus groups. */
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

/** Every subject of the platform. Functions expect ids that are valid tokens. */
export const subjects = {
  /** Something that caches contain has changed: ConfigChanged. */
  configChanged: 'batuta.config.changed',
  /** Notices about one user's inbox. User ids may contain any character, so they are encoded to a token. */
  inbox: (tenant: string, userId: string): string => `batuta.inbox.${tenant}.${base64Url(userId)}`,
  command: (partition: number): string => `batuta.execution.${partition}.command`,
  /** Messages between streams. */
  message: (partition: number): string => `batuta.execution.${partition}.message`,
  result: (partition: number): string => `batuta.execution.${partition}.result`,
  /** Where one owner process accepts results for all its partitions. `owner` is a token of this run of the process. */
  ownerResult: (owner: string): string => `batuta.execution.owner.${owner}.result`,
  check: (partition: number): string => `batuta.execution.${partition}.check`,
  heartbeat: (partition: number): string => `batuta.execution.${partition}.heartbeat`,
  /** What attempts say while they are made. */
  output: (partition: number): string => `batuta.execution.${partition}.output`,
  step: (pool: string, priority: Priority, agent: string, executionId: string, stepId: string): string =>
    `batuta.step.${pool}.${priority}.${agent}.${executionId}.${stepId}`,
  stepFilter: (pool: string, priority: Priority): string => `batuta.step.${pool}.${priority}.>`,
  stepConsumer: (pool: string, priority: Priority): string => `${pool}-${priority}`,
  allSteps: 'batuta.step.>',
  stop: 'batuta.control.stop',
  /** Direct dispatch to one pool of one run of a runner's process. */
  runnerTasks: (pool: string, incarnation: string): string => `batuta.runner.${pool}.${incarnation}.tasks`,
  /** Beats of one pool's runners. The pool is part of the subject, so that NATS can refuse beats for other pools. */
  runnerBeat: (pool: string): string => `batuta.runner.${pool}.beat`,
  /** Requests a beat from every runner. */
  runnerCall: 'batuta.runner.call',
  /** An owner has taken over partitions: {partitions}. It does not have what the previous owner had in memory. */
  taken: 'batuta.execution.taken',
  /** Owners inform each other that partitions are free. */
  released: 'batuta.execution.released',
  /** Owners inform each other how many tasks wait in their memory: {owner, pools}. */
  waiting: 'batuta.execution.waiting',
  /** A gateway requests the events of executions: FollowExecutions. */
  follow: 'batuta.execution.follow',
  /** The ends of executions that were started through one run of a gateway. */
  end: (gateway: string): string => `batuta.end.${gateway}`,
  event: (tenant: string, executionId: string): string => `batuta.event.${tenant}.${executionId}`,
  /** Partial output of an execution's attempts, for those who have been let in. */
  outputOf: (executionId: string): string => `batuta.output.${executionId}`,
  lifecycle: (tenant: string, type: string): string => `batuta.lifecycle.${tenant}.${type}`,
  allLifecycle: 'batuta.lifecycle.>',
} as const;

export const headers = {
  traceparent: 'traceparent',
  tenant: 'Batuta-Tenant',
  messageId: 'Nats-Msg-Id',
  /**
   * On a start: the subject to which the owner also sends the end of the execution. It is only a shortcut, and is lost
   * with the owner.
   */
  end: 'Batuta-End',
} as const;
