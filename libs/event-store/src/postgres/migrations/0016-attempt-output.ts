/**
 * What attempts say while they are made, numbered by the one worker that makes each. Beside the log and no part of it: it may be
 * removed without harm to any execution. Statements run one by one in a transaction.
 */
export const attemptOutput: readonly string[] = [
  // kind, and for some kinds which one (part_id) and its name. at: milliseconds since the epoch.
  `CREATE TABLE execution.attempt_output (
    execution_id uuid NOT NULL,
    step_id text NOT NULL,
    attempt int NOT NULL,
    seq int NOT NULL CHECK (seq > 0),
    at bigint NOT NULL,
    kind text NOT NULL,
    body text NOT NULL,
    part_id text,
    part_name text,
    CONSTRAINT attempt_output_place PRIMARY KEY (execution_id, step_id, attempt, seq)
  )`,
];
