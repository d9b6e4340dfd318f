/** Sizes are in bytes. They make sure that everything that is committed can also be published. */
export const LIMITS = {
  /** One execution input or one step output, as UTF-8 JSON. */
  payloadBytes: 1024 * 1024,
  /** The assembled input of one step. */
  stepInputBytes: 4 * 1024 * 1024,
  /** The message to an approver, as UTF-8 JSON. It is part of lists, notifications and callbacks. */
  approvalMessageBytes: 16 * 1024,
  /** The payload of one signal, as UTF-8 JSON. */
  signalBytes: 64 * 1024,
  /** Signals of one execution that no step has consumed yet. */
  keptSignals: 100,
  /** Larger events are published without their payload. */
  publishedEventBytes: 256 * 1024,
  /** The required max_payload of nats-server, checked at the start. */
  natsMaxPayloadBytes: 8 * 1024 * 1024,
  /** An HTTP request body. */
  requestBodyBytes: 1024 * 1024,
  /** Maximum depth of any JSON that comes from outside. */
  jsonDepth: 64,
  steps: 10_000,
  /** Maximum depth of executions within executions. */
  executionDepth: 10,
  /** Executions that one waits for before it begins. */
  dependencies: 100,
  /** Executions that are told of the end of one; what is beyond asks from time to time. */
  waiters: 1_000,
  /** Iterations of a step with a repeat. */
  iterations: 1_000,
  /** Items of one step with a map. */
  mapItems: 10_000,
  /** Items of one step with a map that are worked on at once. */
  mapConcurrency: 1_000,
  /** Failed items that a step with a map lists. The others are counted. */
  mapFailedItems: 1_000,
} as const;

/** Of what an attempt says while it is made. Bytes are those of UTF-8. */
export const OUTPUT_LIMITS = {
  /** The text of one part. */
  partBytes: 64 * 1024,
  /** Parts of one message. */
  messageParts: 200,
  /** The texts of one message. */
  messageBytes: 256 * 1024,
  /** What is kept of one attempt: its output may be no longer either. */
  attemptBytes: 1024 * 1024,
  attemptParts: 20_000,
  /** Characters of `kind`, `id` and `name`. */
  kind: 32,
  id: 200,
  name: 200,
} as const;
/** The part in front of what each run of an attempt says; its id is the name of the run. */
export const OUTPUT_START = 'start';
/** What kind of part it is. */
export const OUTPUT_KIND = /^[a-z][a-z0-9_]{0,31}$/;

/** Limits of the knowledge base. Lengths are in characters (UTF-16 units). */
export const KNOWLEDGE_LIMITS = {
  query: 2_000,
  results: 50,
  /** Number of results when a search does not give one. */
  defaultResults: 5,
  source: 1_024,
  title: 300,
  metadataBytes: 16 * 1024,
} as const;

/** Milliseconds: an execution's deadline when settings.timeout_ms is not set (30 days). */
export const DEFAULT_EXECUTION_TIMEOUT_MS = 30 * 24 * 3600 * 1000;
/** Milliseconds: how long an execution waits for others before it begins, counted from its `start_at` (a year). */
export const LONGEST_DEPENDENCY_WAIT_MS = 365 * 24 * 3600 * 1000;
/** Milliseconds: one attempt when a step sets no timeout_ms. */
export const DEFAULT_STEP_TIMEOUT_MS = 60_000;
