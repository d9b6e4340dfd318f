/** What the engine has done since it started; for metrics and for the benchmark's budgets. */
export interface EngineCounters {
  /** Commits sent, those with nothing but epoch checks not counted. */
  commits: number;
  /** Statements that append events: one for each commit. */
  appendStatements: number;
  /** Statements that only check epochs. */
  epochChecks: number;
  events: number;
  /** Bytes of the appended events' data as JSON text. */
  eventBytes: number;
  inputs: number;
  /** Attempts dispatched, again or for the first time. */
  dispatches: number;
  redispatches: number;
  /** Of these, tasks given straight to runners. */
  directDispatches: number;
  /** Runners that went away with tasks that they held. */
  lostRunners: number;
  /** Partitions taken, each with a new epoch. */
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
