/** What a step has in place of an agent, as one field of the step. */
export interface KindField {
  /** The field's description in the schema. */
  readonly description: string;
  /** The kind's name in messages. */
  readonly called: string;
  /** Its fields that are mappings. Their expressions are checked, and see what the input of a step sees. */
  readonly mappings: readonly string[];
  /** Fields of an agent's step that this kind does not have, and why. */
  readonly without: Readonly<Record<string, string>>;
}

/** Why steps of these kinds do not run again. */
export const REPEATS_NOT = 'an agent’s work, an orchestration or a route is repeated';

/** What an agent's attempts have, and a step that nobody attempts has not. `times` says where the time of the kind is set. */
export const withoutAttempts = (times: string, retry: string, compensate: string): KindField['without'] => ({
  timeout_ms: times,
  retry,
  heartbeat_ms: 'nothing runs that could show a sign of life',
  schedule_to_start_ms: times,
  schedule_to_close_ms: times,
  compensate,
  repeat: REPEATS_NOT,
});
