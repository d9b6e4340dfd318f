/** What the engine has done since its start, for metrics and for the budgets of the benchmark. */
export interface EngineCounters {
  /** Commits sent, without those that only check epochs. */
  commits: number;
  /** Statements that append events: one for each commit. */
  appendStatements: number;
  /** Statements that only check epochs. */
  epochChecks: number;
  events: number;
  /** Bytes of the appended events' data as JSON text. */
  eventBytes: number;
  inputs: number;
  /** Attempts dispatched, including repeats. */
  dispatches: number;
  redispatches: number;
  /** How many of these went straight to runners. */
  directDispatches: number;
  /** Runners that ended while they held tasks. */
  lostRunners: number;
  /** Takeovers of partitions, each with a new epoch. */
  takeovers: number;
  loads: number;
  evictions: number;
  fenced: number;
  unknownCommits: number;
  rejectedCommits: number;
  droppedInputs: number;
  /** Results, checks and heartbeats without the token of their task. */
  refusedReports: number;
  /** Deleted executions whose events and rows were removed. */
  removedExecutions: number;
  natsIn: number;
  natsOut: number;
}

export function newCounters(): EngineCounters {
  return {
    commits: 0,
    appendStatements: 0,
    epochChecks: 0,
    events: 0,
    eventBytes: 0,
    inputs: 0,
    dispatches: 0,
    redispatches: 0,
    directDispatches: 0,
    lostRunners: 0,
    takeovers: 0,
    loads: 0,
    evictions: 0,
    fenced: 0,
    unknownCommits: 0,
    rejectedCommits: 0,
    droppedInputs: 0,
    refusedReports: 0,
    removedExecutions: 0,
    natsIn: 0,
    natsOut: 0,
  };
}
